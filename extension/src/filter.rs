//! `event_filters` as seen by matching. JSON comes as text: what serde_json can't read (nesting beyond 127
//! levels) must be a mismatch, not an error in the publisher's transaction.

use crate::ids::to_uuid;
use crate::refuse::refuse;
use pgrx::prelude::*;
use serde_json::Value;
use webhooks_core::filter::Filter;

fn parse(filters: &str) -> Filter {
    let parsed = serde_json::from_str::<Value>(filters)
        .map_err(|error| error.to_string())
        .and_then(|filters| Filter::parse(&filters).map_err(|error| error.to_string()));
    match parsed {
        Ok(filter) => filter,
        Err(error) => refuse(
            format!("invalid event_filters: {error}"),
            "Update the subscription with valid filters; see the README's section on filters.",
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
    serde_json::from_str(event_data)
        .is_ok_and(|data: Value| filter.matches(resource_type, resource_id.map(to_uuid), &data))
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
    match serde_json::from_str(event_data) {
        Ok(data) => filter.mismatch(resource_type, resource_id.map(to_uuid), &data),
        Err(error) => Some(format!("event_data can't be filtered: {error}")),
    }
}
