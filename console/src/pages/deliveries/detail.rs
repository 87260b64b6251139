//! A delivery: its state, each attempt, the request as it is sent, and what can be done.

use super::delivery::{Delivery, read};
use super::{actions, attempts};
use crate::database::{Database, Mode};
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use crate::pages::address::given;
use crate::pages::events::exchange;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::refusal::missing;
use crate::pages::scopes::{READ_DELIVERIES, READ_EVENTS, may};
use crate::pages::view::{absolute, as_sql, delivery_state, id, relative, short};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Chosen {
    /// What was done just now.
    #[serde(deserialize_with = "given")]
    done: Option<String>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, delivery_id)): Ids<(Uuid, Uuid)>,
    Parameters(chosen): Parameters<Chosen>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&session.who, READ_DELIVERIES, Mode::Read)
        .await?;
    let Some(delivery) = read(&request, tenant, delivery_id).await? else {
        return Err(missing("delivery", delivery_id));
    };
    let attempts = attempts::read(&request, delivery_id).await?;
    // A subscription that was deleted has no request any more.
    let sent = match (&delivery.subscription_name, delivery.has_event()) {
        (Some(_), true) => {
            let receiver = Some(delivery.subscription_id);
            exchange::sent(&request, receiver, delivery.event_log_id).await?
        }
        _ => None,
    };
    let own_path = path(tenant, &format!("/deliveries/{delivery_id}"));
    let renewal = delivery.is_outstanding().then_some(own_path.as_str());
    let content = html! {
        div.title {
            h1 { "Delivery " (id(delivery_id)) }
            div.row { (actions::offer(&request.access, &session.csrf, tenant, &delivery)) }
        }
        (actions::result(&request.access, tenant, &delivery, chosen.done.as_deref()))
        section #state hx-get=[renewal] hx-select="#state" hx-swap="outerHTML" hx-trigger="every 5s" {
            (facts(tenant, &delivery, may(&request.access, READ_EVENTS)))
            h2 { "Attempts" }
            (attempts::list(&attempts))
        }
        (exchange::request_part(sent.as_ref()))
        (as_sql(&format!("select * from webhooks.webhook_delivery_logs where id = '{delivery_id}';\nselect * from webhooks.delivery_attempts where delivery_id = '{delivery_id}' order by delivery_attempt;\nselect * from webhooks.preview_payload('{}', '{}');\nselect webhooks.retry_delivery('{delivery_id}');\nselect webhooks.cancel_delivery('{delivery_id}');", delivery.subscription_id, delivery.event_log_id)))
    };
    finish(
        request,
        &session,
        Section::Deliveries,
        Some(tenant),
        "Delivery",
        &content,
    )
    .await
}

fn facts(tenant: Uuid, delivery: &Delivery, sees_events: bool) -> Markup {
    let event = path(tenant, &format!("/events/{}", delivery.event_log_id));
    let subscription = path(
        tenant,
        &format!("/subscriptions/{}", delivery.subscription_id),
    );
    html! {
        dl.facts {
            dt { "status" }
            dd { (delivery_state(&delivery.delivery_status)) @if delivery.is_test { " test" } }
            dt { "subscription" }
            dd {
                @match &delivery.subscription_name {
                    Some(name) => a href=(subscription) { (name) },
                    None => { (id(delivery.subscription_id)) " deleted" }
                }
            }
            dt { "event" }
            dd {
                (delivery.event_type.as_deref().unwrap_or("no longer kept")) " "
                @if sees_events { a href=(event) { (short(delivery.event_log_id)) } } @else { (id(delivery.event_log_id)) }
            }
            dt { "made" } dd { (absolute(delivery.made_at)) }
            @if let Some(repeats) = delivery.repeats {
                dt { "repeats" } dd { a href=(path(tenant, &format!("/deliveries/{repeats}"))) { (short(repeats)) } }
            }
            @if delivery.delivered_at.is_some() { dt { "delivered" } dd { (absolute(delivery.delivered_at)) } }
            @if delivery.is_outstanding() {
                dt { "next attempt" }
                dd {
                    "number " (delivery.delivery_attempt + i32::from(delivery.delivery_status == "retrying")) ", "
                    @if delivery.is_due { "as soon as possible" } @else { (relative(delivery.next_retry_at)) }
                }
            }
        }
    }
}
