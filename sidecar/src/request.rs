//! The request: the subscription's constant parts, the event's identity, and the signature of this attempt.

use crate::claim::Delivery;
use crate::message::Message;
use crate::subscriptions::Endpoint;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{ACCEPT, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use webhooks_core::auth::Auth;

/// Standard Webhooks: the event's id, on which receivers deduplicate.
const ID: HeaderName = HeaderName::from_static("webhook-id");
/// Standard Webhooks: seconds since 1970 of this attempt.
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// Standard Webhooks: `v1,<base64>` over id, timestamp and body.
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// `sha256=<hex>` over the body.
const BODY_SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");
const DELIVERY: HeaderName = HeaderName::from_static("x-webhook-delivery-id");
const ATTEMPT: HeaderName = HeaderName::from_static("x-webhook-attempt");
const EVENT_TYPE: HeaderName = HeaderName::from_static("x-webhook-event-type");
/// `true`, of tests alone.
const TEST: HeaderName = HeaderName::from_static("x-webhook-test");

/// Builds the request for one attempt at `timestamp` (seconds since 1970).
///
/// # Errors
/// In words: a URL that HTTP can't express.
pub fn build(
    user_agent: &HeaderValue,
    endpoint: &Endpoint,
    delivery: &Delivery,
    message: &Message,
    timestamp: i64,
) -> Result<Request<Full<Bytes>>, String> {
    let mut headers = endpoint.headers.clone();
    headers.extend(message.headers.iter().cloned());
    let event_id = message.event_id.hyphenated().to_string();
    match &endpoint.auth {
        Auth::None => {}
        Auth::ApiKey { header, value } => {
            if let (Ok(name), Ok(mut value)) =
                (HeaderName::try_from(header), HeaderValue::try_from(value))
            {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        Auth::Signature(signer) => {
            insert(
                &mut headers,
                BODY_SIGNATURE,
                format!("sha256={}", signer.sign_body_hex(&message.body)),
            );
            // Of the secrets before, too, as long as they overlap: each receiver finds one of its own.
            let mut signatures = signer.sign_standard(&event_id, timestamp, &message.body);
            for retired in endpoint.retired_signers() {
                signatures.push(' ');
                signatures += &retired.sign_standard(&event_id, timestamp, &message.body);
            }
            insert(&mut headers, SIGNATURE, signatures);
        }
    }
    insert(&mut headers, ID, event_id);
    insert(&mut headers, TIMESTAMP, timestamp.to_string());
    insert(&mut headers, DELIVERY, delivery.id.hyphenated().to_string());
    insert(&mut headers, ATTEMPT, (delivery.attempt + 1).to_string());
    insert(&mut headers, EVENT_TYPE, message.event_type.clone());
    if delivery.is_test {
        headers.insert(TEST, HeaderValue::from_static("true"));
    }
    headers.insert(USER_AGENT, user_agent.clone());
    headers
        .entry(ACCEPT)
        .or_insert(HeaderValue::from_static("*/*"));
    let mut request = Request::new(Full::new(message.body.clone()));
    *request.method_mut() = endpoint.method.clone();
    *request.uri_mut() = endpoint.uri()?;
    *request.headers_mut() = headers;
    Ok(request)
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // Ids, numbers, base64 and registered event types: always valid values.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}
