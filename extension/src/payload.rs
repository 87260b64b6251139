//! The request body, from the same function that the sidecar calls.

use crate::ids::to_uuid;
use pgrx::prelude::*;
use webhooks_core::payload::{Event, render_envelope};

/// The envelope for an event; null if a required part is null.
#[pg_extern(sql = false, immutable, parallel_safe)]
#[allow(clippy::too_many_arguments)] // the event's columns
fn render_payload(
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
    resource_data: Option<&str>,
    user_id: Option<pgrx::Uuid>,
    session_id: Option<&str>,
    request_id: Option<&str>,
    source_ip: Option<&str>,
) -> Option<String> {
    Some(render_envelope(&Event {
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
        resource_data,
        user_id: user_id.map(to_uuid),
        session_id,
        request_id,
        source_ip,
    }))
}
