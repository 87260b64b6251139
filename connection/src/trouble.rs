//! What is wrong with a connection, and what an operator can do about it: in the server's own words, without any
//! password.

use crate::program::Program;
use std::fmt;
use std::time::Duration;
use tokio_postgres::error::{DbError, Severity, SqlState};

/// With which a server refuses what the startup packet asks for: values of settings, settings that can't be set now, a
/// database that takes no connections.
const REFUSED_STARTS: [SqlState; 3] = [
    SqlState::INVALID_PARAMETER_VALUE,
    SqlState::CANT_CHANGE_RUNTIME_PARAM,
    SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
];

/// Why no session could be had at one address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("its name can't be resolved: {0}")]
    Unresolved(std::io::Error),
    #[error("its name has no address")]
    NoAddress,
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    #[error(
        "it is a hot standby, which takes no writes; name the primary, or all servers with target_session_attrs=read-write (host=a,b): then the one that is primary is used"
    )]
    Standby,
    #[error(
        "its sessions are read-only (default_transaction_read_only), so that nothing can be written; turn that off for this user (ALTER ROLE … SET default_transaction_read_only = off), or name another server, or several with target_session_attrs=read-write"
    )]
    ReadOnly,
    #[error(
        "there is a connection pooler in transaction mode before the database, with which settings and locks don't last; connect directly to PostgreSQL, or to a pool in session mode"
    )]
    Pooled,
    #[error(
        "the pooler before the database does not take PGOPTIONS or options= of the connection string; leave them out, or connect directly to PostgreSQL"
    )]
    OptionsRefused,
    #[error(
        "it is on timeline {timeline}, and this program has used timeline {newest} of the same cluster: it is probably a primary from before a failover; stop that server, or restart this program if that is the one to use"
    )]
    OldTimeline { timeline: u32, newest: u32 },
    #[error("{0}")]
    Postgres(#[from] tokio_postgres::Error),
}

impl Cause {
    /// Whether somebody has to change something before this gets better.
    pub(crate) fn is_permanent(&self) -> bool {
        match self {
            Self::Unresolved(_) | Self::NoAddress | Self::TimedOut(_) => false,
            Self::Standby
            | Self::ReadOnly
            | Self::Pooled
            | Self::OptionsRefused
            | Self::OldTimeline { .. } => true,
            Self::Postgres(error) => is_permanent(error),
        }
    }

    fn describe(&self, program: &Program) -> String {
        match self {
            Self::Postgres(error) => describe(error, program),
            other => other.to_string(),
        }
    }

    /// The server is there, and lets this user not in: as to libpq, that is not another server's business.
    pub(super) fn is_refusal(&self) -> bool {
        let Self::Postgres(error) = self else {
            return false;
        };
        let is_refusal = |code: &SqlState| code.code().starts_with("28");
        error.code().is_some_and(is_refusal)
    }
}

/// No session, at one address.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Host and port.
    pub(crate) server: String,
    pub(crate) cause: Cause,
}

/// No session anywhere.
#[derive(Debug)]
pub struct ConnectError {
    pub(super) failures: Vec<Failure>,
    pub(super) program: Program,
}

impl ConnectError {
    /// Whether somebody has to change something before this gets better.
    pub fn is_permanent(&self) -> bool {
        let mut causes = self.failures.iter().map(|failure| &failure.cause);
        causes.all(Cause::is_permanent)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said: Vec<String> = Vec::new();
        for Failure { server, cause } in &self.failures {
            let words = format!("{server}: {}", cause.describe(&self.program));
            if !said.contains(&words) {
                said.push(words);
            }
        }
        f.write_str(&said.join("; "))
    }
}

impl std::error::Error for ConnectError {}

/// Whether somebody has to change something before a statement, or a session, can succeed.
pub fn is_permanent(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else {
        return is_about_tls(error) || is_configuration(error);
    };
    let class = &code.code()[..2];
    // Rights, names, versions. What clashes with others' locks is not theirs, and a type that has got an attribute is
    // known to the next session.
    ["28", "3D", "3F", "42"].contains(&class) && *code != SqlState::DATATYPE_MISMATCH
        || is_fatal(error) && REFUSED_STARTS.contains(code)
        || *code == SqlState::READ_ONLY_SQL_TRANSACTION
}

/// The session ends with it, or never begins.
fn is_fatal(error: &tokio_postgres::Error) -> bool {
    // Poolers may say it in one way alone.
    let is_fatal = |server: &DbError| {
        server.parsed_severity() == Some(Severity::Fatal) || server.severity() == "FATAL"
    };
    error.as_db_error().is_some_and(is_fatal)
}

fn is_about_tls(error: &tokio_postgres::Error) -> bool {
    let has_io = io_cause(error).is_some();
    tls_cause(error).is_some() || error.to_string() == "error performing TLS handshake" && !has_io
}

/// A password that is missing, or a way to authenticate that this program does not have.
fn is_configuration(error: &tokio_postgres::Error) -> bool {
    ["invalid configuration", "authentication error"].contains(&error.to_string().as_str())
}

fn causes(
    error: &tokio_postgres::Error,
) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(std::error::Error::source(error), |cause| cause.source())
}

fn io_cause(error: &tokio_postgres::Error) -> Option<&std::io::Error> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

fn tls_cause(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    io_cause(error)?.get_ref()?.downcast_ref()
}

/// An error in the server's own words, or the library's, and what can be done about it.
pub fn describe(error: &tokio_postgres::Error, program: &Program) -> String {
    match error.as_db_error() {
        Some(server) => {
            let advice = match is_fatal(error) {
                true => advice_to_begin(server.code(), server.message(), program),
                false => advice(server.code(), program),
            };
            format!("{}: {}{advice}", server.severity(), server.message())
        }
        None => {
            let mut text = error.to_string();
            if let Some(tls) = tls_cause(error) {
                let advice = tls_advice(tls);
                return format!("{text}: {}{advice}", webhooks_tls::describe(tls));
            }
            for cause in causes(error).map(ToString::to_string) {
                if !text.contains(&cause) {
                    text = format!("{text}: {cause}");
                }
            }
            text.push_str(library_advice(&text));
            text
        }
    }
}

/// For a session that is there.
fn advice(code: &SqlState, program: &Program) -> String {
    let Program { name, role, .. } = program;
    match *code {
        SqlState::UNDEFINED_FUNCTION
        | SqlState::INVALID_SCHEMA_NAME
        | SqlState::UNDEFINED_TABLE => {
            return format!(
                "; is the extension installed in this database (CREATE EXTENSION webhooks), in this {name}'s version?"
            );
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            return format!("; grant the role {role} to this user");
        }
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            "; name the primary, or all servers with target_session_attrs=read-write"
        }
        _ => "",
    }
    .to_owned()
}

/// For one that the server did not let begin.
fn advice_to_begin(code: &SqlState, message: &str, program: &Program) -> String {
    match *code {
        SqlState::INVALID_CATALOG_NAME => {
            "; name the database that has the extension (dbname, PGDATABASE), or create it"
        }
        // Words of the server, which may be in any language: where they are not known, the advice is for all.
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION if message.contains("pg_hba.conf") => {
            "; let pg_hba.conf accept this user, database and address, with or without TLS as sslmode has it, and reload the server"
        }
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION if message.contains("does not exist") => {
            return format!(
                "; create it (CREATE ROLE … LOGIN IN ROLE {}), or name another user (user, PGUSER)",
                program.role
            );
        }
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "; check the user, its password and pg_hba.conf"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "; let this user connect (GRANT CONNECT ON DATABASE …); if it is about a setting, leave that out of options= and PGOPTIONS"
        }
        SqlState::INVALID_PARAMETER_VALUE
        | SqlState::CANT_CHANGE_RUNTIME_PARAM
        | SqlState::UNDEFINED_OBJECT => "; correct options= or PGOPTIONS",
        SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE => {
            "; let it take connections (ALTER DATABASE … ALLOW_CONNECTIONS true), or name another database"
        }
        SqlState::TOO_MANY_CONNECTIONS => {
            return format!(
                "; {}: raise max_connections, or the limit of its role or database",
                program.sessions
            );
        }
        _ => "",
    }
    .to_owned()
}

fn tls_advice(error: &rustls::Error) -> &'static str {
    use rustls::{AlertDescription, Error};
    match error {
        error if webhooks_tls::is_wrong_name(error) => {
            "; connect by a name that is in the certificate (hostaddr has the address), or use sslmode=verify-ca"
        }
        Error::InvalidCertificate(_) => {
            "; name the server's certificate authority with sslrootcert or --database-ca-file, or set sslmode=disable where the network is trusted"
        }
        Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate,
        ) => {
            "; the server wants a client certificate that it trusts: name it with sslcert and its key with sslkey"
        }
        _ => "; is there a PostgreSQL server with TLS 1.2 or 1.3 at that port?",
    }
}

fn library_advice(text: &str) -> &'static str {
    if text.contains("does not support TLS") {
        "; turn it on (ssl = on), or set sslmode=disable where the network is trusted"
    } else if text.contains("password missing") {
        "; give one in --password-file, ~/.pgpass or PGPASSWORD"
    } else if text.contains("channel binding") {
        "; channel_binding=require is for servers with TLS and scram-sha-256"
    } else if text.contains("unsupported authentication method") {
        "; let pg_hba.conf ask this user for a password (scram-sha-256) or a client certificate (cert)"
    } else {
        ""
    }
}
