//! Tests: the receiver's answer to an example of an event. No connection is held while it is waited for.

use super::values::Values;
use super::{TEST, of};
use crate::database::{Credentials, Database, Mode, ReadError};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::http::wait::Waiting;
use crate::pages::failure::Failure;
use crate::pages::layout::{Frame, Section, page, path};
use crate::pages::view::{as_sql, delivery_state, milliseconds};
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;
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
) -> Result<Redirect, Failure> {
    let event_type = Some(values.get("event_type")).filter(|event_type| !event_type.is_empty());
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, TEST, Mode::Write).await?;
    let row = request
        .row(
            "select webhooks.test_subscription($1, $2::text) as id",
            &[&id, &event_type],
        )
        .await?;
    request.commit().await?;
    let delivery: Uuid = row.try_get("id")?;
    Ok(Redirect::to(&of(tenant, id, &format!("/test/{delivery}"))))
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
    let content = html! {
        h1 { "Test" }
        (result(tenant, delivery, &outcome))
        p { a href=(of(tenant, id, "")) { "To the subscription" } }
        (as_sql(&format!("select webhooks.test_subscription('{id}') as delivery \\gset\nselect * from webhooks.wait_for_delivery(:'delivery');")))
    };
    let frame = Frame {
        title: "Test",
        section: Section::Subscriptions,
        tenant: Some(tenant),
        access: &request.access,
        csrf: &session.csrf,
    };
    let shown = page(&frame, &content);
    request.commit().await?;
    Ok(shown)
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
fn result(tenant: Uuid, delivery: Uuid, outcome: &Outcome) -> Markup {
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
                dt { "Delivery" } dd { a.id href=(path(tenant, &format!("/deliveries/{delivery}"))) { (delivery) } }
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
