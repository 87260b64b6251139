//! A delivery, as the database has it.

use crate::database::{ReadError, Request};
use crate::pages::view::Moment;
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Delivery {
    pub id: Uuid,
    pub subscription_id: Uuid,
    pub subscription_name: Option<String>,
    pub event_log_id: Uuid,
    /// `None`: the event is no longer kept.
    #[serde(default)]
    pub event_type: Option<String>,
    pub delivery_status: String,
    pub delivery_attempt: i32,
    pub made_at: Option<Moment>,
    pub delivered_at: Option<Moment>,
    pub next_retry_at: Option<Moment>,
    pub is_due: bool,
    pub is_test: bool,
    /// The delivery that this one repeats.
    pub repeats: Option<Uuid>,
}

impl Delivery {
    pub fn is_outstanding(&self) -> bool {
        matches!(self.delivery_status.as_str(), "pending" | "retrying")
    }

    /// The event is still kept.
    pub fn has_event(&self) -> bool {
        self.event_type.is_some()
    }
}

/// The one with this id; `None`: there is none.
///
/// # Errors
/// The database's.
pub async fn read(
    request: &Request<'_>,
    tenant: Uuid,
    delivery: Uuid,
) -> Result<Option<Delivery>, ReadError> {
    let found = request
        .items(
            "select json_build_object(
                 'id', d.id, 'subscription_id', d.subscription_id, 'event_log_id', d.event_log_id,
                 'subscription_name', (select s.name from webhooks.webhook_subscriptions s
                                       where s.id = d.subscription_id),
                 'delivery_status', d.delivery_status, 'delivery_attempt', d.delivery_attempt,
                 'made_at', webhooks.uuid_v7_time(d.id), 'delivered_at', d.delivered_at,
                 'next_retry_at', d.next_retry_at, 'is_due', (d.next_retry_at > now()) is not true,
                 'is_test', d.is_test,
                 'repeats', (select r.repeats from webhooks.redeliveries r where r.delivery_id = d.id
                             limit 1))::text as item
             from webhooks.webhook_delivery_logs d
             where d.id = $2 and d.tenant_id = $1 limit 1",
            &[&tenant, &delivery],
        )
        .await?;
    let Some(mut delivery): Option<Delivery> = found.into_iter().next() else {
        return Ok(None);
    };
    // By itself: its id says which partition it is in.
    let types: Vec<String> = request
        .items(
            "select to_json(e.event_type)::text as item from webhooks.event_logs e where e.id = $1 and e.tenant_id = $2",
            &[&delivery.event_log_id, &tenant],
        )
        .await?;
    delivery.event_type = types.into_iter().next();
    Ok(Some(delivery))
}
