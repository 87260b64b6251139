//! `event_filters` as seen by matching. JSON comes as text: what can't be read (nested deeper than events may be)
//! must be a mismatch, not an error in the publisher's transaction.

use crate::ids::to_uuid;
use crate::refuse::refuse;
use pgrx::prelude::*;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use webhooks_core::filter::Filter;
use webhooks_core::json;

/// How many filters a session keeps, of so many bytes at the most.
const KEPT: usize = 1024;
const KEPT_BYTES: usize = 4096;

thread_local! {
    /// By their text: reading one takes longer than holding an event against it.
    static READ: RefCell<HashMap<String, Rc<Filter>>> = RefCell::new(HashMap::new());
}

fn parse(filters: &str) -> Rc<Filter> {
    if let Some(kept) = READ.with_borrow(|kept| kept.get(filters).cloned()) {
        return kept;
    }
    let new = Rc::new(read(filters));
    if filters.len() <= KEPT_BYTES {
        READ.with_borrow_mut(|kept| {
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(filters.to_owned(), Rc::clone(&new));
        });
    }
    new
}

fn read(filters: &str) -> Filter {
    let parsed = json::parse(filters)
        .map_err(|error| error.to_string())
        .and_then(|filters| Filter::parse(&filters).map_err(|error| error.to_string()));
    match parsed {
        Ok(filter) => filter,
        Err(error) => refuse(
            format!("invalid event_filters: {error}"),
            "Update the subscription with valid filters; see docs/reference/filters.md.",
        ),
    }
}

/// Whether an event passes.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn filter_matches(
    event_filters: &str,
    event_data: &str,
    resource_type: Option<&str>,
    resource_id: Option<pgrx::Uuid>,
) -> bool {
    let filter = parse(event_filters);
    json::parse(event_data)
        .is_ok_and(|data| filter.matches(resource_type, resource_id.map(to_uuid), &data))
}

/// Why an event does not pass; `None` if it does.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn filter_mismatch(
    event_filters: &str,
    event_data: &str,
    resource_type: Option<&str>,
    resource_id: Option<pgrx::Uuid>,
) -> Option<String> {
    let filter = parse(event_filters);
    match json::parse(event_data) {
        Ok(data) => filter.mismatch(resource_type, resource_id.map(to_uuid), &data),
        Err(error) => Some(format!("event_data can't be filtered: {error}")),
    }
}
