//! Routes, a file for each kind of resource.
//!
//! | route | scope |
//! | --- | --- |
//! | `GET /healthz`, `GET /readyz` | none |
//! | `POST /api/webhook-subscriptions/` | `webhook_subscriptions:create` |
//! | `GET /api/webhook-subscriptions/`, `…/{id}`, `…/{id}/deliveries`, `…/{id}/deliveries/{delivery_id}`, `…/{id}/health` | `webhook_subscriptions:read` |
//! | `PATCH /api/webhook-subscriptions/{id}`, `POST …/{id}/secret` | `webhook_subscriptions:update` |
//! | `DELETE /api/webhook-subscriptions/{id}` | `webhook_subscriptions:delete` |
//! | `POST /api/webhook-subscriptions/{id}/test` | `webhook_subscriptions:test` |
//! | `POST /api/webhook-subscriptions/{id}/deliveries/{delivery_id}/retry` | `webhook_subscriptions:retry` |
//! | `POST …/{id}/retry-failed`, `POST /api/replay` | `webhook_subscriptions:retry` |
//! | `POST /api/events/` | `events:publish` |
//! | `GET /api/events/{id}`, `GET /api/event-types/` | `events:read` |

mod deliveries;
mod events;
mod health;
mod receiver;
mod recovery;
mod subscriptions;
mod test;

use crate::database::Database;
use crate::http::input::MAX_BODY_BYTES;
use crate::http::jwt::Verifier;
use crate::http::problem::Problem;
use crate::http::trace;
use crate::pages::{self, Site};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Extension, Router};
use std::sync::Arc;

/// All routes.
pub fn router(database: Database, site: Site, verifier: Option<Verifier>) -> Router {
    let routes = routes(site);
    let routes = match verifier {
        Some(verifier) => routes.layer(Extension(Arc::new(verifier))),
        None => routes,
    };
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(axum::middleware::from_fn(trace::trace))
        .with_state(database)
}

fn routes(site: Site) -> Router<Database> {
    let collection = get(subscriptions::list).post(subscriptions::create);
    let subscription = get(subscriptions::get)
        .patch(subscriptions::update)
        .delete(subscriptions::delete);
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/api/webhook-subscriptions", collection.clone())
        .route("/api/webhook-subscriptions/", collection)
        .route("/api/webhook-subscriptions/{id}", subscription)
        .route("/api/webhook-subscriptions/{id}/test", post(test::test))
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
        .route("/api/events", post(events::publish))
        .route("/api/events/", post(events::publish))
        .route("/api/events/{id}", get(events::get))
        .route("/api/event-types", get(events::types))
        .route("/api/event-types/", get(events::types))
        .merge(pages::router(site))
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
}

async fn no_path() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path")
}

async fn no_method() -> Problem {
    let detail = "this method is not for this path";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}
