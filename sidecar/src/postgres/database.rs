//! A database that this process delivers from: opens sessions with it.

use super::identity::Identities;
use super::trouble::{PROGRAM, Trouble};
use crate::config::NamedDatabase;
use crate::task_group::TaskGroup;
use std::sync::Arc;
use webhooks_connection::connect::{Connector, Session};
use webhooks_connection::conninfo::Error;
use webhooks_connection::settings::Settings;
use webhooks_connection::timeline::Timeline;
use webhooks_connection::trouble::ConnectError;

/// The database: opens sessions.
#[derive(Clone)]
pub struct Database {
    name: Arc<str>,
    connector: Connector,
    identities: Identities,
}

impl Database {
    /// The connections of its sessions are among `tasks`. `identities` are those of all databases of this process.
    ///
    /// # Errors
    /// Certificates and keys that can't be read or used.
    pub fn new(
        database: NamedDatabase,
        identities: Identities,
        tasks: TaskGroup,
    ) -> Result<Self, Error> {
        Ok(Self {
            name: database.name.into(),
            connector: Connector::new(database.settings, PROGRAM, move |task| tasks.spawn(task))?,
            identities,
        })
    }

    /// What this session is with is no other database of this process by another name.
    ///
    /// # Errors
    /// What to leave out.
    pub(super) fn claim_identity(&self, session: &Session) -> Result<(), Trouble> {
        let Some(timeline) = &session.timeline else {
            return Ok(());
        };
        let claimed = (self.identities).claim(timeline, &self.settings().database, &self.name);
        claimed.map_err(|other| {
            Trouble::permanent(format!(
                "{}: this is the same database as {other}, by another name: leave one of them out",
                session.server
            ))
        })
    }

    /// The sidecar is leaving it: another connection string may lead to it from now on.
    pub fn release_identity(&self) {
        self.identities.release(&self.name);
    }

    /// How it is reached.
    pub fn settings(&self) -> &Settings {
        self.connector.settings()
    }

    /// Whether a later session is with another server than one on this timeline, which a standby has replaced then.
    pub(super) fn has_left(&self, timeline: Option<&Timeline>) -> bool {
        self.connector.has_left(timeline)
    }

    /// Opens a session named `name` in pg_stat_activity, with these run-time settings beside those that all have.
    ///
    /// # Errors
    /// Of each server, why it will not do.
    pub async fn connect(
        &self,
        name: &str,
        settings: &[(&str, String)],
    ) -> Result<Session, ConnectError> {
        self.connector.connect(name, settings).await
    }

    /// As [`connect`](Self::connect), for locks and notifications: refused where a pooler shares sessions.
    ///
    /// # Errors
    /// Of each server, why it will not do.
    pub async fn connect_for_good(
        &self,
        name: &str,
        settings: &[(&str, String)],
    ) -> Result<Session, ConnectError> {
        self.connector.connect_for_good(name, settings).await
    }
}
