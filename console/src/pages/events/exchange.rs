//! The request of a delivery as it is sent, and what the receiver answered.

use super::history::Delivery;
use crate::database::{ReadError, Request};
use crate::pages::layout::path;
use crate::pages::view::{body, headers};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// A row of `preview_payload()`.
#[derive(Deserialize)]
pub struct Sent {
    method: Option<String>,
    url: Option<String>,
    headers: Option<Value>,
    body: Option<String>,
}

/// What the last attempt was answered.
#[derive(Deserialize)]
pub struct Received {
    delivery_attempt: i32,
    http_status_code: Option<i32>,
    response_headers: Option<Value>,
    response_body: Option<String>,
    error_message: Option<String>,
}

/// The request that a subscription gets for an event; in the format envelope, without an address, if there is no
/// subscription any more. `None`: the event is no longer kept.
pub async fn sent(
    request: &Request<'_>,
    subscription: Option<Uuid>,
    event: Uuid,
) -> Result<Option<Sent>, ReadError> {
    let found = match subscription {
        Some(subscription) => {
            let preview = "select to_json(p)::text as item from webhooks.preview_payload($1, $2) p";
            request.items(preview, &[&subscription, &event]).await?
        }
        None => {
            let build = "select json_build_object('body', b.body)::text as item
                from webhooks.build_payload($1) b (body) where b.body is not null";
            request.items(build, &[&event]).await?
        }
    };
    Ok(found.into_iter().next())
}

pub async fn received(
    request: &Request<'_>,
    delivery: Uuid,
) -> Result<Option<Received>, ReadError> {
    let found = request
        .items(
            "select to_json(a)::text as item from (
                 select a.delivery_attempt, a.http_status_code, a.response_headers, a.response_body, a.error_message
                 from webhooks.delivery_attempts a
                 where a.delivery_id = $1 order by a.delivery_attempt desc limit 1) a",
            &[&delivery],
        )
        .await?;
    Ok(found.into_iter().next())
}

/// Which delivery's request and response are shown.
pub fn switch(
    tenant: Uuid,
    event: Uuid,
    deliveries: &[Delivery<'_>],
    shown: Option<Uuid>,
) -> Markup {
    html! {
        @if deliveries.len() > 1 {
            form.filters method="get" action=(path(tenant, &format!("/events/{event}"))) {
                div {
                    label for="delivery" { "delivery" }
                    select #delivery name="delivery" data-submit {
                        @for delivery in deliveries {
                            option value=(delivery.id) selected[shown == Some(delivery.id)] {
                                (delivery.subscription_name.unwrap_or("deleted subscription")) ", " (delivery.status)
                            }
                        }
                    }
                }
                div { button type="submit" { "Show" } }
            }
        }
    }
}

pub fn request_part(sent: Option<&Sent>) -> Markup {
    html! {
        section aria-labelledby="request" {
            h3 #request { "Request as sent" }
            @match sent {
                None => p.muted { "The event is no longer kept." },
                Some(sent) => {
                    @if let (Some(method), Some(url)) = (&sent.method, &sent.url) {
                        p.mono { (method) " " (url) }
                    }
                    @if sent.headers.is_some() {
                        details { summary { "Headers" } (headers(sent.headers.as_ref())) }
                    }
                    (body(sent.body.as_deref()))
                }
            }
        }
    }
}

pub fn response_part(received: Option<&Received>) -> Markup {
    html! {
        section aria-labelledby="response" {
            h3 #response { "Response" }
            @match received {
                None => p.muted { "No attempt was made yet." },
                Some(received) => {
                    p {
                        "Attempt " (received.delivery_attempt) ": "
                        @if let Some(code) = received.http_status_code { "HTTP status " (code) }
                        @else { (received.error_message.as_deref().unwrap_or("no response")) }
                    }
                    @if received.response_headers.is_some() {
                        details { summary { "Headers" } (headers(received.response_headers.as_ref())) }
                    }
                    (body(received.response_body.as_deref()))
                }
            }
        }
    }
}
