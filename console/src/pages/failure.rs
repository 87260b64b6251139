//! A page that can't be shown, and why. Who has a session finds the way on: what it may see, and how to end it.

use super::layout::{self, Frame};
use crate::database::{Access, Database};
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::http::trace::RequestId;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::middleware::Next;
use axum::response::IntoResponse;
use maud::{Markup, html};

/// A problem, told to a person: [`show`] makes a page of it.
#[derive(Debug)]
pub struct Failure(Problem);

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response<Body> {
        self.0.into_response()
    }
}

/// Makes a page of each problem. What else its answer says, such as when to try again, stays.
pub async fn show(
    State(database): State<Database>,
    request: Request,
    next: Next,
) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let session = Session::from_request_parts(&mut parts, &()).await.ok();
    let request_id = RequestId::of(&parts.extensions);
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let content = content(&problem, &request_id);
    let page = page(&database, session.as_ref(), &problem, &content).await;
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(page.into_string());
    response
}

fn content(problem: &Problem, request_id: &str) -> Markup {
    html! {
        h1 { (problem.title()) }
        p { (problem.detail()) }
        @if let Some(hint) = problem.advice() { p.muted { (hint) } }
        @if problem.status() == StatusCode::INTERNAL_SERVER_ERROR {
            p.muted { "The id of this request is " code { (request_id) } "." }
        }
        p { a href="/" { "To the start" } }
    }
}

/// With what the session may see, unless it is the database or the number of requests that is the problem.
async fn page(
    database: &Database,
    session: Option<&Session>,
    problem: &Problem,
    content: &Markup,
) -> Markup {
    let Some(session) = session else {
        return layout::bare(problem.title(), content);
    };
    let asks = problem.status() != StatusCode::TOO_MANY_REQUESTS
        && problem.status() != StatusCode::UNAUTHORIZED
        && !problem.status().is_server_error();
    let access = match asks {
        true => look_up(database, session).await,
        false => None,
    };
    let Some(access) = access else {
        let content = html! { (content) (layout::log_out(&session.csrf)) };
        return layout::bare(problem.title(), &content);
    };
    let frame = Frame {
        title: problem.title(),
        section: None,
        // What the path names counts for who may name any.
        tenant: access.tenant_id.or(session.who.tenant),
        access: &access,
        csrf: &session.csrf,
    };
    layout::page(&frame, content)
}

/// `None`: it has ended, or the database is away.
async fn look_up(database: &Database, session: &Session) -> Option<Access> {
    let connection = database.connection().await.ok()?;
    session.access(&connection).await.ok()
}
