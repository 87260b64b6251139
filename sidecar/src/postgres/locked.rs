//! `locked_deliveries()`: what results can't be recorded now, since somebody has locked what they change.

use super::record::{RecordSession, ResultRow};
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
        let rows: Vec<_> = batch.iter().map(ResultRow::without_response).collect();
        let locked = self
            .client
            .query(
                "select l.delivery_id from webhooks_private.locked_deliveries($1) l (delivery_id)",
                &[&rows],
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
