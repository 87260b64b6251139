//! A session that is kept between calls, for what is asked regularly: to plan it anew costs several times as much.

use super::database::Database;
use super::trouble::{SessionError, in_time};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use webhooks_connection::connect::Session;

/// One session, for one call after the other; none before the first call.
pub struct KeptSession {
    database: Database,
    name: &'static str,
    statement_timeout: Duration,
    lock_timeout: Duration,
    session: Mutex<Option<Session>>,
}

impl KeptSession {
    /// A session that will be opened when it is needed.
    pub fn new(
        database: &Database,
        name: &'static str,
        statement_timeout: Duration,
        lock_timeout: Duration,
    ) -> Self {
        Self {
            database: database.clone(),
            name,
            statement_timeout,
            lock_timeout,
            session: Mutex::new(None),
        }
    }

    /// The rows of a statement. A call that is dropped, or not answered, ends the session.
    ///
    /// # Errors
    /// Those of the connection and of the statement.
    pub async fn query(&self, statement: &str) -> Result<Vec<Row>, SessionError> {
        let mut kept = self.session.lock().await;
        let session = match kept.take() {
            Some(session) if self.is_usable(&session) => session,
            _ => self.open().await?,
        };
        let rows = in_time(self.statement_timeout, session.client.query(statement, &[])).await;
        if !matches!(rows, Err(SessionError::Silent(_))) {
            *kept = Some(session);
        }
        rows
    }

    async fn open(&self) -> Result<Session, SessionError> {
        let milliseconds = |timeout: Duration| timeout.as_millis().to_string();
        let settings = [
            ("statement_timeout", milliseconds(self.statement_timeout)),
            ("lock_timeout", milliseconds(self.lock_timeout)),
        ];
        Ok(self.database.connect(self.name, &settings).await?)
    }

    /// It is open, and no standby has taken its server's place.
    fn is_usable(&self, session: &Session) -> bool {
        !session.client.is_closed() && !self.database.has_left(session.timeline.as_ref())
    }
}
