//! What answers a request: health, the API or a page; and what all of them have in common.

use crate::api;
use crate::database::Database;
use crate::http::health::{self, Readiness};
use crate::http::input::MAX_BODY_BYTES;
use crate::http::jwt::Verifier;
use crate::http::problem::Problem;
use crate::http::rate_limit::RateLimits;
use crate::http::trace;
use crate::http::wait::Waiting;
use crate::pages::{self, Site};
use crate::telemetry::Metrics;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Extension, Router};
use std::sync::Arc;

/// All routes. Those of the API and of pages are limited, if there are limits.
pub fn router(
    database: Database,
    site: Site,
    verifier: Option<Verifier>,
    metrics: Arc<Metrics>,
    limits: Option<RateLimits>,
) -> Router {
    let limits = limits.map(Arc::new);
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .method_not_allowed_fallback(Problem::no_method)
        .merge(api::router(verifier, limits.clone()))
        .merge(pages::router(database.clone(), site, limits))
        .layer(Extension(Arc::new(Readiness::default())))
        .layer(Extension(Waiting::default()))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(metrics, trace::trace))
        .with_state(database)
}
