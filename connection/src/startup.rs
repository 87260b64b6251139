//! What a session begins with: its settings, and a look at where it got to.

use crate::timeline::Timeline;
use crate::trouble::Cause;
use std::fmt::Write;
use tokio_postgres::{Client, Error, SimpleQueryMessage, SimpleQueryRow};

/// Settings of every session, whatever the defaults of role and database are: a `search_path` with a schema of somebody
/// else could put other functions in the place of those that are meant. Not among them is
/// default_transaction_read_only: a database that was made read-only stays so.
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

/// Which only the server itself gets to see: a pooler does not pass it on.
const MARK: &str = "webhooks_connection.session";

const FACTS: &str = "select pg_catalog.pg_is_in_recovery() as is_standby, pg_catalog.current_setting('transaction_read_only') as read_only, \
     pg_catalog.current_setting('webhooks_connection.session', true) as mark, \
     pg_catalog.current_setting('server_version') as server_version, \
     (select c.system_identifier from pg_catalog.pg_control_system() c) as system_identifier, \
     case when not pg_catalog.pg_is_in_recovery() then pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()) end as wal_file";

/// How the name of a file of the write-ahead log begins: with its timeline, in hexadecimal digits.
const TIMELINE_DIGITS: std::ops::Range<usize> = 0..8;

/// A session that is wanted.
pub(super) struct Request<'a> {
    /// Its name in pg_stat_activity.
    pub(super) name: &'a str,
    /// Run-time settings beside [`PINNED`].
    pub(super) settings: &'a [(&'a str, String)],
    /// Whether to find out that it is the same session all the time.
    pub(super) has_state: bool,
    /// Nobody else's.
    pub(super) mark: String,
}

impl Request<'_> {
    fn all_settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let pinned = PINNED.iter().map(|(name, value)| (*name, *value));
        let own = self
            .settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()));
        // The last one wins.
        pinned.chain(own)
    }

    /// The options of the startup packet: those of the connection string, and then ours. They are in force before the
    /// first statement, and win over ALTER ROLE ... SET and ALTER DATABASE ... SET.
    pub(super) fn options(&self, of_url: Option<&str>) -> String {
        let mut options = of_url.unwrap_or_default().to_owned();
        for (name, value) in self.all_settings().chain([(MARK, self.mark.as_str())]) {
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

    /// For a session that did not get to see the startup packet's options.
    pub(super) async fn apply_settings(&self, client: &Client) -> Result<(), Error> {
        let mut statement = "select".to_owned();
        for (n, (name, value)) in self.all_settings().enumerate() {
            let separator = if n == 0 { ' ' } else { ',' };
            let value = value.replace('\'', "''");
            // Writing to a String can't fail.
            let _ = write!(
                statement,
                "{separator}pg_catalog.set_config('{name}', '{value}', false)"
            );
        }
        client.batch_execute(&statement).await
    }
}

/// What a server says of a session.
pub(super) struct Facts {
    is_standby: bool,
    is_read_only: bool,
    mark: Option<String>,
    pub(super) server_version: String,
    /// None of a standby: it has that of its primary.
    pub(super) timeline: Option<Timeline>,
}

impl Facts {
    pub(super) async fn of(client: &Client) -> Result<Self, Error> {
        let row = first_row(client, FACTS).await?;
        let text = |column| row.as_ref().and_then(|row| row.get(column));
        let digits = text("wal_file").and_then(|name| name.get(TIMELINE_DIGITS));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let system = text("system_identifier").unwrap_or_default().to_owned();
        Ok(Self {
            is_standby: text("is_standby") == Some("t"),
            is_read_only: text("read_only") == Some("on"),
            mark: text("mark").map(str::to_owned),
            server_version: text("server_version").unwrap_or_default().to_owned(),
            timeline: number.map(|number| Timeline { system, number }),
        })
    }

    /// Why the server will not do: it takes no results.
    pub(super) fn problem(&self) -> Option<Cause> {
        if self.is_standby {
            return Some(Cause::Standby);
        }
        self.is_read_only.then_some(Cause::ReadOnly)
    }

    /// Whether the server saw the options of the startup packet.
    pub(super) fn has_mark(&self, request: &Request<'_>) -> bool {
        self.mark.as_deref() == Some(request.mark.as_str())
    }
}

pub(super) async fn forget_transaction_timeout(client: &Client) -> Result<(), Error> {
    client.batch_execute(NO_TRANSACTION_TIMEOUT).await
}

/// By the simple protocol: nothing is prepared on a server that may be another one next time.
pub(super) async fn first_row(
    client: &Client,
    query: &str,
) -> Result<Option<SimpleQueryRow>, Error> {
    let messages = client.simple_query(query).await?;
    let mut messages = messages.into_iter();
    Ok(messages.find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pinned_settings_come_after_those_of_the_connection_string() {
        let request = Request {
            name: "x",
            settings: &[("statement_timeout", "10 min".to_owned())],
            has_state: false,
            mark: "m".to_owned(),
        };
        let options = request.options(Some("-c search_path=evil -c geqo=off"));
        assert!(
            options.starts_with(
                "-c search_path=evil -c geqo=off -c search_path=pg_catalog,pg_temp -c "
            )
        );
        assert!(options.contains(" -c default_transaction_isolation=read\\ committed -c "));
        assert!(
            options.ends_with(" -c statement_timeout=10\\ min -c webhooks_connection.session=m")
        );
    }
}
