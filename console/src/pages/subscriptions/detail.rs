//! A subscription: how its receiver does, its latest deliveries, and what can be done with it.

use super::receiver::Health;
use super::{
    DELETE, READ, TEST, UPDATE, attempts, day, done, matching, of, receiver, settings, test_form,
};
use crate::database::{Access, Database, Mode, Request};
use crate::http::input::{Ids, Parameters};
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::Section;
use crate::pages::scopes::{READ_EVENTS, may};
use crate::pages::view::{action, as_sql, id as shown_id};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Query {
    done: Option<String>,
    /// Of which event it is explained whether it matches.
    event: Option<String>,
    /// Of which type the example for a test is.
    event_type: Option<String>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
    Parameters(query): Parameters<Query>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, READ, Mode::Read).await?;
    let row = request
        .row(
            "select to_json(s)::text as item from webhooks.get_subscription($1) s",
            &[&id],
        )
        .await?;
    let item: String = row.try_get("item")?;
    let stored: Value = serde_json::from_str(&item).map_err(crate::database::ReadError::from)?;
    let health = receiver::health(&request, id).await?;
    let days = day::days(&request, tenant, &[id]).await?;
    let deliveries = attempts::latest(&request, id).await?;
    let event = query
        .event
        .as_deref()
        .filter(|event| !event.trim().is_empty());
    let matching = matching::section(&request, tenant, id, event).await?;
    let longest_delay = longest_delay(&request).await?;
    let chosen = query.event_type.as_deref().filter(|name| !name.is_empty());
    let types = match may(&request.access, TEST) {
        true => Some(test_form::types(&request, id, chosen).await?),
        false => None,
    };
    let access = &request.access;
    let name = super::values::text(&stored["name"]);
    let content = html! {
        (done::note(query.done.as_deref()))
        div.title {
            h1 { (name) }
            div.row {
                (shown_id(id))
                @if may(access, UPDATE) { a.button href=(of(tenant, id, "/edit")) { "Change" } }
            }
        }
        p {
            span.mono { (super::values::text(&stored["webhook_method"])) " " (super::values::text(&stored["webhook_url"])) }
            " in " (super::values::text(&stored["environment"]))
            @if let Some(description) = stored["description"].as_str() { br; (description) }
        }
        @for health in &health {
            (receiver::section(tenant, id, health, days.get(&id), access, &session.csrf))
        }
        @if let Some(types) = &types { (test_form::section(tenant, id, &session.csrf, types)) }
        (attempts::section(tenant, id, &deliveries, may(access, READ_EVENTS)))
        (matching)
        (settings::section(&stored, longest_delay))
        (ending(tenant, id, &session.csrf, access, &stored, health.first()))
        (as_sql(&format!("select * from webhooks.get_subscription('{id}');\nselect * from webhooks.subscription_health where subscription_id = '{id}';\nselect * from webhooks.subscription_deliveries('{id}');\nselect webhooks.test_subscription('{id}');")))
    };
    finish(
        request,
        &session,
        Section::Subscriptions,
        Some(tenant),
        &name,
        &content,
    )
    .await
}

/// What the page renews of itself.
pub async fn state(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, id)): Ids<(Uuid, Uuid)>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, READ, Mode::Read).await?;
    // An error if there is none.
    request
        .row("select s.id from webhooks.get_subscription($1) s", &[&id])
        .await?;
    let health = receiver::health(&request, id).await?;
    let days = day::days(&request, tenant, &[id]).await?;
    request.commit().await?;
    Ok(html! {
        @for health in &health { (receiver::facts(tenant, id, health, days.get(&id))) }
    })
}

async fn longest_delay(request: &Request<'_>) -> Result<Option<i64>, Problem> {
    let row = request
        .row(
            "select max(s.value) as longest from webhooks.settings s where s.name = 'max_retry_delay_seconds'",
            &[],
        )
        .await?;
    Ok(row.try_get("longest")?)
}

/// What replaces or ends something.
fn ending(
    tenant: Uuid,
    id: Uuid,
    csrf: &str,
    access: &Access,
    stored: &Value,
    health: Option<&Health>,
) -> Markup {
    let waiting = health.map_or(0, |health| health.waiting);
    let signs = stored["auth_type"] == "signature";
    let what_ends = format!(
        "Deletes the subscription, and ends {} outstanding deliveries. What was delivered stays in the history. This can't be undone.",
        receiver::counted(waiting)
    );
    html! {
        @if may(access, UPDATE) && signs {
            section {
                h2 { "Signing secret" }
                (action("Renew secret", &of(tenant, id, "/secret"), csrf, "Makes a new secret, which is shown once. Requests are signed with the old one, too, for a while, so that the receiver can change it in between.", None))
            }
        }
        @if may(access, DELETE) {
            section {
                h2 { "Delete" }
                (action("Delete", &of(tenant, id, "/delete"), csrf, &what_ends, None))
            }
        }
    }
}
