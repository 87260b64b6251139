//! A page that can't be shown, and why.

use super::layout;
use crate::http::problem::Problem;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use axum::middleware::Next;
use axum::response::IntoResponse;
use maud::html;

/// A problem, told to a person.
#[derive(Debug)]
pub struct Failure(Problem);

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response<Body> {
        let problem = self.0;
        let content = html! {
            h1 { (problem.title()) }
            p { (problem.detail()) }
            @if let Some(hint) = problem.advice() { p.muted { (hint) } }
            p { a href="/" { "To the overview" } }
        };
        (problem.status(), layout::bare(problem.title(), &content)).into_response()
    }
}

/// Shows people the problems of what reads requests, which knows no pages.
pub async fn show(request: Request, next: Next) -> Response<Body> {
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Problem>() {
        Some(problem) => Failure(problem).into_response(),
        None => response,
    }
}
