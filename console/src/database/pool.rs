//! Connections that are kept.

use super::opener::{Opener, PROGRAM};
use super::token_uses::TokenUses;
use crate::config::RunArgs;
use deadpool::Runtime;
use deadpool::managed::{Object, Pool, PoolError, TimeoutType};
use std::time::Duration;
use webhooks_connection::connect::Connector;
use webhooks_connection::settings::Settings;
use webhooks_connection::trouble;

/// How long a request waits for a connection.
const WAIT: Duration = Duration::from_secs(5);

/// Why there is no answer of the database. The text is for operators: it has names of servers.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    #[error("no connection with the database became free within {} s", WAIT.as_secs())]
    Busy,
    #[error("can't connect to the database: {0}")]
    Connect(String),
    #[error("{0}")]
    NotReady(String),
}

/// The database, for all requests.
#[derive(Clone)]
pub struct Database {
    pool: Pool<Opener>,
    pub(super) is_read_only: bool,
    pub(super) uses: TokenUses,
}

/// A connection. It goes back to the pool when it is dropped.
pub struct Connection<'d> {
    pub(super) database: &'d Database,
    pub(super) client: Object<Opener>,
}

impl Database {
    /// # Errors
    /// Certificates and keys that can't be read or used.
    pub fn new(settings: Settings, args: &RunArgs) -> anyhow::Result<Self> {
        let connector = Connector::new(settings, PROGRAM, tokio::spawn)?;
        // How long it takes to open one is bounded for each address by connect_timeout.
        let pool = Pool::builder(Opener {
            connector,
            statement_timeout: args.statement_timeout,
        })
        .max_size(usize::try_from(args.connections)?)
        .wait_timeout(Some(WAIT))
        .runtime(Runtime::Tokio1)
        .build()?;
        Ok(Self {
            pool,
            is_read_only: args.read_only,
            uses: TokenUses::default(),
        })
    }

    /// How many connections there are, and how many of them are in use.
    pub fn connections(&self) -> (i64, i64) {
        let status = self.pool.status();
        let in_use = status.size.saturating_sub(status.available);
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        (number(status.size), number(in_use))
    }

    /// # Errors
    /// The database is away, or all connections are in use.
    pub async fn connection(&self) -> Result<Connection<'_>, Unavailable> {
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => Unavailable::Busy,
            PoolError::Backend(error) => Unavailable::Connect(error.to_string()),
            error => Unavailable::Connect(error.to_string()),
        })?;
        Ok(Connection {
            database: self,
            client,
        })
    }

    /// # Errors
    /// Requests could not be answered, and why not.
    pub async fn check(&self) -> Result<(), Unavailable> {
        let connection = self.connection().await?;
        // With a hash that no token has: what is missing is an error, and this token, too.
        let answer = connection
            .client
            .query("select from webhooks_private.open_access('', '')", &[])
            .await;
        let Err(error) = answer else {
            return Ok(());
        };
        match error.code().map(|code| code.code()) {
            Some("28000") => Ok(()),
            Some("3F000" | "42883") => Err(Unavailable::NotReady(
                "the database has no extension webhooks, or one that is older than this program: create extension webhooks, or alter extension webhooks update".to_owned(),
            )),
            Some("42501") => Err(Unavailable::NotReady(
                "the role that connects is no member of webhooks_console: grant webhooks_console to it".to_owned(),
            )),
            _ => Err(Unavailable::NotReady(describe(&error))),
        }
    }
}

/// An error in the server's own words, or the library's, and what can be done about it.
pub fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        // Advice is for sessions that can't be had. What a statement may not do is not about this program's user.
        Some(error) => error.message().to_owned(),
        None => trouble::describe(error, &PROGRAM),
    }
}
