//! `changed_subscriptions()`: changes that nobody notified this sidecar of.

use super::owner::Owner;
use tokio_postgres::Error;
use uuid::Uuid;

impl Owner {
    pub(super) const CHANGED: &str =
        "select c.id from webhooks_private.changed_subscriptions($1, $2) c (id)";

    /// Those of some subscriptions that are no longer in these versions.
    ///
    /// # Errors
    /// Those of the statement.
    pub async fn changed(&self, ids: &[Uuid], versions: &[i64]) -> Result<Vec<Uuid>, Error> {
        let changed = &self.statements.changed;
        let changed = self.client.query(changed, &[&ids, &versions]).await?;
        Ok(changed.iter().map(|row| row.get("id")).collect())
    }
}
