//! Connections to PostgreSQL, and waiting between attempts.

use crate::args::RunArgs;
use crate::connection_string;
use crate::tls::{self, DatabaseTrust};
use anyhow::Context;
use rand::Rng;
use std::future::poll_fn;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Config, Notification, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Settings of every session, whatever the defaults of role and database are: a `search_path` with a schema of somebody
/// else could put other functions in the place of those that are meant. Not among them is default_transaction_read_only:
/// a database that was made read-only stays so.
const PINNED: &[(&str, &str)] = &[
    ("search_path", "pg_catalog,pg_temp"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_deferrable", "off"),
    ("check_function_bodies", "on"),
    ("row_security", "on"),
    ("standard_conforming_strings", "on"),
    ("array_nulls", "on"),
    ("transform_null_equals", "off"),
    ("DateStyle", "ISO,MDY"),
    ("IntervalStyle", "postgres"),
    ("TimeZone", "UTC"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
    ("client_min_messages", "notice"),
    ("jit", "off"),
    ("plan_cache_mode", "auto"),
    ("idle_session_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
];

/// A setting that PostgreSQL has from version 17 on.
const NO_TRANSACTION_TIMEOUT: &str = "select pg_catalog.set_config(s.name, '0', false) from pg_catalog.pg_settings s \
     where s.name operator(pg_catalog.=) 'transaction_timeout'";

/// How to reach the database.
#[derive(Clone)]
pub struct Database {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Database {
    /// From flags, the connection string and the PG* variables.
    ///
    /// # Errors
    /// A malformed connection string, an unreadable file.
    pub fn new(args: &RunArgs) -> anyhow::Result<Self> {
        let mut config =
            connection_string::configured(&args.database_url, connection_string::variable)?;
        if let Some(file) = &args.password_file {
            let password = std::fs::read_to_string(file)
                .with_context(|| format!("can't read the password file {}", file.display()))?;
            let password = password.strip_suffix('\n').unwrap_or(&password);
            anyhow::ensure!(
                !password.is_empty(),
                "the password file {} is empty: write the password into it, or leave --password-file out",
                file.display()
            );
            config.password(password);
        }
        config
            .connect_timeout(Duration::from_secs(10))
            .keepalives_idle(Duration::from_secs(5))
            .keepalives_interval(Duration::from_secs(5))
            .keepalives_retries(3)
            .tcp_user_timeout(args.lease);
        let trust = DatabaseTrust::Host(args.database_ca_file.as_deref());
        let tls = MakeRustlsConnect::new(tls::database_config(trust)?);
        Ok(Self { config, tls })
    }

    /// Opens a session named `name` in pg_stat_activity, with these run-time settings beside [`PINNED`]. Notifications
    /// of the session go to `notifications`; the channel closes when the session ends.
    ///
    /// # Errors
    /// Those of the connection.
    pub async fn connect(
        &self,
        name: &str,
        settings: &[(&str, String)],
        notifications: mpsc::UnboundedSender<Notification>,
    ) -> Result<Client, tokio_postgres::Error> {
        let options = startup_options(self.config.get_options(), settings);
        let (client, mut connection) = self
            .config
            .clone()
            .application_name(name)
            .options(options)
            .connect(self.tls.clone())
            .await?;
        tokio::spawn(async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                match message {
                    // Nobody may be listening any more, as at shutdown: the session must live on nevertheless.
                    Ok(AsyncMessage::Notification(notification)) => {
                        let _ = notifications.send(notification);
                    }
                    Ok(AsyncMessage::Notice(notice)) => {
                        tracing::warn!(code = notice.code().code(), "server: {}", notice.message());
                    }
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "session ended");
                        break;
                    }
                }
            }
        });
        client.batch_execute(NO_TRANSACTION_TIMEOUT).await?;
        Ok(client)
    }
}

/// The options of the startup packet: those of the connection string, and then ours. They are in force before the first
/// statement, and win over ALTER ROLE ... SET and ALTER DATABASE ... SET.
fn startup_options(of_url: Option<&str>, settings: &[(&str, String)]) -> String {
    let mut options = of_url.unwrap_or_default().to_owned();
    let pinned = PINNED.iter().map(|(name, value)| (*name, *value));
    let own = settings.iter().map(|(name, value)| (*name, value.as_str()));
    // The last one wins.
    for (name, value) in pinned.chain(own) {
        options.push_str(" -c ");
        options.push_str(name);
        options.push('=');
        for character in value.chars() {
            if character.is_whitespace() || character == '\\' {
                options.push('\\');
            }
            options.push(character);
        }
    }
    options
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

/// The SQLSTATE of `webhooks.check_adopted()`.
const NOT_ADOPTED: &str = "WHCPY";

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

/// What an operator can do about an error, with the server's own words but no connection string.
pub fn explain(error: &tokio_postgres::Error) -> String {
    use tokio_postgres::error::SqlState;
    let advice = match error.code() {
        Some(&SqlState::UNDEFINED_FUNCTION | &SqlState::INVALID_SCHEMA_NAME) => {
            "; is the extension installed in this database (CREATE EXTENSION webhooks), in this sidecar's version?"
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => "; grant the role webhooks_sidecar to this user",
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            "; check the user, its password and pg_hba.conf"
        }
        _ => "",
    };
    match error.as_db_error() {
        // Its hint is the advice.
        Some(server) if server.code().code() == NOT_ADOPTED => {
            let hint = server.hint().unwrap_or_default();
            format!("{}: {}; {hint}", server.severity(), server.message())
        }
        Some(server) => format!("{}: {}{advice}", server.severity(), server.message()),
        None => {
            let mut text = error.to_string();
            let mut source = std::error::Error::source(error);
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            if text.contains("certificate") {
                text.push_str(
                    "; TLS is always verified: name the server's certificate authority with --database-ca-file, or put sslmode=disable into the URL where the network is trusted",
                );
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_settings_come_after_those_of_the_connection_string() {
        let options = startup_options(
            Some("-c search_path=evil -c geqo=off"),
            &[("statement_timeout", "10 min".to_owned())],
        );
        assert!(
            options.starts_with(
                "-c search_path=evil -c geqo=off -c search_path=pg_catalog,pg_temp -c "
            )
        );
        assert!(options.contains(" -c default_transaction_isolation=read\\ committed -c "));
        assert!(options.ends_with(" -c statement_timeout=10\\ min"));
    }

    #[test]
    fn backoff_grows_to_its_cap() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..20).map(|_| backoff.pause()).collect();
        assert!(pauses[0] <= Duration::from_millis(100));
        assert!(pauses.iter().all(|p| *p <= Duration::from_secs(2)));
        assert!(pauses[19] >= Duration::from_millis(1000));
    }
}
