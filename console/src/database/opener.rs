//! Sessions for the pool: opened as all programs of the project open them, and kept while they are good.

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use std::ops::{Deref, DerefMut};
use std::time::Duration;
use webhooks_connection::connect::Connector;
use webhooks_connection::program::Program;
use webhooks_connection::timeline::Timeline;
use webhooks_connection::trouble::ConnectError;

/// This program, in advice.
pub(super) const PROGRAM: Program = Program {
    name: "console",
    role: "webhooks_console",
    sessions: "the console has as many sessions as --connections allows",
};

/// The name of its sessions in pg_stat_activity.
const NAME: &str = "webhooks-console";

/// Opens sessions.
pub(super) struct Opener {
    pub(super) connector: Connector,
    /// For each statement, whoever sends it: a request, a look at whether the database is ready, a note of uses.
    pub(super) statement_timeout: Duration,
}

/// A session, with its prepared statements.
pub(super) struct Kept {
    client: ClientWrapper,
    timeline: Option<Timeline>,
}

impl Manager for Opener {
    type Type = Kept;
    type Error = ConnectError;

    async fn create(&self) -> Result<Kept, ConnectError> {
        // Notices are for whoever calls a function by hand; warnings are for operators, and are logged.
        let settings = [
            ("client_min_messages", "warning".to_owned()),
            (
                "statement_timeout",
                self.statement_timeout.as_millis().to_string(),
            ),
        ];
        let session = self.connector.connect(NAME, &settings).await?;
        Ok(Kept {
            client: ClientWrapper::new(session.client, session.connection),
            timeline: session.timeline,
        })
    }

    async fn recycle(&self, kept: &mut Kept, _: &Metrics) -> RecycleResult<ConnectError> {
        if kept.client.is_closed() {
            return Err(RecycleError::message("it has ended"));
        }
        if self.connector.has_left(kept.timeline.as_ref()) {
            return Err(RecycleError::message("a standby has replaced its server"));
        }
        Ok(())
    }
}

impl Deref for Kept {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        &self.client
    }
}

impl DerefMut for Kept {
    fn deref_mut(&mut self) -> &mut ClientWrapper {
        &mut self.client
    }
}
