//! All templates of a tenant.

use super::named;
use crate::database::{Database, Mode};
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::scopes::may;
use crate::pages::subscriptions::{CREATE, READ, templates};
use crate::pages::view::as_sql;
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Query {
    done: Option<String>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(query): Parameters<Query>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, READ, Mode::Read).await?;
    let templates = templates(&request).await?;
    let may_create = may(&request.access, CREATE);
    let told = match query.done.as_deref() {
        Some("saved") => Some("The template was saved."),
        Some("deleted") => {
            Some("The template was deleted. Subscriptions that were made from it remain.")
        }
        _ => None,
    };
    let content = html! {
        @if let Some(told) = told { div.note.delivered role="status" { p { (told) } } }
        div.title {
            h1 { "Templates" }
            @if may_create { a.button.primary href=(path(tenant, "/templates/edit")) { "New template" } }
        }
        p.muted { "Ready-made settings of subscriptions, without secrets." }
        div.scroll { table {
            thead { tr { th { "name" } th { "description" } th { "origin" } th { "asks for" } th { span.visually-hidden { "use" } } } }
            tbody { @for template in &templates { tr {
                td { a href=(named(tenant, "show", &template.name)) { (template.name) } }
                td.wide { (template.description.as_deref().unwrap_or("–")) }
                td { @if template.is_own { "own" } @else { "shipped" } }
                td { (template.placeholders.keys().cloned().collect::<Vec<_>>().join(", ")) }
                td { @if may_create { a href=(use_path(tenant, &template.name)) { "Use" } } }
            } } }
        } }
        (as_sql(&format!("select name, description from webhooks.shipped_templates();\nselect name, description from webhooks.subscription_templates where tenant_id = '{tenant}';")))
    };
    finish(
        request,
        &session,
        Section::Templates,
        Some(tenant),
        "Templates",
        &content,
    )
    .await
}

/// Where a subscription is made of it.
pub fn use_path(tenant: Uuid, name: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("template", name)
        .finish();
    path(tenant, &format!("/subscriptions/new?{query}"))
}
