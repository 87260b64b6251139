//! Connections that are kept.

use super::token_uses::TokenUses;
use crate::config::RunArgs;
use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType,
};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres_rustls::MakeRustlsConnect;

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
    pool: Pool,
    /// For each statement of a request, in milliseconds.
    pub(super) statement_timeout: Arc<str>,
    pub(super) is_read_only: bool,
    pub(super) uses: TokenUses,
}

/// A connection. It goes back to the pool when it is dropped.
pub struct Connection<'d> {
    pub(super) database: &'d Database,
    pub(super) client: Object,
}

impl Database {
    /// # Errors
    /// None that flags could bring about.
    pub fn new(config: Config, tls: MakeRustlsConnect, args: &RunArgs) -> anyhow::Result<Self> {
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        };
        let pool = Pool::builder(Manager::from_config(config, tls, recycling))
            .max_size(usize::try_from(args.connections)?)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .runtime(Runtime::Tokio1)
            .build()?;
        Ok(Self {
            pool,
            statement_timeout: args.statement_timeout.as_millis().to_string().into(),
            is_read_only: args.read_only,
            uses: TokenUses::default(),
        })
    }

    /// # Errors
    /// The database is away, or all connections are in use.
    pub async fn connection(&self) -> Result<Connection<'_>, Unavailable> {
        let client = self.pool.get().await.map_err(|error| match error {
            PoolError::Timeout(TimeoutType::Wait) => Unavailable::Busy,
            PoolError::Timeout(_) => {
                Unavailable::Connect(format!("no answer within {} s", WAIT.as_secs()))
            }
            PoolError::Backend(error) => Unavailable::Connect(describe(&error)),
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

/// An error with what caused it: tokio-postgres shows one of them at a time.
pub fn describe(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
