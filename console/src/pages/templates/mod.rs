//! Templates of subscriptions: those of the tenant, and those that come with the extension.
//!
//! - [`list`]: all of them; [`detail`]: one of them, with an [`example`] of a request
//! - [`edit`]: the tenant's own, written and deleted

mod detail;
mod edit;
mod example;
mod list;

use super::layout::path;
use crate::database::Database;
use axum::Router;
use axum::routing::{get, post};
use uuid::Uuid;

/// Pages of templates. A name can be anything, and so it is in the query.
pub fn router() -> Router<Database> {
    let all = "/t/{tenant_id}/templates";
    Router::new()
        .route(all, get(list::show))
        .route(&format!("{all}/show"), get(detail::show))
        .route(&format!("{all}/edit"), get(edit::show).post(edit::save))
        .route(&format!("{all}/delete"), post(edit::delete))
}

/// A page below that of templates, about the one of this name.
fn named(tenant: Uuid, page: &str, name: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("name", name)
        .finish();
    path(tenant, &format!("/templates/{page}?{query}"))
}
