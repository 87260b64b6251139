//! The owning session: holds the shards' locks, listens, and claims. Always in autocommit, so that
//! notifications arrive at once; claiming on the session that owns means that nothing is claimed without owning.

use crate::database::Database;
use crate::postgres::Session;
use crate::postgres::clock_skew::{self, Sample};
use crate::postgres::trouble::Trouble;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::{Client, Error, Notification, Statement};
use uuid::Uuid;

/// How long a statement waits for somebody's lock on a table. It waits for no row.
const LOCK_TIMEOUT: &str = "500ms";

/// `webhooks_private.sidecar_settings()`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub extension_version: String,
    pub max_retry_delay: Duration,
    pub max_retry_after: Duration,
    pub max_response_body_bytes: usize,
    pub max_response_headers_bytes: usize,
    /// Nothing but failures for so long disables a subscription; `None`: never.
    pub disable_after: Option<Duration>,
    /// Whether receivers have to agree, and for whom they are asked.
    pub endpoint_verification: Option<String>,
    pub verification_origin: Option<String>,
    /// Another one whenever any setting is changed.
    pub digest: i64,
}

/// What [`Owner::promote`] did.
pub struct Promoted {
    /// Subscription and delivery.
    pub ready: Vec<(Uuid, Uuid)>,
    /// The time until the next is due.
    pub next: Option<Duration>,
    /// Some of those that are due and that somebody has locked.
    pub locked: Vec<Uuid>,
}

/// What [`Owner::balance`] did.
pub struct Balanced {
    pub fair_share: usize,
    pub acquired: Vec<i16>,
    /// Publishers can wake a sidecar that sleeps.
    pub may_sleep: bool,
}

/// The session and its statements.
pub struct Owner {
    pub client: Client,
    /// Host and port.
    pub server: String,
    pub claim: Statement,
    pub load: Statement,
    balance: Statement,
    release: Statement,
    leave: Statement,
    arm: Statement,
    disarm: Statement,
    promote: Statement,
    changed: Statement,
    clock: Statement,
    /// The server's clock when the session began.
    pub first_clock: Sample,
}

impl Owner {
    /// Connects, listens and joins the living sidecars.
    ///
    /// # Errors
    /// Those of the connection, missing privileges or extension, an extension of another version.
    pub async fn open(
        database: &Database,
        lease: Duration,
    ) -> Result<(Self, UnboundedReceiver<Notification>), Trouble> {
        let session = Self::connect(database, lease).await?;
        let (server, version) = (session.server.clone(), session.server_version.clone());
        let of = |error: Error| Trouble::of(&error, &server);
        let begun = tokio::time::timeout(lease, async {
            let (owner, notifications) = Self::prepare(session).await.map_err(of)?;
            // Before joining: one that can't work must not be given a share of the shards.
            let settings = owner.settings().await.map_err(of)?;
            same_version(&settings.extension_version)
                .map_err(|words| Trouble::permanent(format!("{server}: {words}")))?;
            let joined = owner.client.batch_execute(
                "listen webhooks_doorbell; listen webhooks_changed; select webhooks_private.join_sidecars()",
            );
            joined.await.map_err(of)?;
            tracing::info!(
                server,
                postgresql = version,
                extension = settings.extension_version,
                database = database.settings().database,
                role = database.settings().user,
                "connected"
            );
            Ok((owner, notifications))
        });
        begun.await.unwrap_or_else(|_| {
            let seconds = lease.as_secs();
            Err(Trouble::passing(format!(
                "{server}: no answer within {seconds} s"
            )))
        })
    }

    async fn connect(database: &Database, lease: Duration) -> Result<Session, Trouble> {
        let lease_ms = lease.as_millis().to_string();
        let settings = [
            // The server itself ends the session, and frees its shards, when no heartbeat comes.
            ("idle_session_timeout", lease_ms.clone()),
            ("tcp_keepalives_idle", "5".to_owned()),
            ("tcp_keepalives_interval", "5".to_owned()),
            ("tcp_keepalives_count", "3".to_owned()),
            ("tcp_user_timeout", lease_ms),
            // Earlier than this process gives up: a statement that took too long is tried again on the same session.
            (
                "statement_timeout",
                (lease * 9 / 10).as_millis().to_string(),
            ),
            // The session does nothing else while it waits, not even say that it is alive.
            ("lock_timeout", LOCK_TIMEOUT.to_owned()),
        ];
        let session = database.connect_for_good("webhooks-sidecar owner", &settings);
        Ok(session.await?)
    }

    async fn prepare(session: Session) -> Result<(Self, UnboundedReceiver<Notification>), Error> {
        let client = session.client;
        let clock = clock_skew::prepare(&client).await?;
        let owner = Self {
            // The first answer of a statement is its slowest.
            first_clock: {
                clock_skew::measure(&client, &clock).await?;
                clock_skew::measure(&client, &clock).await?
            },
            clock,
            claim: client
                .prepare("select * from webhooks_private.claim_deliveries($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)")
                .await?,
            load: client
                .prepare("select * from webhooks_private.load_subscriptions($1)")
                .await?,
            balance: client
                .prepare("select fair_share, acquired, may_sleep from webhooks_private.balance_shards($1)")
                .await?,
            release: client.prepare("select webhooks_private.release_shards($1)").await?,
            leave: client.prepare("select webhooks_private.leave_sidecars()").await?,
            arm: client.prepare("select webhooks_private.arm_doorbell($1)").await?,
            disarm: client
                .prepare("select webhooks_private.disarm_doorbell($1)")
                .await?,
            promote: client
                .prepare("select * from webhooks_private.promote_due($1)")
                .await?,
            changed: client
                .prepare("select * from webhooks_private.changed_subscriptions($1, $2)")
                .await?,
            server: session.server,
            client,
        };
        Ok((owner, session.notifications))
    }

    /// The server's clock.
    pub async fn clock(&self) -> Result<Sample, Error> {
        clock_skew::measure(&self.client, &self.clock).await
    }

    /// The settings in force.
    pub async fn settings(&self) -> Result<Settings, Error> {
        let row = self
            .client
            .query_one("select * from webhooks_private.sidecar_settings()", &[])
            .await?;
        let seconds = |column: &str| {
            Duration::from_secs(u64::try_from(row.get::<_, i64>(column)).unwrap_or(0))
        };
        let bytes = |column: &str| usize::try_from(row.get::<_, i64>(column)).unwrap_or(0);
        Ok(Settings {
            extension_version: row.get("extension_version"),
            max_retry_delay: seconds("max_retry_delay_seconds"),
            max_retry_after: seconds("max_retry_after_seconds"),
            max_response_body_bytes: bytes("max_response_body_bytes"),
            max_response_headers_bytes: bytes("max_response_headers_bytes"),
            disable_after: Some(seconds("disable_after_failing_hours") * 3600)
                .filter(|after| !after.is_zero()),
            endpoint_verification: row.get("endpoint_verification"),
            verification_origin: row.get("verification_origin"),
            digest: row.get("digest"),
        })
    }

    /// Heartbeat: takes free shards up to the fair share. Returns the share and what was taken.
    pub async fn balance(&self, owned: &[i16]) -> Result<Balanced, Error> {
        let row = self.client.query_one(&self.balance, &[&owned]).await?;
        Ok(Balanced {
            fair_share: usize::try_from(row.get::<_, i32>(0)).unwrap_or(0),
            acquired: row.get(1),
            may_sleep: row.get(2),
        })
    }

    /// Those of some subscriptions that are no longer in these versions.
    pub async fn changed(&self, ids: &[Uuid], versions: &[i64]) -> Result<Vec<Uuid>, Error> {
        let changed = self.client.query(&self.changed, &[&ids, &versions]).await?;
        Ok(changed.iter().map(|row| row.get(0)).collect())
    }

    /// Gives shards back.
    pub async fn release(&self, shards: &[i16]) -> Result<(), Error> {
        self.client
            .execute(&self.release, &[&shards])
            .await
            .map(drop)
    }

    /// Counts no longer as a living sidecar.
    pub async fn leave(&self) -> Result<(), Error> {
        self.client.execute(&self.leave, &[]).await.map(drop)
    }

    /// Locks the bells before sleeping; false: a publisher is in flight.
    pub async fn arm(&self, shards: &[i16]) -> Result<bool, Error> {
        Ok(self.client.query_one(&self.arm, &[&shards]).await?.get(0))
    }

    /// Unlocks the bells.
    pub async fn disarm(&self, shards: &[i16]) -> Result<(), Error> {
        self.client
            .execute(&self.disarm, &[&shards])
            .await
            .map(drop)
    }

    /// Makes due deliveries ready. Returns them with their subscriptions, and the time until the next is due.
    pub async fn promote(&self, shards: &[i16]) -> Result<Promoted, Error> {
        let row = self.client.query_one(&self.promote, &[&shards]).await?;
        let next = row
            .get::<_, Option<i64>>(2)
            .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
        let (deliveries, subscriptions): (Vec<Uuid>, Vec<Uuid>) = (row.get(0), row.get(1));
        Ok(Promoted {
            ready: subscriptions.into_iter().zip(deliveries).collect(),
            next,
            locked: row.get(3),
        })
    }
}

/// What a notification says.
#[derive(Debug, PartialEq, Eq)]
pub enum Signal {
    /// Something to deliver was committed.
    Doorbell,
    /// A test was.
    Test,
    /// A subscription was changed or deleted.
    Subscription(Uuid),
    /// A subscription's receiver is to be asked whether it wants deliveries.
    Verify(Uuid),
    /// Very many subscriptions were changed.
    Subscriptions,
    /// Settings were changed.
    Settings,
}

impl Signal {
    /// Reads a notification; `None` if it is none of ours.
    pub fn of(notification: &Notification) -> Option<Self> {
        match (notification.channel(), notification.payload()) {
            ("webhooks_doorbell", "test") => Some(Self::Test),
            ("webhooks_doorbell", _) => Some(Self::Doorbell),
            ("webhooks_changed", "settings") => Some(Self::Settings),
            ("webhooks_changed", "subscriptions") => Some(Self::Subscriptions),
            ("webhooks_changed", payload) => match payload.strip_prefix("verify ") {
                Some(id) => id.parse().ok().map(Self::Verify),
                None => payload.parse().ok().map(Self::Subscription),
            },
            _ => None,
        }
    }
}

/// The extension and the sidecar of one minor version work together.
pub fn same_version(extension: &str) -> Result<(), String> {
    let minor = |version: &str| {
        version
            .split('.')
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let own = env!("CARGO_PKG_VERSION");
    if minor(extension) == minor(own) {
        return Ok(());
    }
    Err(format!(
        "the extension is version {extension}, this sidecar {own}: run ALTER EXTENSION webhooks UPDATE, or the sidecar of that version"
    ))
}

#[cfg(test)]
mod tests {
    use super::same_version;

    #[test]
    fn patch_versions_may_differ() {
        let own = env!("CARGO_PKG_VERSION");
        let mut parts: Vec<&str> = own.split('.').collect();
        parts[2] = "999";
        assert!(same_version(&parts.join(".")).is_ok());
        assert!(same_version("99.0.0").is_err());
    }
}
