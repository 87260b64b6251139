//! The owning session: holds the shards' locks, listens, and claims. Always in autocommit, so that
//! notifications arrive at once; claiming on the session that owns means that nothing is claimed without owning.

use super::claim_row;
use super::clock_skew::{self, Sample};
use super::database::Database;
use super::trouble::Trouble;
use super::version;
use crate::model::Settings;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::{Client, Error, Notification, Statement};
use webhooks_connection::connect::Session;

/// How long a statement waits for somebody's lock on a table. It waits for no row.
const LOCK_TIMEOUT: &str = "500ms";

/// The session. What it is asked stands in a file for each SQL function.
pub struct Owner {
    pub client: Client,
    /// Host and port.
    pub server: String,
    pub(super) statements: Statements,
}

/// A session that was opened, and how things stood then.
pub struct Opened {
    pub owner: Owner,
    pub notifications: UnboundedReceiver<Notification>,
    /// The settings in force. Of changes since, notifications tell.
    pub settings: Settings,
    pub clock: Sample,
}

/// Its prepared statements.
pub(super) struct Statements {
    pub(super) claim: Statement,
    pub(super) load: Statement,
    pub(super) balance: Statement,
    pub(super) release: Statement,
    pub(super) leave: Statement,
    pub(super) arm: Statement,
    pub(super) disarm: Statement,
    pub(super) promote: Statement,
    pub(super) changed: Statement,
    pub(super) clock: Statement,
}

impl Owner {
    /// Connects, listens and joins the living sidecars.
    ///
    /// # Errors
    /// Those of the connection, missing privileges or extension, an extension of another version.
    pub async fn open(database: &Database, lease: Duration) -> Result<Opened, Trouble> {
        let session = Self::connect(database, lease).await?;
        database.claim_identity(&session)?;
        let (server, version) = (session.server.clone(), session.server_version.clone());
        let of = |error: Error| Trouble::of(&error, &server);
        let begun = tokio::time::timeout(lease, async {
            // Before anything is prepared: of a version too far away, it may not exist. And before joining: one that can't
            // work must not be given a share of the shards.
            let extension = version::installed(&session.client).await.map_err(of)?;
            if let Some(extension) = &extension {
                version::check(extension)
                    .map_err(|words| Trouble::permanent(format!("{server}: {words}")))?;
            }
            let opened = Self::prepare(session).await.map_err(of)?;
            let client = &opened.owner.client;
            let joined = client.batch_execute("select webhooks_private.join_sidecars()");
            joined.await.map_err(of)?;
            tracing::info!(
                server,
                postgresql = version,
                extension = opened.settings.extension_version,
                database = database.settings().database,
                role = database.settings().user,
                "connected"
            );
            Ok(opened)
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
        // The version is for operators: queue_status() shows the name.
        let name = concat!("webhooks-sidecar owner ", env!("CARGO_PKG_VERSION"));
        let session = database.connect_for_good(name, &settings);
        Ok(session.await?)
    }

    async fn prepare(session: Session) -> Result<Opened, Error> {
        let client = session.client;
        let statements = Statements {
            claim: claim_row::prepare(&client).await?,
            load: client.prepare(Self::LOAD).await?,
            balance: client.prepare(Self::BALANCE).await?,
            release: client.prepare(Self::RELEASE).await?,
            leave: client.prepare(Self::LEAVE).await?,
            arm: client.prepare(Self::ARM).await?,
            disarm: client.prepare(Self::DISARM).await?,
            promote: client.prepare(Self::PROMOTE).await?,
            changed: client.prepare(Self::CHANGED).await?,
            clock: clock_skew::prepare(&client).await?,
        };
        // The first answer of a statement is its slowest.
        clock_skew::measure(&client, &statements.clock).await?;
        let owner = Self {
            server: session.server,
            statements,
            client,
        };
        let clock = owner.clock().await?;
        let listening = "listen webhooks_doorbell; listen webhooks_changed";
        owner.client.batch_execute(listening).await?;
        Ok(Opened {
            settings: owner.settings().await?,
            clock,
            notifications: session.notifications,
            owner,
        })
    }

    /// The server's clock.
    ///
    /// # Errors
    /// Those of the statement.
    pub async fn clock(&self) -> Result<Sample, Error> {
        clock_skew::measure(&self.client, &self.statements.clock).await
    }
}
