//! Why there is no session, or why a statement failed: in the server's own words, without any password.

use std::time::Duration;
use tokio_postgres::Error;
use webhooks_connection::program::Program;
use webhooks_connection::trouble::{self, ConnectError};

/// What advice calls this program.
pub(super) const PROGRAM: Program = Program {
    name: "sidecar",
    role: "webhooks_sidecar",
    sessions: "the sidecar needs up to six sessions",
};

/// The SQLSTATE of `webhooks_private.check_adopted()`.
const NOT_ADOPTED: &str = "WHCPY";

/// How much longer than its time-out a statement may take: to be sent, cancelled and answered.
const GRACE: Duration = Duration::from_secs(5);

/// Why there is no session, or no longer.
#[derive(Clone, Debug)]
pub struct Trouble {
    pub words: String,
    /// Somebody has to change something.
    pub is_permanent: bool,
}

impl Trouble {
    pub fn passing(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            is_permanent: false,
        }
    }

    pub fn permanent(words: impl Into<String>) -> Self {
        Self {
            words: words.into(),
            is_permanent: true,
        }
    }

    /// Of a statement on a session with this server.
    pub fn of(error: &Error, server: &str) -> Self {
        Self {
            words: format!("{server}: {}", describe(error)),
            is_permanent: is_permanent(error),
        }
    }
}

impl From<ConnectError> for Trouble {
    fn from(error: ConnectError) -> Self {
        Self {
            is_permanent: error.is_permanent(),
            words: error.to_string(),
        }
    }
}

/// Why something could not be done with a session of its own.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("{0}")]
    Connect(#[from] ConnectError),
    #[error("{}", describe(.0))]
    Statement(#[from] Error),
    /// The server should have cancelled the statement: it, or the way to it, is silent.
    #[error("no answer within {} s", .0.as_secs())]
    Silent(Duration),
}

/// The result of a statement that the server cancels after `statement_timeout`.
///
/// # Errors
/// Those of the statement; a server that is silent for longer than that.
pub(super) async fn in_time<T>(
    statement_timeout: Duration,
    statement: impl Future<Output = Result<T, Error>>,
) -> Result<T, SessionError> {
    let patience = statement_timeout + GRACE;
    match tokio::time::timeout(patience, statement).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(SessionError::Silent(patience)),
    }
}

fn is_not_adopted(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code() == NOT_ADOPTED)
}

fn is_permanent(error: &Error) -> bool {
    is_not_adopted(error) || trouble::is_permanent(error)
}

/// An error in the server's own words, or the library's, and what can be done about it.
pub fn describe(error: &Error) -> String {
    match error.as_db_error() {
        // Its hint is the advice.
        Some(server) if is_not_adopted(error) => {
            let hint = server.hint().unwrap_or_default();
            format!("{}: {}; {hint}", server.severity(), server.message())
        }
        _ => trouble::describe(error, &PROGRAM),
    }
}
