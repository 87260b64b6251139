//! Answers: JSON as the database made it, to the digit.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LINK, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Response, StatusCode};

/// A JSON text.
pub fn json(status: StatusCode, text: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // Kept by clients to compare versions, and asked for each time; by nobody else.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    // A browser that opens it takes it for nothing else, whatever events and receivers have in it.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A page of a list as JSON array, and where the next one is (RFC 8288).
pub fn page(items: &[String], next: Option<String>) -> Response<Body> {
    let mut response = json(StatusCode::OK, format!("[{}]", items.join(",")));
    let link = next.and_then(|next| HeaderValue::from_str(&format!("<{next}>; rel=\"next\"")).ok());
    if let Some(link) = link {
        response.headers_mut().insert(LINK, link);
    }
    response
}
