//! Answers to requests that fail: problem details (RFC 9457), in the database's words where it refused.

use super::fields;
use crate::database::{ReadError, Refused, Unavailable, describe};
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;
use std::error::Error;
use std::io::ErrorKind;
use tokio_postgres::error::DbError;
use utoipa::{IntoResponses, ToSchema};

/// A request that fails, and why.
#[derive(Clone, Debug)]
pub struct Problem(Box<Details>);

/// Why a request is refused (RFC 9457).
// `type` is left out, which means `about:blank`.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Details {
    /// Name of the status.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// What is wrong, in the database's words where it refused.
    detail: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// What PostgreSQL says besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<String>,
    /// The member of the body, or the parameter, that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// PostgreSQL's SQLSTATE: what programs go by.
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<String>,
}

/// What requests that fail are answered with, for the description of the API.
#[derive(IntoResponses)]
#[response(
    status = "default",
    description = "Why the request is refused",
    content_type = "application/problem+json"
)]
#[expect(dead_code, reason = "it describes an answer")]
pub struct AnyProblem(Details);

impl Problem {
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self(Box::new(Details {
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            hint: None,
            more: None,
            field: None,
            sqlstate: None,
        }))
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    /// The answer to requests of paths that there are not.
    pub async fn no_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing at this path")
    }

    /// The answer to requests with a method that is not for their path.
    pub async fn no_method() -> Self {
        let detail = "this method is not for this path";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, detail)
    }

    /// A fault of this program, which it has logged.
    pub fn fault() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the request failed")
            .hint("The log of the console says why, with the id of this request.")
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.0.field = Some(field.to_owned());
        self
    }

    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub fn title(&self) -> &'static str {
        self.0.title
    }

    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// What to do, if it is known.
    pub fn advice(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The field that it is about, if it is about one.
    pub fn named_field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    fn refused(status: StatusCode, error: &DbError) -> Self {
        let field = match status {
            StatusCode::BAD_REQUEST | StatusCode::CONFLICT => fields::named_in(error.message()),
            _ => None,
        };
        let mut problem = Self::new(status, error.message());
        problem.0.hint = error.hint().map(str::to_owned);
        problem.0.more = error.detail().map(str::to_owned);
        problem.0.field = field.map(str::to_owned);
        problem.0.sqlstate = Some(error.code().code().to_owned());
        problem
    }
}

impl From<tokio_postgres::Error> for Problem {
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(refusal) = error.as_db_error() else {
            if is_about_connection(&error) {
                let words = describe(&error);
                tracing::warn!("the connection with the database failed: {words}");
                return unavailable();
            }
            tracing::error!("an answer of the database can't be read: {error}");
            return Self::fault();
        };
        if let Some(status) = status_of(refusal.code().code()) {
            return Self::refused(status, refusal);
        }
        // Ours, or the server's: the client can do nothing about it, and is told nothing.
        tracing::error!(
            sqlstate = refusal.code().code(),
            "a statement failed: {}",
            refusal.message()
        );
        Self::fault()
    }
}

/// Whether it is about the connection, and not about what was asked or how the answer was read, which is a fault of this
/// program.
fn is_about_connection(error: &tokio_postgres::Error) -> bool {
    let of_system = error.source().and_then(|source| source.downcast_ref());
    error.is_closed()
        || of_system.is_some_and(|error: &std::io::Error| {
            !matches!(
                error.kind(),
                ErrorKind::InvalidInput | ErrorKind::InvalidData
            )
        })
}

impl From<Refused> for Problem {
    fn from(error: Refused) -> Self {
        match error {
            Refused::Database(error) => error.into(),
            Refused::ReadOnly => Self::new(StatusCode::FORBIDDEN, error.to_string()).hint(
                "It was started with --read-only: change data by SQL, or by another console.",
            ),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Database(error) => error.into(),
            ReadError::Json(error) => {
                tracing::error!("a row can't be read: {error}");
                Self::fault()
            }
        }
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        tracing::warn!("{error}");
        unavailable()
    }
}

fn unavailable() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the database is not available",
    )
    .hint("Try again in a moment.")
}

/// The status for an SQLSTATE that says something about the request; `None`: it does not. `docs/reference/errors.md` has
/// what the extension raises.
fn status_of(sqlstate: &str) -> Option<StatusCode> {
    Some(match sqlstate {
        "28000" => StatusCode::UNAUTHORIZED,
        "42501" => StatusCode::FORBIDDEN,
        "42704" => StatusCode::NOT_FOUND,
        "23505" | "55000" | "WHCPY" => StatusCode::CONFLICT,
        "53400" => StatusCode::TOO_MANY_REQUESTS,
        // To be tried again: locks, serialization, a statement that took too long, a server that stops or is full.
        "40001" | "40P01" | "55P03" | "57014" | "57P01" | "57P02" | "57P03" | "53300" => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        "54000" | "54001" | "23502" | "23503" | "23514" => StatusCode::BAD_REQUEST,
        _ if sqlstate.starts_with("22") => StatusCode::BAD_REQUEST,
        _ => return None,
    })
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        // It has texts and numbers alone, which JSON can hold.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status();
        let status = response.status();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        // For who shows it to people.
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_follow_the_reference_of_errors() {
        for (sqlstate, status) in [
            ("22023", Some(400)),
            ("22P02", Some(400)),
            ("28000", Some(401)),
            ("42501", Some(403)),
            ("42704", Some(404)),
            ("55000", Some(409)),
            ("53400", Some(429)),
            ("40001", Some(503)),
            ("57014", Some(503)),
            // Of an older extension, or ours.
            ("42883", None),
            ("42601", None),
            ("XX000", None),
        ] {
            assert_eq!(
                status_of(sqlstate).map(|s| s.as_u16()),
                status,
                "{sqlstate}"
            );
        }
    }
}
