//! Routes, a file for each kind of resource.
//!
//! | route | scope |
//! | --- | --- |
//! | `GET /api/openapi.json` | none; with `events:read` it has the webhooks as well |
//! | `POST /api/webhook-subscriptions/`, `POST /api/subscription-templates/`, `…/{name}/subscriptions` | `webhook_subscriptions:create` |
//! | `GET` of these, `…/{id}`, `…/{id}/health`, `…/{id}/deliveries`, `…/{id}/deliveries/{delivery_id}`, `…/export`, `…/{name}` | `webhook_subscriptions:read` |
//! | `PATCH …/{id}`, `POST …/{id}/secret`, `PUT …/{name}` | `webhook_subscriptions:update` |
//! | `POST /api/webhook-subscriptions/import` | `:create` and `:update` |
//! | `DELETE …/{id}`, `DELETE …/{name}` | `webhook_subscriptions:delete` |
//! | `POST …/{id}/test` | `webhook_subscriptions:test` |
//! | `GET …/{id}/poll` | `webhook_subscriptions:poll` |
//! | `POST …/{id}/deliveries/{delivery_id}/retry`, `…/{id}/retry-failed`, `POST /api/replay` | `webhook_subscriptions:retry` |
//! | `POST /api/events/` | `events:publish` |
//! | `GET /api/events/`, `…/{id}`, `GET /api/event-types/` | `events:read` |
//! | `GET /api/metrics/deliveries`, `…/events`, `…/latency`, `…/endpoints`, `GET /api/usage` | `metrics:read` |
//! | `GET /api/audit-log/` | `audit:read` |

mod audit;
mod deliveries;
mod environment;
mod events;
mod metrics;
mod openapi;
mod poll;
mod receiver;
mod recovery;
mod schemas;
mod subscriptions;
mod templates;
mod test;
mod transfer;

use crate::database::Database;
use crate::http::jwt::Verifier;
use crate::http::problem::Problem;
use crate::http::rate_limit::{Kind, RateLimits, limit};
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use axum::{Extension, Router};
use std::sync::Arc;

/// All routes of the API.
pub fn router(verifier: Option<Verifier>, limits: Option<Arc<RateLimits>>) -> Router<Database> {
    let api = routes()
        .route("/api", any(Problem::no_path))
        .route("/api/", any(Problem::no_path))
        .route("/api/{*rest}", any(Problem::no_path))
        .method_not_allowed_fallback(Problem::no_method)
        .layer(from_fn_with_state((limits, Kind::Token), limit));
    match verifier {
        Some(verifier) => api.layer(Extension(Arc::new(verifier))),
        None => api,
    }
}

/// Collections are there with and without the slash at the end.
fn routes() -> Router<Database> {
    let subscriptions = get(subscriptions::list).post(subscriptions::create);
    let subscription = get(subscriptions::get)
        .patch(subscriptions::update)
        .delete(subscriptions::delete);
    let templates = get(templates::list).post(templates::create);
    let template = get(templates::get)
        .put(templates::replace)
        .delete(templates::delete);
    let events = get(events::list).post(events::publish);
    Router::new()
        .route("/api/webhook-subscriptions", subscriptions.clone())
        .route("/api/webhook-subscriptions/", subscriptions)
        .route("/api/webhook-subscriptions/export", get(transfer::export))
        .route("/api/webhook-subscriptions/import", post(transfer::import))
        .route("/api/webhook-subscriptions/{id}", subscription)
        .route("/api/webhook-subscriptions/{id}/test", post(test::test))
        .route("/api/webhook-subscriptions/{id}/poll", get(poll::poll))
        .route(
            "/api/webhook-subscriptions/{id}/deliveries",
            get(deliveries::list),
        )
        .route(
            "/api/webhook-subscriptions/{id}/deliveries/{delivery_id}",
            get(deliveries::get),
        )
        .route(
            "/api/webhook-subscriptions/{id}/deliveries/{delivery_id}/retry",
            post(deliveries::retry),
        )
        .route(
            "/api/webhook-subscriptions/{id}/health",
            get(receiver::health),
        )
        .route(
            "/api/webhook-subscriptions/{id}/secret",
            post(receiver::renew_secret),
        )
        .route(
            "/api/webhook-subscriptions/{id}/retry-failed",
            post(recovery::retry_failed),
        )
        .route("/api/replay", post(recovery::replay))
        .route("/api/subscription-templates", templates.clone())
        .route("/api/subscription-templates/", templates)
        .route("/api/subscription-templates/{name}", template)
        .route(
            "/api/subscription-templates/{name}/subscriptions",
            post(templates::subscribe),
        )
        .route("/api/events", events.clone())
        .route("/api/events/", events)
        .route("/api/events/{id}", get(events::get))
        .route("/api/event-types", get(events::types))
        .route("/api/event-types/", get(events::types))
        .route("/api/metrics/deliveries", get(metrics::deliveries))
        .route("/api/metrics/events", get(metrics::events))
        .route("/api/metrics/latency", get(metrics::latency))
        .route("/api/metrics/endpoints", get(metrics::endpoints))
        .route("/api/usage", get(metrics::usage))
        .route("/api/openapi.json", get(openapi::get))
        .route("/api/audit-log", get(audit::list))
        .route("/api/audit-log/", get(audit::list))
}
