//! The headers of a request, of which each has its own: the event's identity, the attempt, and what authenticates it.
//!
//! The sidecar sends them, and a subscription that is polled gets them beside the body: both from here.

use crate::auth::Auth;
use crate::signature::Signer;
use std::borrow::Cow;
use uuid::Uuid;

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
/// Where an API key goes unless `auth_config` names another header.
pub const KEY_HEADER: &str = "Authorization";

/// Request headers, in the order in which they are sent; no name twice. Each name is in the case in which the
/// documentation or the subscription has it: receivers should not care (RFC 9110, 5.1), but many that look into a plain
/// dictionary do.
#[derive(Debug, Clone)]
pub struct Headers<V>(Vec<(Cow<'static, str>, V)>);

impl<V> Default for Headers<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Headers<V> {
    /// Sets a header, whose name must be a token, in place of one that differs in case at most.
    pub fn set(&mut self, name: impl Into<Cow<'static, str>>, value: V) {
        let name = name.into();
        let mut set = self.0.iter_mut();
        match set.find(|(set, _)| set.eq_ignore_ascii_case(&name)) {
            Some(found) => *found = (name, value),
            None => self.0.push((name, value)),
        }
    }

    /// Whether a header is set.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(set, _)| set.eq_ignore_ascii_case(name))
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value))
    }
}

/// What a request says of the event and the attempt.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The event's id.
    pub event_id: Uuid,
    /// For example `document.processed`.
    pub event_type: &'a str,
    /// The delivery's id.
    pub delivery_id: Uuid,
    /// Number of the attempt, from 1.
    pub attempt: i32,
    /// Seconds since 1970 of the attempt.
    pub timestamp: i64,
    /// The event was made up to test the subscription.
    pub is_test: bool,
}

/// What authenticates requests.
#[derive(Debug, Clone, Copy)]
pub struct Credentials<'a, R> {
    /// The subscription's authentication.
    pub auth: &'a Auth,
    /// The header of an API key, as it is written in `auth_config`.
    pub key_header: &'a str,
    /// The secrets before the present one, as long as they overlap.
    pub retired: R,
}

/// Sets the headers that differ from attempt to attempt, and `Accept` unless the subscription sets it. `value` makes a
/// header's value of a text; one that is none is left out.
pub fn set_attempt_headers<'a, V, R: IntoIterator<Item = &'a Signer>>(
    headers: &mut Headers<V>,
    identity: &Identity<'_>,
    credentials: Credentials<'_, R>,
    traceparent: Option<&str>,
    body: &[u8],
    value: impl Fn(&str) -> Option<V>,
) {
    let mut set = |name: Cow<'static, str>, text: &str| {
        // Ids, numbers, base64, registered event types, and keys of visible ASCII: always valid values.
        if let Some(value) = value(text) {
            headers.set(name, value);
        }
    };
    let event_id = identity.event_id.hyphenated().to_string();
    set(ID.into(), &event_id);
    set(TIMESTAMP.into(), &identity.timestamp.to_string());
    match credentials.auth {
        Auth::None => {}
        Auth::ApiKey { value, .. } => set(credentials.key_header.to_owned().into(), value),
        Auth::Signature(signer) => {
            // Of the secrets before, too, as long as they overlap: each receiver finds one of its own.
            let mut signatures = signer.sign_standard(&event_id, identity.timestamp, body);
            for retired in credentials.retired {
                signatures.push(' ');
                signatures += &retired.sign_standard(&event_id, identity.timestamp, body);
            }
            set(SIGNATURE.into(), &signatures);
            let signature = format!("sha256={}", signer.sign_body_hex(body));
            set(BODY_SIGNATURE.into(), &signature);
        }
    }
    let delivery_id = identity.delivery_id.hyphenated().to_string();
    set(DELIVERY.into(), &delivery_id);
    set(ATTEMPT.into(), &identity.attempt.to_string());
    set(EVENT_TYPE.into(), identity.event_type);
    if identity.is_test {
        set(TEST.into(), "true");
    }
    if let Some(traceparent) = traceparent {
        set(TRACEPARENT.into(), traceparent);
    }
    if !headers.has("Accept")
        && let Some(any) = value("*/*")
    {
        headers.set("Accept", any);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_there_once_in_the_case_in_which_it_was_set_last() {
        let mut headers = Headers::default();
        headers.set("X-Team", 1);
        headers.set("b", 2);
        headers.set("x-team", 3);
        assert!(headers.has("X-TEAM") && !headers.has("x-tea"));
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all, [("x-team", &3), ("b", &2)]);
    }

    #[test]
    fn headers_of_an_attempt_are_signed_with_all_secrets_that_overlap() {
        let secret = |byte: u8| Signer::new(&String::from_utf8(vec![byte; 24]).unwrap()).unwrap();
        let (auth, retired) = (Auth::Signature(secret(b'a')), secret(b'b'));
        let identity = Identity {
            event_id: Uuid::nil(),
            event_type: "a.b",
            delivery_id: Uuid::max(),
            attempt: 2,
            timestamp: 5,
            is_test: true,
        };
        let credentials = Credentials {
            auth: &auth,
            key_header: KEY_HEADER,
            retired: [&retired],
        };
        let mut headers = Headers::default();
        headers.set("accept", "text/plain".to_owned());
        let value = |text: &str| Some(text.to_owned());
        set_attempt_headers(
            &mut headers,
            &identity,
            credentials,
            Some("00-1"),
            b"x",
            value,
        );
        let value = |name: &str| {
            let (_, value) = headers.iter().find(|(found, _)| *found == name).unwrap();
            value.clone()
        };
        let (id, now) = (
            Uuid::nil().to_string(),
            secret(b'a').sign_standard(&Uuid::nil().to_string(), 5, b"x"),
        );
        assert_eq!(value(ID), id);
        assert_eq!(
            value(SIGNATURE),
            format!("{now} {}", retired.sign_standard(&id, 5, b"x"))
        );
        assert_eq!(
            (value(ATTEMPT), value(TEST), value(TRACEPARENT)),
            ("2".into(), "true".into(), "00-1".into())
        );
        assert_eq!(value("accept"), "text/plain");
    }
}
