//! Answers to a receiver that polls.

use std::collections::BTreeMap;
use utoipa::ToSchema;
use uuid::Uuid;

/// Deliveries that are handed out, at least once each.
#[derive(ToSchema)]
pub struct Polled {
    /// To be given with the next poll, once what is here was taken care of; null: there are no deliveries.
    #[schema(required)]
    cursor: Option<String>,
    /// How many deliveries the cursor of this poll has acknowledged; 0: it had none, or they were acknowledged before.
    acknowledged: i64,
    /// In the order of publication.
    deliveries: Vec<PolledDelivery>,
}

/// A delivery as it would be sent.
#[derive(ToSchema)]
pub struct PolledDelivery {
    /// Delivery id.
    delivery_id: Uuid,
    /// Event id, which is also the header webhook-id: what receivers deduplicate on.
    event_id: Uuid,
    /// For example document.processed.
    event_type: String,
    /// Number of the attempt, from 1.
    attempt: i32,
    /// Request headers, with signatures or an API key.
    headers: BTreeMap<String, String>,
    /// Request body, byte for byte.
    body: String,
}
