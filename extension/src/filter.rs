//! `event_filters` as seen by matching.

use crate::ids::to_uuid;
use crate::refuse::refuse;
use pgrx::prelude::*;
use webhooks_core::filter::Filter;

fn parse(filters: &pgrx::JsonB) -> Filter {
    match Filter::parse(&filters.0) {
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
    event_filters: Option<pgrx::JsonB>,
    event_data: Option<pgrx::JsonB>,
    resource_type: Option<&str>,
    resource_id: Option<pgrx::Uuid>,
) -> bool {
    filter_mismatch(event_filters, event_data, resource_type, resource_id).is_none()
}

/// Why an event does not pass; `None` if it does.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn filter_mismatch(
    event_filters: Option<pgrx::JsonB>,
    event_data: Option<pgrx::JsonB>,
    resource_type: Option<&str>,
    resource_id: Option<pgrx::Uuid>,
) -> Option<String> {
    let filters = event_filters?;
    let data = event_data.map_or(serde_json::Value::Null, |data| data.0);
    parse(&filters).mismatch(resource_type, resource_id.map(to_uuid), &data)
}
