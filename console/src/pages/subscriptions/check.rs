//! A form checked while somebody types: what it says is done by the same SQL, and undone.

use super::choices::Choices;
use super::field::{error, summary};
use super::values::Values;
use super::{CREATE, UPDATE, create, edit, matching, retries};
use crate::database::{Database, Mode, Request};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// Settings that have a place for an error.
const PLACES: [&str; 30] = [
    "name",
    "description",
    "environment",
    "webhook_url",
    "delivery",
    "webhook_method",
    "is_active",
    "is_enabled",
    "subscribed_events",
    "auth_type",
    "auth_config",
    "webhook_headers",
    "timeout_seconds",
    "retry_count",
    "retry_delay_seconds",
    "retry_schedule",
    "no_retry_statuses",
    "ordering",
    "endpoint_verification",
    "max_in_flight",
    "rate_limit_per_second",
    "rate_limit_burst",
    "max_payload_size_kb",
    "breaker_failure_threshold",
    "breaker_cooldown_seconds",
    "payload_format",
    "payload_template",
    "payload_content_type",
    "template_secrets",
    "event_filters",
];

/// The request for an example.
#[derive(Deserialize)]
struct Preview {
    method: String,
    url: Option<String>,
    headers: Map<String, Value>,
    body: String,
}

pub async fn new(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Signed(values): Signed<Values>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, CREATE, Mode::Trial).await?;
    let choices = Choices::read(&request).await?;
    let written = create::insert(&request, tenant, &choices, &values).await;
    Ok(shown(&request, tenant, &choices, &values, written.map(|w| w.id)).await)
    // The transaction is not committed.
}

pub async fn changes(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(values): Signed<Values>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, UPDATE, Mode::Trial).await?;
    let choices = Choices::read(&request).await?;
    match edit::change(&request, id, &values).await {
        Err(problem) if problem.status() == StatusCode::NOT_FOUND => Err(problem.into()),
        written => Ok(shown(&request, tenant, &choices, &values, written.map(|w| w.id)).await),
    }
}

async fn shown(
    request: &Request<'_>,
    tenant: Uuid,
    choices: &Choices,
    values: &Values,
    written: Result<Uuid, Problem>,
) -> Markup {
    let (outcome, problem) = match written {
        Ok(id) => (outcome(request, tenant, id).await, None),
        Err(problem) => (summary(&problem), Some(problem)),
    };
    html! {
        (outcome)
        @for name in PLACES { (error(name, problem.as_ref(), true)) }
        p #retries hx-swap-oob="true" { "Retries: " (retries::in_words(values, choices.number("max_retry_delay_seconds"))) }
    }
}

/// What would become of the subscription. A preview that can't be made is the last that the transaction is asked.
async fn outcome(request: &Request<'_>, tenant: Uuid, id: Uuid) -> Markup {
    let matched = match matching::latest(request, tenant, id).await {
        Ok(matched) => matched,
        Err(problem) => return summary(&problem),
    };
    let preview: Result<Vec<Preview>, Problem> = request
        .items(
            "select to_json(p)::text as item from webhooks.preview_payload($1) p",
            &[&id],
        )
        .await
        .map_err(Problem::from);
    html! {
        div.note.delivered { p { "The database takes it as it is." } }
        p { (matched) }
        @match preview {
            Ok(previews) => @for preview in &previews { (request_preview(preview)) },
            Err(problem) => p.muted { "No preview: " (problem.detail()) "." },
        }
    }
}

fn request_preview(preview: &Preview) -> Markup {
    html! {
        h3 { "An example of a request" }
        pre {
            (preview.method) " " (preview.url.as_deref().unwrap_or("(fetched by poll)")) "\n"
            @for (name, value) in &preview.headers { (name) ": " (super::values::text(value)) "\n" }
            "\n" (preview.body)
        }
    }
}
