//! One request of a delivery, under one deadline that covers connecting, sending and the whole response.

use super::client::{Call, Client};
use super::error::SendError;
use super::head::Head;
use super::reply::Reply;
use super::request;
use crate::clock::Clock;
use crate::model::{Delivery, Endpoint, Message, Response, Settings, Traceparent};
use hyper::header::HeaderValue;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use webhooks_core::capture::{body_text, headers_json};
use webhooks_core::retry::{Outcome, wait_asked_for};

/// Most headers that the log keeps.
const MAX_HEADERS: usize = 64;

/// What came of a request.
pub struct Sent {
    pub outcome: Outcome,
    /// What exactly happened, where that says more than the outcome.
    pub detail: Option<String>,
    pub response: Option<Response>,
    /// How often the request was sent again on a new connection.
    pub resent_count: u16,
}

impl Sent {
    /// Nothing was sent, since nothing can be.
    pub fn nothing(outcome: Outcome, detail: Option<String>) -> Self {
        Self {
            outcome,
            detail,
            response: None,
            resent_count: 0,
        }
    }

    /// The status decides as soon as it is there, with the headers: what is not is only missed in the log.
    fn new(
        reply: &Reply,
        failure: Option<(Outcome, String)>,
        settings: &Settings,
        now: SystemTime,
    ) -> Self {
        let answered = reply.head().map(|head| Outcome::Response {
            status: head.status,
            retry_after: retry_after(head, now),
        });
        let (outcome, detail) = match (answered, failure) {
            (Some(answer), Some((_, detail))) => {
                let detail = format!("{answer}; {detail}");
                (answer, Some(detail))
            }
            (Some(answer), None) => (answer, None),
            (None, Some((outcome, detail))) => (outcome, Some(detail)),
            (None, None) => (Outcome::Io, None),
        };
        Self {
            outcome,
            detail,
            response: reply.head().map(|head| response(head, reply, settings)),
            resent_count: reply.resent_count(),
        }
    }
}

/// Sends a message to an endpoint, as a part of a trace, as it was attempted at a time of this clock.
///
/// # Errors
/// No connection can be opened here: no fault of the receiver.
pub async fn send(
    client: &Client,
    user_agent: &HeaderValue,
    (delivery, endpoint, message): (&Delivery, &Endpoint, &Message),
    traceparent: Option<Traceparent>,
    settings: &Settings,
    (clock, attempted_at): (&Clock, SystemTime),
) -> Result<Sent, SendError> {
    let subscription = &delivery.subscription;
    let timestamp = attempted_at
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs().cast_signed());
    let call = Call {
        subscription_id: subscription.id,
        url: &endpoint.url,
        outgoing: request::build(
            user_agent,
            endpoint,
            delivery,
            message,
            traceparent,
            timestamp,
        ),
        timeout: subscription.timeout,
    };
    let mut reply = Reply::new(settings.max_response_body_bytes);
    let sending = client.send(&call, &mut reply);
    let ended = tokio::time::timeout(subscription.timeout, sending).await;
    #[cfg(feature = "failpoints")]
    crate::failpoint::pass(crate::failpoint::Point::AfterSend, 1).await;
    let failure = match ended {
        Ok(Ok(())) => None,
        Ok(Err(error @ SendError::NoSocket(_))) => return Err(error),
        Ok(Err(error)) => Some((outcome(&error), error.to_string())),
        Err(_) => {
            let seconds = subscription.timeout.as_secs();
            let detail = format!("no complete response within timeout_seconds ({seconds})");
            Some((Outcome::Timeout, detail))
        }
    };
    Ok(Sent::new(&reply, failure, settings, clock.now()))
}

/// As much of an answer as the log keeps.
fn response(head: &Head, reply: &Reply, settings: &Settings) -> Response {
    Response {
        status: head.status,
        headers: Some(headers_json(
            head.headers(),
            settings.max_response_headers_bytes,
            MAX_HEADERS,
        )),
        body: reply
            .body()
            .map(|(kept, is_truncated)| body_text(kept, is_truncated)),
    }
}

/// What kind of failure it is that there was no answer.
fn outcome(error: &SendError) -> Outcome {
    match error {
        SendError::Dns(_) => Outcome::Dns,
        SendError::AddressRefused(_) => Outcome::AddressRefused,
        SendError::Connect(_) | SendError::NoSocket(_) => Outcome::Connect,
        SendError::Tls(_) => Outcome::Tls,
        SendError::Broke(_) => Outcome::Io,
        SendError::NotHttp(_) => Outcome::NotHttp,
    }
}

/// How long the receiver asks to wait from now on.
pub fn retry_after(head: &Head, now: SystemTime) -> Option<Duration> {
    wait_asked_for(head.value("retry-after")?, head.value("date"), now)
}
