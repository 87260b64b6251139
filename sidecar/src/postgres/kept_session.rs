//! A session that is kept between calls, for what is asked regularly: to plan it anew costs several times as much.

use super::database::Database;
use super::trouble::SessionError;
use tokio::sync::Mutex;
use tokio_postgres::Row;
use webhooks_connection::connect::Session;

/// One session, for one call after the other; none before the first call.
pub struct KeptSession {
    database: Database,
    name: &'static str,
    settings: Vec<(&'static str, String)>,
    session: Mutex<Option<Session>>,
}

impl KeptSession {
    /// A session that will be opened with these settings.
    pub fn new(
        database: &Database,
        name: &'static str,
        settings: Vec<(&'static str, String)>,
    ) -> Self {
        Self {
            database: database.clone(),
            name,
            settings,
            session: Mutex::new(None),
        }
    }

    /// The rows of a statement. A call that is dropped ends the session, and with it the statement.
    ///
    /// # Errors
    /// Those of the connection and of the statement.
    pub async fn query(&self, statement: &str) -> Result<Vec<Row>, SessionError> {
        let mut kept = self.session.lock().await;
        let session = match kept.take() {
            Some(session) if !session.client.is_closed() => session,
            _ => self.database.connect(self.name, &self.settings).await?,
        };
        let rows = session.client.query(statement, &[]).await;
        if !session.client.is_closed() {
            *kept = Some(session);
        }
        Ok(rows?)
    }
}
