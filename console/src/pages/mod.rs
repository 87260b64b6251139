//! Pages: HTML for people, rendered here.
//!
//! `/t/{tenant_id}/…` has the pages of a tenant, for operators and for customers of the portal alike. They work without
//! scripts; with them, parts are renewed in place.

mod assets;
mod failure;
mod layout;
mod overview;
mod subscriptions;
mod templates;
mod view;

use crate::database::Database;
use axum::Router;
use axum::routing::get;

/// All pages.
pub fn router() -> Router<Database> {
    Router::new()
        .route("/assets/{digest}/{name}", get(assets::get))
        .route("/t/{tenant_id}", get(overview::show))
        .merge(subscriptions::router())
        .merge(templates::router())
}
