//! One session, as psql would have it: statements as text, values as text.

use tokio_postgres::{Client, SimpleQueryMessage, SimpleQueryRow};
use webhooks_tests::PATIENCE;
use webhooks_tests::database::Database;
use webhooks_tests::wait::{Seen, eventually};

pub struct Session {
    client: Client,
    pid: String,
}

/// Why a statement was refused.
#[derive(Debug)]
pub struct Refusal {
    pub code: String,
    pub message: String,
    pub hint: String,
    /// Where it was raised, one line a function or statement.
    pub context: String,
    /// All that the server said, as a client or a log could show it.
    pub everything: String,
}

impl From<&tokio_postgres::Error> for Refusal {
    fn from(error: &tokio_postgres::Error) -> Self {
        let Some(db) = error.as_db_error() else {
            panic!("{error:?}");
        };
        Self {
            code: db.code().code().to_owned(),
            message: db.message().to_owned(),
            hint: db.hint().unwrap_or_default().to_owned(),
            context: db.where_().unwrap_or_default().to_owned(),
            everything: format!("{db:?}"),
        }
    }
}

impl Session {
    /// As superuser.
    pub async fn open(db: &Database) -> Self {
        Self::open_as(db, "postgres").await
    }

    pub async fn open_as(db: &Database, role: &str) -> Self {
        let client = db.connect_as(role).await.unwrap();
        let mut session = Self {
            client,
            pid: String::new(),
        };
        session.pid = session.text("select pg_backend_pid()").await;
        session
    }

    /// The typed interface of this session.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Runs statements.
    pub async fn run(&self, sql: &str) {
        let done = self.client.batch_execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
    }

    /// The rows of the last statement, columns joined by `|`, null as `null`.
    pub async fn lines(&self, sql: &str) -> Vec<String> {
        let show = |row: &SimpleQueryRow| {
            let columns = (0..row.len()).map(|i| row.get(i).unwrap_or("null"));
            columns.collect::<Vec<_>>().join("|")
        };
        let messages = self.client.simple_query(sql).await;
        let messages = messages.unwrap_or_else(|error| panic!("{sql}\n{error:?}"));
        let rows = messages.iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(show(row)),
            _ => None,
        });
        rows.collect()
    }

    /// The only row.
    pub async fn text(&self, sql: &str) -> String {
        let mut lines = self.lines(sql).await;
        assert_eq!(lines.len(), 1, "rows of {sql}: {lines:?}");
        lines.remove(0)
    }

    /// The error of statements that must fail.
    pub async fn refused(&self, sql: &str) -> Refusal {
        let Err(error) = self.client.batch_execute(sql).await else {
            panic!("not refused: {sql}");
        };
        Refusal::from(&error)
    }

    /// Waits until another session of this one waits for a lock.
    pub async fn wait_until_blocked(&self, other: &Self) {
        let query = format!(
            "select count(*) from pg_stat_activity where pid = {} and wait_event_type = 'Lock'",
            other.pid
        );
        let blocked = async || {
            let seen = self.text(&query).await;
            Ok(Seen::done_if(seen, |n| n == "1"))
        };
        eventually(PATIENCE, blocked).await.unwrap();
    }

    /// Its server process.
    pub fn pid(&self) -> &str {
        &self.pid
    }
}

/// A text as SQL literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
