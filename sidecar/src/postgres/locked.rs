//! `locked_deliveries()`: what results can't be recorded now, since somebody has locked what they change.

use super::record::RecordSession;
use crate::model::Attempt;
use std::collections::HashSet;
use tokio_postgres::Error;
use uuid::Uuid;

impl RecordSession {
    /// Subscriptions of a batch whose results can't be written now.
    ///
    /// # Errors
    /// Those of the query: of a timeout, too, where a whole table is locked.
    pub async fn locked(&self, batch: &[Attempt]) -> Result<HashSet<Uuid>, Error> {
        let deliveries: Vec<Uuid> = batch.iter().map(|a| a.delivery_id).collect();
        let subscriptions: Vec<Uuid> = batch.iter().map(|a| a.subscription_id).collect();
        let disables: Vec<bool> = batch.iter().map(|a| a.disable_reason.is_some()).collect();
        let changes_breaker: Vec<bool> = batch.iter().map(|a| a.breaker.is_some()).collect();
        let locked = self
            .client
            .query(
                "select l.delivery_id from webhooks_private.locked_deliveries($1, $2, $3, $4) l (delivery_id)",
                &[&deliveries, &subscriptions, &disables, &changes_breaker],
            )
            .await?;
        let locked: HashSet<Uuid> = locked.iter().map(|row| row.get("delivery_id")).collect();
        Ok(batch
            .iter()
            .filter(|a| locked.contains(&a.delivery_id))
            .map(|a| a.subscription_id)
            .collect())
    }
}
