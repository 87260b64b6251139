//! The latest deliveries of a subscription.

use crate::database::{ReadError, Request};
use crate::pages::layout::path;
use crate::pages::view::{Moment, delivery_state, id, linked, milliseconds, relative, short};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

const SHOWN: i32 = 20;

#[derive(Deserialize)]
pub struct Delivery {
    id: Uuid,
    event_log_id: Uuid,
    delivery_status: String,
    delivery_attempt: i32,
    http_status_code: Option<i32>,
    error_message: Option<String>,
    attempted_at: Option<Moment>,
    next_retry_at: Option<Moment>,
    duration_us: Option<f64>,
    is_test: Option<bool>,
}

/// # Errors
/// The database's.
pub async fn latest(request: &Request<'_>, subscription: Uuid) -> Result<Vec<Delivery>, ReadError> {
    request
        .items(
            "select (to_jsonb(d) - '{response_body,response_headers}'::text[])::text as item
             from webhooks.subscription_deliveries($1, max_deliveries => $2) d",
            &[&subscription, &SHOWN],
        )
        .await
}

pub fn section(
    tenant: Uuid,
    subscription: Uuid,
    deliveries: &[Delivery],
    sees_events: bool,
) -> Markup {
    html! {
        section #attempts {
            h2 { "Latest deliveries" }
            @if deliveries.is_empty() {
                p.empty { "None in the last 7 days. A test shows whether the receiver answers." }
            } @else {
                div.scroll { table {
                    thead { tr {
                        th { "last attempt" } th { "state" } th.number { "attempts" } th.number { "status" }
                        th.number { "time" } th { "event" } th { "error" } th { "delivery" }
                    } }
                    tbody { @for delivery in deliveries { (row(tenant, delivery, sees_events)) } }
                } }
                p { a href=(path(tenant, &format!("/deliveries?subscription={subscription}"))) { "All deliveries of this subscription" } }
            }
        }
    }
}

fn row(tenant: Uuid, delivery: &Delivery, sees_events: bool) -> Markup {
    let event = path(tenant, &format!("/events/{}", delivery.event_log_id));
    let attempts = match delivery.attempted_at {
        None => 0,
        Some(_) => delivery.delivery_attempt,
    };
    html! {
        tr {
            td { (relative(delivery.attempted_at)) }
            td {
                (delivery_state(&delivery.delivery_status))
                @if delivery.next_retry_at.is_some() { " " span.muted { "next " (relative(delivery.next_retry_at)) } }
                @if delivery.is_test == Some(true) { " " span.muted { "test" } }
            }
            td.number { (attempts) }
            td.number { @if let Some(status) = delivery.http_status_code { (status) } @else { "–" } }
            td.number { (milliseconds(delivery.duration_us.map(|us| us / 1000.0))) }
            td { (linked(sees_events, &event, &short(delivery.event_log_id))) }
            td.wide { (delivery.error_message.as_deref().unwrap_or("–")) }
            td { a href=(path(tenant, &format!("/deliveries/{}", delivery.id))) { "open" } " " (id(delivery.id)) }
        }
    }
}
