//! Where a session begins: at the first page that it may see.

use super::address::given;
use super::failure::Failure;
use super::layout::{Frame, first, page, path};
use super::view::as_sql;
use crate::database::{Access, Database};
use crate::http::input::Parameters;
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::scope::Scope;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// The tenant that an operator has chosen.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Chosen {
    #[serde(deserialize_with = "given")]
    tenant: Option<String>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Parameters(chosen): Parameters<Chosen>,
) -> Result<Response, Failure> {
    let connection = database.connection().await?;
    let access = session.access(&connection).await?;
    drop(connection);
    let tenant = access.tenant_id.or(wanted(&chosen)?);
    if let Some(to) = first(&access, tenant) {
        return Ok(Redirect::to(&to).into_response());
    }
    let content = html! {
        @match tenant {
            None => { h1 { "Choose a tenant" } (choose()) }
            Some(tenant) => { h1 { "No pages" } (rest(&access, tenant)) }
        }
    };
    let frame = Frame {
        title: "Start",
        section: None,
        tenant,
        access: &access,
        csrf: &session.csrf,
    };
    Ok(page(&frame, &content).into_response())
}

fn wanted(chosen: &Chosen) -> Result<Option<Uuid>, Problem> {
    let Some(text) = &chosen.tenant else {
        return Ok(None);
    };
    let tenant = text.trim().parse().map(Some);
    tenant.map_err(|_| {
        Problem::bad_request("the id of the tenant is no UUID")
            .hint("Tenants have ids such as 0198c0de-0000-7000-8000-000000000001.")
    })
}

/// Of operators who see no list of tenants.
fn choose() -> Markup {
    html! {
        p { "This session is for all tenants. Which one do you want to see?" }
        form action="/" {
            div.field {
                label for="tenant" { "Id of the tenant" }
                input #tenant name="tenant" required autocomplete="off" spellcheck="false";
                p.help { "With the scope operator:read, tenants are listed." }
            }
            button.primary type="submit" { "Go" }
        }
        (as_sql("select tenant_id from webhooks.list_tenants();"))
    }
}

/// What a session permits that sees no section.
fn rest(access: &Access, tenant: Uuid) -> Markup {
    html! {
        p { "This session permits:" }
        ul { @for scope in Scope::OF_A_TENANT.into_iter().filter(|scope| access.may(*scope)) {
            li { (scope.permits()) " (" (scope.name()) ")" }
        } }
        @if access.may(Scope::CreateSubscriptions) {
            p { a.button href=(path(tenant, "/subscriptions/new")) { "New subscription" } }
        }
        p.muted { "Pages need scopes that read, such as webhook_subscriptions:read. The API does without pages." }
    }
}
