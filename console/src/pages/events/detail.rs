//! An event: what it says, and what became of it.

use super::event::{Event, read};
use super::{exchange, history, matching, replay};
use crate::database::{Database, Mode};
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use crate::pages::address::{given, with};
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::refusal::missing;
use crate::pages::scopes::{READ_DELIVERIES, READ_EVENTS, RETRY, may};
use crate::pages::view::{absolute, as_sql, body, id};
use axum::extract::State;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Chosen {
    /// Whose request and response are shown; otherwise the first one's.
    #[serde(deserialize_with = "given")]
    delivery: Option<String>,
    /// Whether to tell which subscriptions match.
    #[serde(deserialize_with = "given")]
    why: Option<String>,
    /// What was done just now.
    #[serde(deserialize_with = "given", skip_serializing)]
    done: Option<String>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, event_id)): Ids<(Uuid, Uuid)>,
    Parameters(chosen): Parameters<Chosen>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&session.who, READ_EVENTS, Mode::Read)
        .await?;
    let event = read(&request, tenant, event_id).await?;
    let steps = history::read(&request, tenant, event_id).await?;
    if event.is_none() && steps.is_empty() {
        return Err(missing("event", event_id));
    }
    let deliveries = history::deliveries(&steps);
    let sees_subscriptions = may(&request.access, READ_DELIVERIES);
    let wanted = chosen.delivery.as_deref();
    let shown = deliveries
        .iter()
        .find(|delivery| wanted == Some(&delivery.id.to_string()))
        .or_else(|| deliveries.first());
    // A subscription that was deleted has no request any more. Whose it is, who may see subscriptions sees.
    let receiver = shown
        .filter(|delivery| sees_subscriptions && delivery.subscription_name.is_some())
        .and_then(|delivery| delivery.subscription_id);
    let sent = match &event {
        Some(_) => exchange::sent(&request, receiver, event_id).await?,
        None => None,
    };
    let received = match shown {
        Some(delivery) => exchange::received(&request, delivery.id).await?,
        None => None,
    };
    let of_all = matching::subscriptions(&request, tenant).await?;
    let why = match chosen.why {
        Some(_) if sees_subscriptions => Some(matching::explain(&request, tenant, event_id).await?),
        _ => None,
    };
    let again = match &event {
        Some(event) if request.access.may(RETRY) => {
            Some(replay::offer(&request, &session.csrf, tenant, event_id, event).await?)
        }
        _ => None,
    };
    let mut matched: Vec<_> = deliveries.iter().map(|d| d.subscription_id).collect();
    matched.sort_unstable();
    matched.dedup();
    let own_path = path(tenant, &format!("/events/{event_id}"));
    let title = event.as_ref().map_or("Event", |event| &event.event_type);
    let content = html! {
        div.title {
            h1 { (title) " " (id(event_id)) }
            @if let Some(again) = again { (again) }
        }
        (replay::result(&request.access, tenant, event_id, chosen.done.as_deref()))
        @match &event {
            Some(event) => (facts(event)),
            None => div.note { p { "The event is no longer kept. Its deliveries are." } },
        }
        h2 { "Deliveries" }
        section #timeline hx-get=[renewal(&own_path, &chosen, &deliveries)] hx-select="#timeline"
            hx-swap="outerHTML" hx-trigger="every 5s" {
            p {
                "Matched " (matched.len()) " of " (of_all) " subscriptions. "
                @if sees_subscriptions { a href={ (own_path) "?why=1#why" } { "What matches, and why not" } }
            }
            (history::table(tenant, &deliveries, sees_subscriptions))
            (history::steps(&steps))
        }
        @if let Some(matches) = why { (matching::table(tenant, &matches)) }
        @if shown.is_some() {
            h2 { "Request and response" }
            (exchange::switch(tenant, event_id, &deliveries, shown.map(|d| d.id)))
        }
        div.columns {
            (exchange::request_part(sent.as_ref()))
            @if shown.is_some() { (exchange::response_part(received.as_ref())) }
        }
        @if let Some(event) = &event {
            h2 { "Event data" }
            (body(event.data.as_deref()))
            @if event.resource_data.is_some() { h3 { "Resource" } (body(event.resource_data.as_deref())) }
        }
        (as_sql(&format!("select * from webhooks.event_history('{tenant}', '{event_id}');\nselect * from webhooks.event_logs where id = '{event_id}';\nselect webhooks.build_payload('{event_id}');\nselect * from webhooks.replay_event('{tenant}', '{event_id}', dry_run => true);")))
    };
    finish(
        request,
        &session,
        Section::Events,
        Some(tenant),
        title,
        &content,
    )
    .await
}

/// Where the timeline is renewed from, while it still changes.
fn renewal(
    own_path: &str,
    chosen: &Chosen,
    deliveries: &[history::Delivery<'_>],
) -> Option<String> {
    let changes = deliveries.iter().any(history::Delivery::is_outstanding);
    changes.then(|| with(own_path, chosen))
}

fn facts(event: &Event) -> Markup {
    let texts = [
        ("name", &event.event_name),
        ("version", &event.event_version),
        ("environment", &event.environment),
        ("session", &event.session_id),
        ("request", &event.request_id),
        ("idempotency key", &event.idempotency_key),
        ("ordering key", &event.ordering_key),
    ];
    html! {
        dl.facts {
            dt { "published" } dd { (absolute(event.created_at)) @if event.is_test { " as a test" } }
            @if event.resource_type.is_some() || event.resource_id.is_some() {
                dt { "resource" }
                dd { (event.resource_type.as_deref().unwrap_or_default()) " " @if let Some(resource) = event.resource_id { (id(resource)) } }
            }
            @if let Some(user) = event.user_id { dt { "user" } dd { (id(user)) } }
            @for (name, text) in texts { @if let Some(text) = text { dt { (name) } dd { (text) } } }
            @if event.deliver_after.is_some() { dt { "delivered after" } dd { (absolute(event.deliver_after)) } }
            @if event.expires_at.is_some() { dt { "expires" } dd { (absolute(event.expires_at)) } }
        }
    }
}
