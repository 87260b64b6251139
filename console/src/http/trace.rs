//! The id of a request, which the answer, the log and the audit log have, and its line in the log.

use crate::telemetry::Metrics;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Extensions, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Id of a request: the client's if it gave one that fits, otherwise one of ours.
#[derive(Clone)]
pub struct RequestId(String);

impl RequestId {
    fn new(given: Option<&HeaderValue>) -> Self {
        let fits = |text: &&str| {
            (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        let given = given.and_then(|value| value.to_str().ok()).filter(fits);
        Self(given.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned))
    }

    /// That of this request.
    pub fn of(extensions: &Extensions) -> String {
        extensions
            .get::<Self>()
            .map(|id| id.0.clone())
            .unwrap_or_default()
    }
}

/// Gives each request its id, counts it, and writes its line: the route, and not the path, which has ids, nor the query.
pub async fn trace(
    State(metrics): State<Arc<Metrics>>,
    mut request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let id = RequestId::new(request.headers().get(&REQUEST_ID));
    request.extensions_mut().insert(id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("(none)", MatchedPath::as_str).to_owned();
    let span = tracing::error_span!("request", id = %id.0);
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = begun.elapsed();
    metrics.on_answered(&method, &route, response.status(), took);
    let (status, ms) = (response.status().as_u16(), took.as_millis());
    // Supervisors ask every few seconds.
    span.in_scope(|| match route.as_str() {
        "/healthz" | "/readyz" => tracing::debug!(%method, route, status, ms, "answered"),
        _ => tracing::info!(%method, route, status, ms, "answered"),
    });
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID.clone(), value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_clients_are_taken_if_they_fit_in_a_line() {
        let id = |text: &'static str| RequestId::new(Some(&HeaderValue::from_static(text))).0;
        assert_eq!(id("req-17"), "req-17");
        for bad in ["", "a b", "a\tb"] {
            assert_ne!(id(bad), bad);
        }
        assert_ne!(RequestId::new(None).0, RequestId::new(None).0);
    }
}
