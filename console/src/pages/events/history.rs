//! The timeline of an event: its deliveries, and all steps of them.

use crate::database::{ReadError, Request};
use crate::pages::layout::path;
use crate::pages::view::{Moment, absolute, delivery_state, linked, milliseconds, relative, short};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// A row of `event_history()`.
#[derive(Deserialize)]
pub struct Step {
    at: Option<Moment>,
    what: String,
    subscription_id: Option<Uuid>,
    subscription_name: Option<String>,
    delivery_id: Option<Uuid>,
    attempt: Option<i32>,
    status: Option<String>,
    http_status_code: Option<i32>,
    duration_us: Option<i64>,
    next_attempt_at: Option<Moment>,
    error_message: Option<String>,
}

/// A delivery, as its steps tell.
pub struct Delivery<'s> {
    pub id: Uuid,
    pub subscription_id: Option<Uuid>,
    /// `None`: the subscription was deleted.
    pub subscription_name: Option<&'s str>,
    /// Queued, retried, replayed or tested.
    origin: &'s str,
    pub status: &'s str,
    attempts: i32,
    last: Option<&'s Step>,
    next: Option<&'s Step>,
}

impl Delivery<'_> {
    pub fn is_outstanding(&self) -> bool {
        self.next.is_some()
    }
}

pub async fn read(
    request: &Request<'_>,
    tenant: Uuid,
    event: Uuid,
) -> Result<Vec<Step>, ReadError> {
    request
        .items(
            "select to_json(h)::text as item from webhooks.event_history($1, $2) h",
            &[&tenant, &event],
        )
        .await
}

/// The deliveries, in the order in which they were made.
pub fn deliveries(steps: &[Step]) -> Vec<Delivery<'_>> {
    let mut deliveries: Vec<Delivery<'_>> = Vec::new();
    for step in steps {
        let Some(id) = step.delivery_id else { continue };
        let known = deliveries.iter_mut().find(|delivery| delivery.id == id);
        match (known, step.status.as_deref()) {
            (None, _) => deliveries.push(Delivery {
                id,
                subscription_id: step.subscription_id,
                subscription_name: step.subscription_name.as_deref(),
                origin: &step.what,
                status: step.status.as_deref().unwrap_or("pending"),
                attempts: 0,
                last: None,
                next: None,
            }),
            (Some(delivery), Some(status)) => {
                delivery.status = status;
                if step.what == "outstanding" {
                    delivery.next = Some(step);
                } else {
                    delivery.last = Some(step);
                    // Of what expired or was cancelled no request was made.
                    delivery.attempts += i32::from(step.what == "attempted");
                }
            }
            (Some(_), None) => {}
        }
    }
    deliveries
}

/// The deliveries in a table. `sees_them`: whether the session may look at deliveries and subscriptions.
pub fn table(tenant: Uuid, deliveries: &[Delivery<'_>], sees_them: bool) -> Markup {
    html! {
        @if deliveries.is_empty() {
            p.empty { "No subscription matched it when it was published." }
        } @else {
            div.scroll { table {
                thead { tr { th { "subscription" } th { "state" } th.number { "attempts" } th { "last answer" } th { "next attempt" } th { "delivery" } } }
                tbody { @for delivery in deliveries { tr {
                    td { (subscription(tenant, delivery, sees_them)) }
                    td { (delivery_state(delivery.status)) }
                    td.number { (delivery.attempts) }
                    td.wide { @match delivery.last { Some(step) => (answer(step)), None => "–" } }
                    td { (next(delivery)) }
                    td {
                        (linked(sees_them, &path(tenant, &format!("/deliveries/{}", delivery.id)), &short(delivery.id)))
                        @if delivery.origin != "queued" { " " span.muted { (delivery.origin) } }
                    }
                } } }
            } }
        }
    }
}

fn subscription(tenant: Uuid, delivery: &Delivery<'_>, sees_it: bool) -> Markup {
    html! {
        @match (delivery.subscription_id, delivery.subscription_name) {
            (Some(id), Some(name)) => (linked(sees_it, &path(tenant, &format!("/subscriptions/{id}")), &html! { (name) })),
            (Some(id), None) => { (short(id)) " " span.muted { "deleted" } }
            _ => "–",
        }
    }
}

fn answer(step: &Step) -> Markup {
    let duration = step.duration_us.map(|us| us as f64 / 1000.0);
    html! {
        @if let Some(code) = step.http_status_code { (code) " in " (milliseconds(duration)) }
        @else if let Some(error) = &step.error_message { (error) }
        @else { (step.what) }
    }
}

fn next(delivery: &Delivery<'_>) -> Markup {
    html! {
        @match delivery.next {
            Some(step) if step.next_attempt_at.is_some() => (relative(step.next_attempt_at)),
            Some(_) => "as soon as possible",
            None => "–",
        }
    }
}

/// Everything that happened, in the order of time.
pub fn steps(steps: &[Step]) -> Markup {
    html! {
        details.entry #steps {
            summary { "All " (steps.len()) " steps" }
            div.scroll { table {
                thead { tr { th { "time" } th { "what" } th { "subscription" } th.number { "attempt" } th { "outcome" } th { "error" } } }
                tbody { @for step in steps { tr {
                    td { (absolute(step.at)) }
                    td { (step.what) }
                    td { (step.subscription_name.as_deref().unwrap_or("–")) }
                    td.number { @if let Some(n) = step.attempt { (n) } @else { "–" } }
                    td { @match &step.status { Some(status) => (delivery_state(status)), None => "–" } }
                    td.wide { (step.error_message.as_deref().unwrap_or("–")) }
                } } }
            } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_delivery_is_what_its_last_step_says() {
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let steps: Vec<Step> = serde_json::from_value(json!([
            {"what": "published"},
            {"what": "queued", "delivery_id": a, "subscription_name": "one"},
            {"what": "queued", "delivery_id": b, "subscription_name": "two"},
            {"what": "attempted", "delivery_id": a, "attempt": 1, "status": "delivered", "http_status_code": 200},
            {"what": "attempted", "delivery_id": b, "attempt": 1, "status": "retrying", "http_status_code": 503},
            {"what": "outstanding", "delivery_id": b, "attempt": 2, "status": "retrying"},
        ]))
        .unwrap();
        let found: Vec<_> = deliveries(&steps)
            .iter()
            .map(|d| {
                (
                    d.subscription_name,
                    d.status,
                    d.attempts,
                    d.is_outstanding(),
                )
            })
            .collect();
        let expected = [
            (Some("one"), "delivered", 1, false),
            (Some("two"), "retrying", 1, true),
        ];
        assert_eq!(found, expected);
    }
}
