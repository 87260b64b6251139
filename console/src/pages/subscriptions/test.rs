//! Tests: the receiver's answer to an example of an event. No connection is held while it is waited for.

use super::values::Values;
use super::{READ, TEST, is_about_input, of, test_form};
use crate::database::{Credentials, Database, Mode, ReadError, Request};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::http::wait::Waiting;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::scopes::may;
use crate::pages::view::{as_sql, delivery_state, linked, milliseconds};
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use std::time::Duration;
use uuid::Uuid;

const WAIT: Duration = Duration::from_secs(30);

/// What became of a test so far.
#[derive(Deserialize)]
struct Outcome {
    is_final: bool,
    status: String,
    http_status_code: Option<i32>,
    response_headers: Option<Map<String, Value>>,
    response_body: Option<String>,
    error_message: Option<String>,
    duration_us: Option<f64>,
}

/// Queues it, and redirects to where its answer is waited for.
pub async fn send(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Signed(values): Signed<Values>,
) -> Result<Response, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, TEST, Mode::Write).await?;
    match queue(&request, id, &values).await {
        Ok(delivery) => {
            request.commit().await?;
            let to = of(tenant, id, &format!("/test/{delivery}"));
            Ok(Redirect::to(&to).into_response())
        }
        Err(problem) if is_about_input(&problem) => {
            let content = test_form::again(tenant, id, &session.csrf, &values, &problem);
            let section = Section::Subscriptions;
            let shown = finish(request, &session, section, Some(tenant), "Test", &content).await?;
            Ok((problem.status(), shown).into_response())
        }
        Err(problem) => Err(problem.into()),
    }
}

/// Returns: the delivery.
async fn queue(request: &Request<'_>, id: Uuid, values: &Values) -> Result<Uuid, Problem> {
    let given = |name: &str| Some(values.get(name)).filter(|_| !values.is_blank(name));
    let data = given("event_data");
    if let Some(text) = data {
        let read: Result<IgnoredAny, _> = serde_json::from_str(text);
        read.map_err(|error| {
            Problem::bad_request(format!("event_data is no JSON: {error}"))
                .hint("Write for example {\"name\": \"a.pdf\"}.")
                .field("event_data")
        })?;
    }
    let row = request
        .row(
            "select webhooks.test_subscription($1, $2::text, $3::text::jsonb) as id",
            &[&id, &given("event_type"), &data],
        )
        .await?;
    Ok(row.try_get("id")?)
}

pub async fn show(
    State(database): State<Database>,
    Extension(waiting): Extension<Waiting>,
    session: Session,
    Ids((tenant, id, delivery)): Ids<(Uuid, Uuid, Uuid)>,
) -> Result<Markup, Failure> {
    let outcome = waiting
        .begin(&session.who.proof, WAIT)?
        .until_final(|| look(&database, &session.who, id, delivery))
        .await?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, TEST, Mode::Read).await?;
    let sees_deliveries = may(&request.access, READ);
    let content = html! {
        h1 { "Test" }
        (result(tenant, delivery, &outcome, sees_deliveries))
        @if sees_deliveries { p { a href=(of(tenant, id, "")) { "To the subscription" } } }
        (as_sql(&format!("select webhooks.test_subscription('{id}') as delivery \\gset\nselect * from webhooks.wait_for_delivery(:'delivery');")))
    };
    finish(
        request,
        &session,
        Section::Subscriptions,
        Some(tenant),
        "Test",
        &content,
    )
    .await
}

async fn look(
    database: &Database,
    who: &Credentials,
    subscription: Uuid,
    delivery: Uuid,
) -> Result<(bool, Outcome), Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(who, TEST, Mode::Read).await?;
    let found = request
        .rows(
            "select from webhooks.webhook_delivery_logs d where d.id = $1 and d.subscription_id = $2",
            &[&delivery, &subscription],
        )
        .await?;
    if found.is_empty() {
        let raise = "select webhooks_private.raise_unknown_delivery($1)";
        request.row(raise, &[&delivery]).await?;
    }
    let row = request
        .row(
            "select to_json(w)::text as item from webhooks.wait_for_delivery($1, interval '0') w",
            &[&delivery],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    let outcome: Outcome = serde_json::from_str(&item).map_err(ReadError::from)?;
    Ok((outcome.is_final, outcome))
}

/// The answer. All of it is what the receiver says, and shown as text.
fn result(tenant: Uuid, delivery: Uuid, outcome: &Outcome, sees_deliveries: bool) -> Markup {
    let page = path(tenant, &format!("/deliveries/{delivery}"));
    html! {
        section #test-result aria-live="polite" {
            @if !outcome.is_final {
                div.note.held {
                    p { "There is no answer yet, after " (WAIT.as_secs()) " s. " a href="" { "Look again" } "." }
                    p { "If it stays so, no sidecar may be running." }
                }
            }
            dl.facts {
                dt { "Outcome" } dd { (delivery_state(&outcome.status)) }
                dt { "Delivery" } dd.id { (linked(sees_deliveries, &page, &html! { (delivery) })) }
                @if let Some(status) = outcome.http_status_code { dt { "HTTP status" } dd { (status) } }
                @if outcome.duration_us.is_some() {
                    dt { "Time" } dd { (milliseconds(outcome.duration_us.map(|us| us / 1000.0))) }
                }
                @if let Some(error) = &outcome.error_message { dt { "Error" } dd { (error) } }
            }
            @if let Some(headers) = &outcome.response_headers {
                h3 { "Headers of the response" }
                pre { @for (name, value) in headers { (name) ": " (super::values::text(value)) "\n" } }
            }
            @if let Some(body) = &outcome.response_body {
                h3 { "Body of the response" }
                pre { (body) }
            }
        }
    }
}
