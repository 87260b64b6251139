//! The attempts of a delivery: when, with what outcome, and what the receiver answered.

use crate::database::{ReadError, Request};
use crate::pages::view::{Moment, absolute, body, count, delivery_state, headers, milliseconds};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

#[derive(Deserialize)]
pub struct Attempt {
    delivery_attempt: i32,
    delivery_status: String,
    attempted_at: Option<Moment>,
    http_status_code: Option<i32>,
    duration_us: Option<i64>,
    payload_size_bytes: Option<i64>,
    resent_count: Option<i32>,
    response_headers: Option<Value>,
    response_body: Option<String>,
    error_message: Option<String>,
    next_retry_at: Option<Moment>,
}

/// The last one first.
pub async fn read(request: &Request<'_>, delivery: Uuid) -> Result<Vec<Attempt>, ReadError> {
    request
        .items(
            "select to_json(a)::text as item from (
                 select a.delivery_attempt, a.delivery_status, a.attempted_at, a.http_status_code, a.duration_us,
                        a.payload_size_bytes, a.resent_count, a.response_headers, a.response_body, a.error_message,
                        a.next_retry_at
                 from webhooks.delivery_attempts a
                 where a.delivery_id = $1 order by a.delivery_attempt desc) a",
            &[&delivery],
        )
        .await
}

pub fn list(attempts: &[Attempt]) -> Markup {
    html! {
        @if attempts.is_empty() { p.empty { "No attempt was made yet." } }
        @for (i, attempt) in attempts.iter().enumerate() {
            details.entry id={ "attempt-" (attempt.delivery_attempt) } open[i == 0] {
                summary {
                    "Attempt " (attempt.delivery_attempt) " " (delivery_state(&attempt.delivery_status)) " "
                    @if let Some(code) = attempt.http_status_code { "HTTP status " (code) " " }
                    @if let Some(us) = attempt.duration_us { "in " (milliseconds(Some(us as f64 / 1000.0))) }
                }
                (one(attempt))
            }
        }
    }
}

fn one(attempt: &Attempt) -> Markup {
    html! {
        dl.facts {
            dt { "time" } dd { (absolute(attempt.attempted_at)) }
            @if let Some(error) = &attempt.error_message { dt { "error" } dd { (error) } }
            @if let Some(size) = attempt.payload_size_bytes { dt { "size of the body" } dd { (count(size)) " bytes" } }
            @if let Some(n) = attempt.resent_count {
                dt { "sent again" } dd { (n) " times on a new connection: the receiver had closed the kept one" }
            }
            @if attempt.next_retry_at.is_some() { dt { "next attempt" } dd { (absolute(attempt.next_retry_at)) } }
        }
        // What expired or was cancelled was not sent.
        @if attempt.http_status_code.is_some() {
            h3 { "Response headers" }
            (headers(attempt.response_headers.as_ref()))
            h3 { "Response body" }
            (body(attempt.response_body.as_deref()))
        }
    }
}
