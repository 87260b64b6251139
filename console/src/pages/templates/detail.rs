//! A template, with an example of what a subscription that is made from it sends.

use super::list::use_path;
use super::{example, named};
use crate::database::{Database, Mode, Request};
use crate::http::input::{Ids, Parameters};
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::scopes;
use crate::pages::subscriptions::{CREATE, DELETE, READ, Template, UPDATE, templates};
use crate::pages::view::{action, as_sql, sql_text};
use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Query {
    name: String,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(Query { name }): Parameters<Query>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, READ, Mode::Read).await?;
    let template = named_one(&request, &name).await?;
    let example = example::section(&request, tenant, &template).await;
    let access = &request.access;
    let may = |scope| scopes::may(access, scope);
    let fields = html! { input type="hidden" name="name" value=(name); };
    let content = html! {
        div.title {
            h1 { (name) }
            div.row {
                @if may(CREATE) { a.button.primary href=(use_path(tenant, &name)) { "Use for a subscription" } }
                @if template.is_own && may(UPDATE) { a.button href=(named(tenant, "edit", &name)) { "Change" } }
                @if !template.is_own && may(CREATE) { a.button href=(named(tenant, "edit", &name)) { "Make an own one of it" } }
            }
        }
        @if let Some(description) = &template.description { p { (description) } }
        @if !template.placeholders.is_empty() {
            h2 { "Asks for" }
            dl.facts { @for (placeholder, explanation) in &template.placeholders {
                dt { (placeholder) } dd { (explanation) }
            } }
        }
        h2 { "Settings" }
        dl.facts { @for (setting, value) in &template.settings {
            dt { (setting) }
            dd { @match value {
                Value::String(text) if text.contains('\n') => pre { (text) },
                other => code { (other) },
            } }
        } }
        @if template.is_own && may(DELETE) {
            (action("Delete", &path(tenant, "/templates/delete"), &session.csrf, "Deletes the template. Subscriptions that were made from it remain.", Some(fields)))
        }
        (example)
        (as_sql(&format!("select webhooks.create_subscription_from_template('{tenant}', {},\n    '{{\"name\": \"…\", \"webhook_url\": \"https://…\", \"subscribed_events\": [\"*\"]}}');", sql_text(&name))))
    };
    finish(
        request,
        &session,
        Section::Templates,
        Some(tenant),
        &name,
        &content,
    )
    .await
}

/// The template of a name.
///
/// # Errors
/// The database's; there is none.
pub async fn named_one(request: &Request<'_>, name: &str) -> Result<Template, Problem> {
    let templates = templates(request).await?;
    let found = templates.into_iter().find(|template| template.name == name);
    found.ok_or_else(|| unknown(name))
}

pub fn unknown(name: &str) -> Problem {
    let detail = format!("there is no template \"{name}\"");
    Problem::new(StatusCode::NOT_FOUND, detail)
}
