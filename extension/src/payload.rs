//! Requests, from the same functions that the sidecar calls.

use crate::ids::to_uuid;
use crate::refuse::refuse;
use pgrx::JsonB;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;
use webhooks_core::payload::{Event, PayloadFormat};

/// Headers and body for an event in a format; no row if a required part is null.
#[pg_extern(sql = false, immutable, parallel_safe)]
#[allow(clippy::too_many_arguments)] // the event's columns
fn render_request(
    payload_format: Option<&str>,
    event_id: Option<pgrx::Uuid>,
    tenant_id: Option<pgrx::Uuid>,
    event_type: Option<&str>,
    event_category: Option<&str>,
    event_name: Option<&str>,
    event_version: Option<&str>,
    created_at_us: Option<i64>,
    event_data: Option<&str>,
    resource_type: Option<&str>,
    resource_id: Option<pgrx::Uuid>,
    user_id: Option<pgrx::Uuid>,
    session_id: Option<&str>,
    request_id: Option<&str>,
    source_ip: Option<&str>,
) -> TableIterator<'static, (name!(headers, JsonB), name!(body, String))> {
    let event = || {
        Some(Event {
            id: to_uuid(event_id?),
            tenant_id: to_uuid(tenant_id?),
            event_type: event_type?,
            category: event_category?,
            name: event_name?,
            version: event_version,
            created_at_us: created_at_us?,
            data: event_data?,
            resource_type,
            resource_id: resource_id.map(to_uuid),
            resource_data: None,
            user_id: user_id.map(to_uuid),
            session_id,
            request_id,
            source_ip,
        })
    };
    let request = payload_format.and_then(|name| {
        let format = name.parse().unwrap_or_else(|error| {
            refuse(
                format!("invalid payload_format: {error}"),
                format!(
                    "It takes {}.",
                    PayloadFormat::ALL.map(PayloadFormat::name).join(", ")
                ),
            )
        });
        Some(render(&event()?, format))
    });
    TableIterator::new(request)
}

fn render(event: &Event<'_>, format: PayloadFormat) -> (JsonB, String) {
    let own = format.headers(event).into_iter();
    let headers = own
        .map(|(name, value)| (name.to_owned(), value.into()))
        .chain([("content-type".to_owned(), format.content_type().into())])
        .collect();
    (
        JsonB(serde_json::Value::Object(headers)),
        format.render(event),
    )
}
