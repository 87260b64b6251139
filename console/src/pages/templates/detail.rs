//! A template, with an example of what a subscription that is made from it sends.

use super::list::use_path;
use super::named;
use crate::database::{Database, Mode, ReadError};
use crate::http::input::{Ids, Parameters};
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::{Frame, Section, page, path};
use crate::pages::subscriptions::{CREATE, DELETE, READ, Template, UPDATE, templates};
use crate::pages::view::{action, as_sql, sql_text};
use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value, json};
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
    let template = read(&database, &session, &name).await?;
    // With a connection of its own, which is back by now.
    let example = example(&database, &session, tenant, &template).await;
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, READ, Mode::Read).await?;
    let access = &request.access;
    let may = |scope| access.may(scope);
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
    let frame = Frame {
        title: &name,
        section: Section::Templates,
        tenant: Some(tenant),
        access,
        csrf: &session.csrf,
    };
    let shown = page(&frame, &content);
    request.commit().await?;
    Ok(shown)
}

pub fn unknown(name: &str) -> Problem {
    let detail = format!("there is no template \"{name}\"");
    Problem::new(StatusCode::NOT_FOUND, detail)
}

async fn read(database: &Database, session: &Session, name: &str) -> Result<Template, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, READ, Mode::Read).await?;
    let templates = templates(&request).await?;
    request.commit().await?;
    let named = templates.into_iter().find(|template| template.name == name);
    named.ok_or_else(|| unknown(name))
}

/// The request for an example of an event, of a subscription that is made for it and not committed.
async fn example(
    database: &Database,
    session: &Session,
    tenant: Uuid,
    template: &Template,
) -> Markup {
    let shown = match preview(database, session, tenant, template).await {
        Ok((headers, body)) => html! {
            pre { @for (name, value) in &headers { (name) ": " (value.as_str().unwrap_or_default()) "\n" } "\n" (body) }
        },
        // Who may not create subscriptions sees none.
        Err(problem) if problem.status() == StatusCode::FORBIDDEN => return html! {},
        Err(problem) => html! { p.muted { "There is none: " (problem.detail()) "." } },
    };
    html! {
        h2 { "An example of a request" }
        (shown)
    }
}

async fn preview(
    database: &Database,
    session: &Session,
    tenant: Uuid,
    template: &Template,
) -> Result<(Map<String, Value>, String), Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, CREATE, Mode::Trial).await?;
    let mut overrides = Map::new();
    for (name, value) in [
        ("webhook_url", json!("https://receiver.example/")),
        ("subscribed_events", json!(["*"])),
    ] {
        if !template.settings.contains_key(name) {
            overrides.insert(name.to_owned(), value);
        }
    }
    for name in template.placeholders.keys() {
        overrides.insert(name.clone(), name.as_str().into());
    }
    let overrides = Value::from(overrides).to_string();
    let made = request
        .row(
            "select webhooks.create_subscription_from_template($1, $2, $3::text::jsonb) as id",
            &[&tenant, &template.name, &overrides],
        )
        .await?;
    let id: Uuid = made.try_get("id")?;
    let row = request
        .row(
            "select p.headers::text as headers, p.body from webhooks.preview_payload($1) p",
            &[&id],
        )
        .await?;
    let headers: String = row.try_get("headers")?;
    let headers = serde_json::from_str(&headers).map_err(ReadError::from)?;
    Ok((headers, row.try_get("body")?))
}
