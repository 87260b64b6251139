//! Pages: HTML for people, rendered here.
//!
//! `/t/{tenant_id}/…` has the pages of a tenant, for operators and for customers of the portal alike. They work without
//! scripts; with them, parts are renewed in place.

mod address;
mod assets;
mod audit;
mod brand;
mod choices;
mod deliveries;
mod event_types;
mod events;
mod failure;
mod finish;
mod home;
mod layout;
mod login;
mod operator;
mod overview;
mod portal;
mod recover;
mod refusal;
mod scopes;
mod search;
mod site;
mod subscriptions;
mod templates;
mod view;

pub use brand::Brand;
pub use site::Site;

use crate::database::Database;
use crate::http::problem::Problem;
use crate::http::rate_limit::{Kind, RateLimits, limit};
use crate::http::security_headers;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use axum::{Extension, Router};
use std::sync::Arc;

/// All pages.
pub fn router(database: Database, site: Site, limits: Option<Arc<RateLimits>>) -> Router<Database> {
    let policy = site.content_policy.clone();
    // Of a session: without one they lead to the login.
    let pages = Router::new()
        .route("/", get(home::show))
        .route("/logout", post(login::log_out))
        .route("/t/{tenant_id}", get(overview::show))
        .route("/t/{tenant_id}/events", get(events::list::show))
        .route("/t/{tenant_id}/events/{id}", get(events::detail::show))
        .route(
            "/t/{tenant_id}/events/{id}/replay",
            post(events::replay::submit),
        )
        .route("/t/{tenant_id}/deliveries", get(deliveries::list::show))
        .route(
            "/t/{tenant_id}/deliveries/{id}",
            get(deliveries::detail::show),
        )
        .route(
            "/t/{tenant_id}/deliveries/{id}/retry",
            post(deliveries::actions::retry),
        )
        .route(
            "/t/{tenant_id}/deliveries/{id}/cancel",
            post(deliveries::actions::cancel),
        )
        .route(
            "/t/{tenant_id}/recover",
            get(recover::form::show).post(recover::run::submit),
        )
        .route(
            "/t/{tenant_id}/recover/progress",
            get(recover::progress::show),
        )
        .route("/t/{tenant_id}/event-types", get(event_types::list::show))
        .route(
            "/t/{tenant_id}/event-types/{name}",
            get(event_types::detail::show),
        )
        .route("/t/{tenant_id}/audit", get(audit::show))
        .route("/t/{tenant_id}/search", get(search::show))
        .route("/operator/tenants", get(operator::tenants::show))
        .route("/operator/queue", get(operator::queue::show))
        .route("/operator/sidecars", get(operator::sidecars::show))
        .route("/operator/alerts", get(operator::alerts::show))
        .route("/operator/doctor", get(operator::doctor::show))
        .route("/operator/settings", get(operator::settings::show))
        .merge(subscriptions::router())
        .merge(templates::router())
        .layer(from_fn(login::require));
    let entrances = Router::new()
        .route("/login", get(login::show).post(login::submit))
        .route("/portal", get(portal::show).post(portal::submit));
    // They cost nothing, and pages have many of them.
    let files = Router::new()
        .route("/brand/logo", get(brand::logo))
        .route("/brand.css", get(brand::style))
        .route("/assets/{digest}/{name}", get(assets::get));
    pages
        .merge(entrances)
        .fallback(Problem::no_path)
        .layer(from_fn_with_state((limits, Kind::Session), limit))
        .merge(files)
        .method_not_allowed_fallback(Problem::no_method)
        .layer(from_fn_with_state(database, failure::show))
        .layer(Extension(Arc::new(site)))
        .layer(from_fn_with_state(policy, security_headers::add))
}
