use std::time::{Instant, SystemTime};

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::Value;
use uuid::Uuid;
use webhooks_core::signature;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// `POST`, …
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Query, without the question mark.
    pub query: Option<String>,
    /// Headers; names in lower case.
    pub headers: HeaderMap,
    /// Body (empty when the receiver only counts).
    pub body: Bytes,
    /// How many requests came to this path before.
    pub nth: usize,
    /// Which connection, from 1 in order of acceptance.
    pub connection: u64,
    /// When it was complete.
    pub arrived: Instant,
    /// The same by the wall clock.
    pub arrived_at: SystemTime,
    /// Whether its signatures are right; `None` when the receiver was told no secret for this path.
    pub signatures: Option<Signatures>,
}

/// Which of a request's signatures are there and right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signatures {
    /// `X-Webhook-Signature: sha256=…` over the body.
    pub body: bool,
    /// `webhook-signature: v1,…` of Standard Webhooks, over id, timestamp and body.
    pub standard: bool,
}

impl Signatures {
    /// Both are right.
    #[must_use]
    pub fn verified(self) -> bool {
        self.body && self.standard
    }
}

impl Request {
    /// A header's value; `None` if there is none or it is not ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; null if it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `webhook-id`: what receivers deduplicate on.
    #[must_use]
    pub fn event_id(&self) -> Option<Uuid> {
        self.header("webhook-id")?.parse().ok()
    }

    /// `X-Webhook-Delivery-Id`.
    #[must_use]
    pub fn delivery_id(&self) -> Option<Uuid> {
        self.header("x-webhook-delivery-id")?.parse().ok()
    }

    /// `X-Webhook-Attempt`, from 1.
    #[must_use]
    pub fn attempt(&self) -> Option<u32> {
        self.header("x-webhook-attempt")?.parse().ok()
    }

    /// Checks both signatures with a subscription's secret.
    #[must_use]
    pub fn verify(&self, secret: &str) -> Signatures {
        let header = |name| self.header(name).unwrap_or_default();
        let body = header("x-webhook-signature");
        let timestamp = header("webhook-timestamp").parse();
        Signatures {
            body: body.starts_with("sha256=")
                && signature::verify_body_hex(secret, &self.body, body),
            standard: timestamp.is_ok_and(|timestamp| {
                signature::verify_standard(
                    secret,
                    header("webhook-id"),
                    timestamp,
                    &self.body,
                    header("webhook-signature"),
                )
            }),
        }
    }
}
