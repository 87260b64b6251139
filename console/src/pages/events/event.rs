//! An event, as the database has it.

use crate::database::{ReadError, Request};
use crate::pages::view::Moment;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Event {
    pub event_type: String,
    pub event_name: Option<String>,
    pub event_version: Option<String>,
    pub environment: Option<String>,
    pub resource_type: Option<String>,
    pub resource_id: Option<Uuid>,
    pub user_id: Option<Uuid>,
    pub session_id: Option<String>,
    pub request_id: Option<String>,
    pub idempotency_key: Option<String>,
    pub ordering_key: Option<String>,
    pub created_at: Option<Moment>,
    pub deliver_after: Option<Moment>,
    pub expires_at: Option<Moment>,
    pub is_test: bool,
    pub is_expired: bool,
    /// Written by the database, to the digit.
    pub data: Option<String>,
    pub resource_data: Option<String>,
}

/// The one with this id; `None`: there is none.
///
/// # Errors
/// The database's.
pub async fn read(
    request: &Request<'_>,
    tenant: Uuid,
    event: Uuid,
) -> Result<Option<Event>, ReadError> {
    let found = request
        .items(
            "select json_build_object(
                 'event_type', e.event_type, 'event_name', e.event_name, 'event_version', e.event_version,
                 'environment', e.environment, 'resource_type', e.resource_type, 'resource_id', e.resource_id,
                 'user_id', e.user_id, 'session_id', e.session_id, 'request_id', e.request_id,
                 'idempotency_key', e.idempotency_key, 'ordering_key', e.ordering_key, 'created_at', e.created_at,
                 'deliver_after', e.deliver_after, 'expires_at', e.expires_at,
                 'is_test', coalesce(e.is_test, false), 'is_expired', coalesce(e.expires_at <= now(), false),
                 'data', jsonb_pretty(e.event_data), 'resource_data', jsonb_pretty(e.resource_data))::text as item
             from webhooks.event_logs e where e.id = $2 and e.tenant_id = $1",
            &[&tenant, &event],
        )
        .await?;
    Ok(found.into_iter().next())
}
