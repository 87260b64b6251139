//! `balance_shards()`, `release_shards()`, `leave_sidecars()`: sharing the shards with other sidecars.

use super::owner::Owner;
use tokio_postgres::Error;

/// What [`Owner::balance`] did.
pub struct Balanced {
    pub fair_share: usize,
    pub acquired: Vec<i16>,
    /// Publishers can wake a sidecar that sleeps.
    pub may_sleep: bool,
}

impl Owner {
    pub(super) const BALANCE: &str =
        "select fair_share, acquired, may_sleep from webhooks_private.balance_shards($1)";
    pub(super) const RELEASE: &str = "select webhooks_private.release_shards($1)";
    pub(super) const LEAVE: &str = "select webhooks_private.leave_sidecars()";

    /// Heartbeat: takes free shards up to the fair share. Returns the share and what was taken.
    ///
    /// # Errors
    /// Those of the statement, as of all others here.
    pub async fn balance(&self, owned: &[i16]) -> Result<Balanced, Error> {
        let balance = &self.statements.balance;
        let row = self.client.query_one(balance, &[&owned]).await?;
        Ok(Balanced {
            fair_share: usize::try_from(row.get::<_, i32>("fair_share")).unwrap_or(0),
            acquired: row.get("acquired"),
            may_sleep: row.get("may_sleep"),
        })
    }

    /// Releases shards.
    pub async fn release(&self, shards: &[i16]) -> Result<(), Error> {
        let release = &self.statements.release;
        self.client.execute(release, &[&shards]).await.map(drop)
    }

    /// Counts no longer as a living sidecar.
    pub async fn leave(&self) -> Result<(), Error> {
        let leave = &self.statements.leave;
        self.client.execute(leave, &[]).await.map(drop)
    }
}
