//! Forms that pages send.

use super::input::body;
use super::problem::Problem;
use super::same_origin;
use super::session::Session;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::de::DeserializeOwned;

/// A form of a page of this console, for who has no session.
pub struct Form<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        parse(&read(request, state).await?).map(Self)
    }
}

/// A form of a page of this session: its field `csrf` says so.
pub struct Signed<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Signed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, content) = request.into_parts();
        let session = Session::from_request_parts(&mut parts, state).await?;
        let body = read(Request::from_parts(parts, content), state).await?;
        let csrf = form_urlencoded::parse(&body).find(|(name, _)| name == "csrf");
        if !csrf.is_some_and(|(_, given)| session.signed(&given)) {
            let detail = "the form is not of a page of this session";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail)
                .hint("Load the page again, and send its form again."));
        }
        parse(&body).map(Self)
    }
}

/// The body of a form that is no other site's.
async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    same_origin::check(request.headers())?;
    if !is_form(request.headers()) {
        let detail = "the body is not declared as a form";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
            .hint("Send the header Content-Type: application/x-www-form-urlencoded."));
    }
    body(request, state).await
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_html_form::from_bytes(body)
        .map_err(|error| Problem::bad_request(format!("the form does not fit: {error}")))
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    let kind = kind
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}
