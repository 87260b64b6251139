//! Types of events: what can be published and subscribed to, and who does.

pub mod detail;
pub mod list;

use crate::database::{ReadError, Request};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

/// Days that are counted, today among them.
const DAYS: usize = 7;

/// A row of `event_volume()`.
#[derive(Deserialize)]
struct Volume {
    bucket_start: Timestamp,
    event_type: String,
    events: i64,
}

/// The events of the last days, by type and day.
async fn volumes(request: &Request<'_>, tenant: Uuid) -> Result<Vec<Volume>, ReadError> {
    request
        .items(
            "select to_json(v)::text as item
             from webhooks.event_volume($1, '1 day', now() - interval '6 days') v",
            &[&tenant],
        )
        .await
}
