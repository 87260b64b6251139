//! `arm_doorbell()`, `disarm_doorbell()`: whether publishers notify.

use super::owner::Owner;
use tokio_postgres::Error;

impl Owner {
    pub(super) const ARM: &str = "select webhooks_private.arm_doorbell($1) as is_armed";
    pub(super) const DISARM: &str = "select webhooks_private.disarm_doorbell($1)";

    /// Locks the bells before sleeping; false: a publisher is in flight.
    ///
    /// # Errors
    /// Those of the statement.
    pub async fn arm(&self, shards: &[i16]) -> Result<bool, Error> {
        let arm = &self.statements.arm;
        Ok(self
            .client
            .query_one(arm, &[&shards])
            .await?
            .get("is_armed"))
    }

    /// Unlocks the bells.
    ///
    /// # Errors
    /// Those of the statement.
    pub async fn disarm(&self, shards: &[i16]) -> Result<(), Error> {
        let disarm = &self.statements.disarm;
        self.client.execute(disarm, &[&shards]).await.map(drop)
    }
}
