//! The request: the subscription's constant parts, the event's identity, and the signature of this attempt.

use super::wire::Outgoing;
use crate::model::{Delivery, Endpoint, Message, Traceparent};
use hyper::header::HeaderValue;
use webhooks_core::request::{Credentials, Identity, set_attempt_headers};

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
    let identity = Identity {
        event_id: message.event_id,
        event_type: &message.event_type,
        delivery_id: delivery.id,
        attempt: delivery.attempt + 1,
        timestamp,
        is_test: delivery.is_test,
    };
    let credentials = Credentials {
        auth: &endpoint.auth,
        key_header: &endpoint.key_header,
        retired: endpoint.valid_retired_signers(),
    };
    let traceparent = traceparent.map(|traceparent| traceparent.to_string());
    set_attempt_headers(
        &mut headers,
        &identity,
        credentials,
        traceparent.as_deref(),
        &message.body,
        |text| HeaderValue::try_from(text).ok(),
    );
    let method = endpoint.method.as_str();
    let (url, target) = (&endpoint.url, &endpoint.target);
    Outgoing::new(method, url, target, &headers, message.body.clone())
}
