//! The request: the subscription's constant parts, the event's identity, and the signature of this attempt.

use super::wire::Outgoing;
use crate::model::{Delivery, Endpoint, Headers, Message, Traceparent};
use hyper::header::HeaderValue;
use webhooks_core::auth::Auth;

/// Standard Webhooks: the event's id, on which receivers deduplicate.
const ID: &str = "webhook-id";
/// Standard Webhooks: seconds since 1970 of this attempt.
const TIMESTAMP: &str = "webhook-timestamp";
/// Standard Webhooks: `v1,<base64>` over id, timestamp and body.
const SIGNATURE: &str = "webhook-signature";
/// `sha256=<hex>` over the body.
const BODY_SIGNATURE: &str = "X-Webhook-Signature";
const DELIVERY: &str = "X-Webhook-Delivery-Id";
const ATTEMPT: &str = "X-Webhook-Attempt";
const EVENT_TYPE: &str = "X-Webhook-Event-Type";
/// `true`, of tests alone.
const TEST: &str = "X-Webhook-Test";
/// W3C Trace Context: of events that have one.
const TRACEPARENT: &str = "traceparent";

/// Builds the request for one attempt at `timestamp` (seconds since 1970), as a part of a trace.
pub fn build(
    user_agent: &HeaderValue,
    endpoint: &Endpoint,
    delivery: &Delivery,
    message: &Message,
    traceparent: Option<Traceparent>,
    timestamp: i64,
) -> Outgoing {
    let mut headers = endpoint.headers.clone();
    headers.set("User-Agent", user_agent.clone());
    for (name, value) in &message.headers {
        headers.set(*name, value.clone());
    }
    let event_id = message.event_id.hyphenated().to_string();
    set(&mut headers, ID, &event_id);
    set(&mut headers, TIMESTAMP, &timestamp.to_string());
    match &endpoint.auth {
        Auth::None => {}
        Auth::ApiKey { value, .. } => {
            // Visible ASCII, as it was checked.
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.set(endpoint.key_header.clone(), value);
            }
        }
        Auth::Signature(signer) => {
            // Of the secrets before, too, as long as they overlap: each receiver finds one of its own.
            let mut signatures = signer.sign_standard(&event_id, timestamp, &message.body);
            for retired in endpoint.valid_retired_signers() {
                signatures.push(' ');
                signatures += &retired.sign_standard(&event_id, timestamp, &message.body);
            }
            set(&mut headers, SIGNATURE, &signatures);
            let signature = format!("sha256={}", signer.sign_body_hex(&message.body));
            set(&mut headers, BODY_SIGNATURE, &signature);
        }
    }
    set(
        &mut headers,
        DELIVERY,
        &delivery.id.hyphenated().to_string(),
    );
    set(&mut headers, ATTEMPT, &(delivery.attempt + 1).to_string());
    set(&mut headers, EVENT_TYPE, &message.event_type);
    if delivery.is_test {
        headers.set(TEST, HeaderValue::from_static("true"));
    }
    if let Some(traceparent) = traceparent {
        set(&mut headers, TRACEPARENT, &traceparent.to_string());
    }
    if !headers.has("Accept") {
        headers.set("Accept", HeaderValue::from_static("*/*"));
    }
    let method = endpoint.method.as_str();
    let (url, target) = (&endpoint.url, &endpoint.target);
    Outgoing::new(method, url, target, &headers, message.body.clone())
}

fn set(headers: &mut Headers, name: &'static str, value: &str) {
    // Ids, numbers, base64 and registered event types: always valid values.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.set(name, value);
    }
}
