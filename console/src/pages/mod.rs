//! Pages: HTML for people, rendered here.
//!
//! `/t/{tenant_id}/…` has the pages of a tenant, for operators and for customers of the portal alike. They work without
//! scripts; with them, parts are renewed in place.

mod assets;
mod brand;
mod failure;
mod layout;
mod login;
mod overview;
mod portal;
mod site;
mod subscriptions;
mod templates;
mod view;

pub use brand::Brand;
pub use site::Site;

use crate::database::Database;
use crate::http::security_headers;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use axum::{Extension, Router};
use std::sync::Arc;

/// All pages.
pub fn router(site: Site) -> Router<Database> {
    let policy = site.content_policy.clone();
    // Of a session: without one they lead to the login.
    let pages = Router::new()
        .route("/", get(login::home))
        .route("/logout", post(login::log_out))
        .route("/t/{tenant_id}", get(overview::show))
        .merge(subscriptions::router())
        .merge(templates::router())
        .layer(from_fn(login::require));
    let entrances = Router::new()
        .route("/login", get(login::show).post(login::submit))
        .route("/portal", get(portal::show).post(portal::submit))
        .route("/brand/logo", get(brand::logo))
        .route("/brand.css", get(brand::style))
        .route("/assets/{digest}/{name}", get(assets::get));
    pages
        .merge(entrances)
        .layer(from_fn(failure::show))
        .layer(Extension(Arc::new(site)))
        .layer(from_fn_with_state(policy, security_headers::add))
}
