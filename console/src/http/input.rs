//! What requests bring: path, query and body. What is wrong with them is a problem, too.

use super::problem::Problem;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// For bodies: subscriptions have at most some hundred KiB.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Ids of the path.
pub struct Ids<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Ids<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let ids = Path::from_request_parts(parts, state).await;
        ids.map(|Path(ids)| Self(ids))
            .map_err(|rejection: PathRejection| {
                let text = rejection.body_text();
                Problem::bad_request(text.strip_prefix("Invalid URL: ").unwrap_or(&text))
            })
    }
}

/// Parameters of the query.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|rejection: QueryRejection| {
                let text = rejection.body_text();
                let prefix = "Failed to deserialize query string: ";
                Problem::bad_request(text.strip_prefix(prefix).unwrap_or(&text))
            })
    }
}

/// A body of JSON, which the database reads: `None` if there is no body.
pub struct JsonText(Option<String>);

impl JsonText {
    /// # Errors
    /// There is no body.
    pub fn required(self) -> Result<String, Problem> {
        self.0.ok_or_else(|| {
            Problem::bad_request("the request has no body").hint("Send a JSON object.")
        })
    }

    /// As parameters of a function: none if there is no body.
    ///
    /// # Errors
    /// It does not have what they are.
    pub fn parsed<T: DeserializeOwned>(self) -> Result<T, Problem> {
        serde_json::from_str(&self.or_empty())
            .map_err(|error| Problem::bad_request(format!("the body does not fit: {error}")))
    }

    pub fn or_empty(self) -> String {
        self.0.unwrap_or_else(|| "{}".to_owned())
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonText {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let body = body(request, state).await?;
        if body.is_empty() {
            return Ok(Self(None));
        }
        if !is_json {
            let detail = "the body is not declared as JSON";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
                .hint("Send the header Content-Type: application/json."));
        }
        let text = String::from_utf8(body.into())
            .map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
        Ok(Self(Some(text)))
    }
}

/// A body, which is bounded in size and in time.
pub(super) async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let body = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
    let Ok(body) = body else {
        let seconds = BODY_TIMEOUT.as_secs();
        let detail = format!("the body did not arrive within {seconds} s");
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
    };
    body.map_err(|rejection| {
        let hint = format!("A body has at most {MAX_BODY_BYTES} bytes.");
        Problem::new(rejection.status(), rejection.body_text()).hint(hint)
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}
