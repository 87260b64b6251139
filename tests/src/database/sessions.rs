//! Sessions that are used again: a new one has to read the schema and compile its functions anew, which costs the server
//! more than most of what a test asks.

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use tokio_postgres::Client;

use super::Database;

/// Undoes changes that earlier users of a session may have made.
const RESET: &str = "reset session authorization; reset all";

/// Sessions that nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<Vec<Client>>);

/// A session of the superuser's, which others have used before and others will use later: what is run in it leaves no
/// temporary table and no open transaction behind.
#[derive(Debug)]
pub(super) struct Borrowed<'a> {
    client: Client,
    sessions: &'a Sessions,
}

impl Database {
    /// An idle session, or a new one.
    pub(super) async fn session(&self) -> Result<Borrowed<'_>> {
        let sessions = &self.sessions;
        loop {
            let idle = sessions.idle().pop();
            let Some(client) = idle else {
                let client = self.connect().await?;
                return Ok(Borrowed { client, sessions });
            };
            // Refused where the server has ended meanwhile.
            if client.batch_execute(RESET).await.is_ok() {
                return Ok(Borrowed { client, sessions });
            }
        }
    }

    /// Ends the idle sessions.
    pub(super) fn end_sessions(&self) {
        self.sessions.idle().clear();
    }
}

impl Borrowed<'_> {
    /// Gives it back. One that is dropped instead, as after an error, ends.
    pub(super) fn give_back(self) {
        self.sessions.idle().push(self.client);
    }
}

impl Deref for Borrowed<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Sessions {
    fn idle(&self) -> MutexGuard<'_, Vec<Client>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
