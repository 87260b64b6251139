//! The database: how it is reached, and waiting between attempts.

use crate::args::RunArgs;
use crate::postgres::conninfo;
use crate::postgres::settings::{Overrides, Settings};
use crate::postgres::{ConnectError, Connector, Session};
use anyhow::Context;
use rand::Rng;
use std::time::Duration;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

pub use crate::postgres::trouble::describe as explain;

/// How to reach the database.
#[derive(Clone)]
pub struct Database {
    connector: Connector,
}

impl Database {
    /// From flags, the connection string, the service file and the PG* variables.
    ///
    /// # Errors
    /// A malformed connection string, an unreadable file.
    pub fn new(args: &RunArgs) -> anyhow::Result<Self> {
        let parameters = conninfo::complete(&args.database_url, conninfo::variable)?;
        let password = args.password_file.as_ref().map(|file| {
            let password = std::fs::read_to_string(file)
                .with_context(|| format!("can't read the password file {}", file.display()))?;
            let password = password.strip_suffix('\n').unwrap_or(&password);
            // As editors of other systems end a line.
            let password = password.strip_suffix('\r').unwrap_or(password);
            anyhow::ensure!(
                !password.is_empty(),
                "the password file {} is empty: write the password into it, or leave --password-file out",
                file.display()
            );
            Ok(password.to_owned())
        });
        let overrides = Overrides {
            password: password.transpose()?,
            ca_file: args.database_ca_file.clone(),
        };
        let mut settings = Settings::new(&parameters, &overrides)?;
        if parameters.value("tcp_user_timeout").is_none() {
            settings.liveness.user_timeout = Some(args.lease);
        }
        if parameters.value("connect_timeout").is_none() {
            settings.connect_timeout = settings.connect_timeout.map(|most| most.min(args.lease));
        }
        let connector = Connector::new(settings)?;
        Ok(Self { connector })
    }

    pub fn settings(&self) -> &Settings {
        self.connector.settings()
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
        self.connector.open(name, settings, false).await
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
        self.connector.open(name, settings, true).await
    }
}

/// Waiting times between attempts to reach the database: 0.1 s doubling to 2 s, each with full jitter on its upper half.
pub struct Backoff {
    next: Duration,
}

impl Backoff {
    pub fn new() -> Self {
        Self {
            next: Duration::from_millis(100),
        }
    }

    /// The next pause.
    pub fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (self.next * 2).min(Duration::from_secs(2));
        pause.mul_f64(rand::rng().random_range(0.5..=1.0))
    }
}

/// The SQLSTATE of a statement that failed over what is in a row: others may be read nevertheless. Without the server's words,
/// which may show it.
pub fn data_error(error: &tokio_postgres::Error) -> Option<String> {
    use tokio_postgres::error::SqlState;
    let code = error.code()?;
    let is_about_data =
        *code == SqlState::OUT_OF_MEMORY || matches!(&code.code()[..2], "22" | "54" | "XX");
    is_about_data.then(|| format!("SQLSTATE {}", code.code()))
}

/// Whether all texts of a row are UTF-8: the server sends damaged ones as they are stored.
pub fn is_readable(row: &Row) -> bool {
    let mut columns = row.columns().iter().enumerate();
    columns.all(|(n, column)| {
        *column.type_() != Type::TEXT || row.try_get::<_, Option<&str>>(n).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_cap() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..20).map(|_| backoff.pause()).collect();
        assert!(pauses[0] <= Duration::from_millis(100));
        assert!(pauses.iter().all(|p| *p <= Duration::from_secs(2)));
        assert!(pauses[19] >= Duration::from_millis(1000));
    }
}
