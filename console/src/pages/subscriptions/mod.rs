//! Subscriptions: listed, created and changed, tested and watched, imported and exported.
//!
//! - [`list`]: all of a tenant, or those of a [`filter`], with how their receivers do; [`enable`]: many at once
//! - [`values`]: what a form holds, and the settings that it makes; [`form`], [`groups`] and [`field`]: how it looks;
//!   [`conditions`]: of a filter, as [`condition_rows`] of a form;
//!   [`choices`]: what there is to choose from; [`create`], [`edit`] and [`check`]: what is done with it
//! - [`detail`]: one of them: its [`receiver`], its last [`day`], its [`attempts`], its [`settings`], and [`matching`];
//!   [`test`] and [`actions`]: what can be done with it
//! - [`secret`]: a new secret, shown once, and [`verification`]: how receivers verify signatures with it
//! - [`export`] and [`transfer`]: export and import

mod actions;
mod attempts;
mod check;
mod choices;
mod condition_rows;
mod conditions;
mod create;
mod day;
mod detail;
mod done;
mod edit;
mod enable;
mod export;
mod field;
mod filter;
mod form;
mod groups;
mod list;
mod matching;
mod receiver;
mod retries;
mod secret;
mod settings;
mod test;
mod test_form;
mod transfer;
mod values;
mod verification;

pub(super) use choices::{Template, templates};
pub(super) use field::{error, summary};
pub(super) use form::is_about_input;
pub(super) use receiver::host;

use super::layout::path;
use crate::database::Database;
use crate::scope::Scope;
use axum::Router;
use axum::routing::{get, post};
use uuid::Uuid;

/// What reads, and what each action needs.
pub(super) const READ: Scope = Scope::ReadSubscriptions;
pub(super) const CREATE: Scope = Scope::CreateSubscriptions;
pub(super) const UPDATE: Scope = Scope::UpdateSubscriptions;
pub(super) const DELETE: Scope = Scope::DeleteSubscriptions;
pub(super) const TEST: Scope = Scope::TestSubscriptions;

/// Pages of subscriptions.
pub fn router() -> Router<Database> {
    let all = "/t/{tenant_id}/subscriptions";
    let one = "/t/{tenant_id}/subscriptions/{id}";
    Router::new()
        .route(all, get(list::show).post(create::create))
        .route(&format!("{all}/new"), get(create::show))
        .route(&format!("{all}/check"), post(check::new))
        .route(&format!("{all}/enabled"), post(enable::set))
        .route(
            &format!("{all}/export"),
            get(export::show).post(export::chosen),
        )
        .route(
            &format!("{all}/import"),
            get(transfer::show).post(transfer::apply),
        )
        .route(&format!("{all}/import/preview"), post(transfer::preview))
        .route(one, get(detail::show).post(edit::update))
        .route(&format!("{one}/state"), get(detail::state))
        .route(&format!("{one}/edit"), get(edit::show))
        .route(&format!("{one}/check"), post(check::changes))
        .route(&format!("{one}/test"), post(test::send))
        .route(&format!("{one}/test/{{delivery_id}}"), get(test::show))
        .route(&format!("{one}/secret"), post(secret::renew))
        .route(
            &format!("{one}/reset-breaker"),
            post(actions::reset_breaker),
        )
        .route(&format!("{one}/verify"), post(actions::verify))
        .route(&format!("{one}/delete"), post(actions::delete))
}

/// The path of a subscription's page, or of one below it.
fn of(tenant: Uuid, id: Uuid, rest: &str) -> String {
    path(tenant, &format!("/subscriptions/{id}{rest}"))
}
