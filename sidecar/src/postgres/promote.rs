//! `promote_due()`: makes due deliveries ready.

use super::owner::Owner;
use std::time::Duration;
use tokio_postgres::Error;
use uuid::Uuid;

/// What [`Owner::promote`] did.
pub struct Promoted {
    /// Subscription and delivery.
    pub ready: Vec<(Uuid, Uuid)>,
    /// The time until the next is due.
    pub next: Option<Duration>,
    /// Some of those that are due and that somebody has locked.
    pub locked: Vec<Uuid>,
}

impl Owner {
    pub(super) const PROMOTE: &str = "select delivery_ids, subscription_ids, next_due_in_ms, locked_ids from webhooks_private.promote_due($1)";

    /// Makes due deliveries ready. Returns them with their subscriptions, and the time until the next is due.
    ///
    /// # Errors
    /// Those of the statement.
    pub async fn promote(&self, shards: &[i16]) -> Result<Promoted, Error> {
        let promote = &self.statements.promote;
        let row = self.client.query_one(promote, &[&shards]).await?;
        let next_due_in_ms: Option<i64> = row.get("next_due_in_ms");
        let deliveries: Vec<Uuid> = row.get("delivery_ids");
        let subscriptions: Vec<Uuid> = row.get("subscription_ids");
        Ok(Promoted {
            ready: subscriptions.into_iter().zip(deliveries).collect(),
            next: next_due_in_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0))),
            locked: row.get("locked_ids"),
        })
    }
}
