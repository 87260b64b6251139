//! The request body and what tells its format, in the formats that a subscription may choose; see [`PayloadFormat`].
//!
//! The default is the specification's envelope as compact JSON:
//!
//! ```json
//! {"id":"…","event":{"type":"…","category":"…","name":"…","version":"1.0","timestamp":"2026-11-24T08:00:00.123456+00:00"},
//!  "tenant_id":"…","data":{},"resource":{"type":null,"id":null},
//!  "context":{"user_id":"…","session_id":null,"request_id":null,"source_ip":null}}
//! ```
//!
//! The key order is fixed, there is no white space between tokens, and `context` is there only if the event has
//! a user. The event of a test has `"test":true` at the end. In every format the same event always gives the same bytes, so signatures and hashes hold for every attempt.

mod cloudevents;
mod compact;
mod format;
mod standard;
mod timestamp;

pub use format::{PayloadFormat, UnknownFormat};

use compact::push_compact;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// What a request tells about an event.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// The event's id, which is also the `webhook-id`.
    pub id: Uuid,
    /// The tenant.
    pub tenant_id: Uuid,
    /// For example `document.processed`.
    pub event_type: &'a str,
    /// For example `document`.
    pub category: &'a str,
    /// For a human.
    pub name: &'a str,
    /// Of the event type's data format.
    pub version: Option<&'a str>,
    /// When it was published: microseconds since 1970-01-01 UTC.
    pub created_at_us: i64,
    /// `event_data`, JSON text, which the caller vouches for; goes out verbatim but for white space between tokens.
    pub data: &'a str,
    /// For example `document`.
    pub resource_type: Option<&'a str>,
    /// The resource's id.
    pub resource_id: Option<Uuid>,
    /// The whole resource, JSON text; goes out like `data`, if type and id are known too.
    pub resource_data: Option<&'a str>,
    /// Who caused it; without a user there is no `context`.
    pub user_id: Option<Uuid>,
    /// The user's session.
    pub session_id: Option<&'a str>,
    /// The request that caused it.
    pub request_id: Option<&'a str>,
    /// Where that came from, as PostgreSQL's `inet` text.
    pub source_ip: Option<&'a str>,
    /// It was made up to test a subscription: every format says so.
    pub is_test: bool,
}

/// Bytes of the keys, punctuation, ids and timestamp, rounded up.
const FIXED_PART: usize = 512;

/// The body of a request about `event`.
pub fn render_envelope(event: &Event<'_>) -> String {
    let mut out = String::with_capacity(FIXED_PART + variable_part(event));
    out.push_str("{\"id\":");
    push_id(&mut out, event.id);
    out.push_str(",\"event\":{\"type\":");
    push_text(&mut out, event.event_type);
    out.push_str(",\"category\":");
    push_text(&mut out, event.category);
    out.push_str(",\"name\":");
    push_text(&mut out, event.name);
    out.push_str(",\"version\":");
    push_optional_text(&mut out, event.version);
    out.push_str(",\"timestamp\":\"");
    timestamp::push_iso_format(&mut out, event.created_at_us);
    out.push_str("\"},\"tenant_id\":");
    push_id(&mut out, event.tenant_id);
    out.push_str(",\"data\":");
    push_compact(&mut out, event.data);
    out.push_str(",\"resource\":{\"type\":");
    push_optional_text(&mut out, event.resource_type);
    out.push_str(",\"id\":");
    match event.resource_id {
        Some(id) => push_id(&mut out, id),
        None => out.push_str("null"),
    }
    if let (Some(_), Some(_), Some(data)) =
        (event.resource_type, event.resource_id, event.resource_data)
    {
        out.push_str(",\"data\":");
        push_compact(&mut out, data);
    }
    out.push('}');
    if let Some(user_id) = event.user_id {
        out.push_str(",\"context\":{\"user_id\":");
        push_id(&mut out, user_id);
        out.push_str(",\"session_id\":");
        push_optional_text(&mut out, event.session_id);
        out.push_str(",\"request_id\":");
        push_optional_text(&mut out, event.request_id);
        out.push_str(",\"source_ip\":");
        push_optional_text(&mut out, event.source_ip);
        out.push('}');
    }
    push_test(&mut out, event);
    out.push('}');
    out
}

/// The last member of an object that has others: what events of tests have and no others.
fn push_test(out: &mut String, event: &Event<'_>) {
    if event.is_test {
        out.push_str(",\"test\":true");
    }
}

/// SHA-256 of a body, as the delivery log records it.
pub fn payload_sha256(body: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(body).into()
}

fn variable_part(event: &Event<'_>) -> usize {
    [
        Some(event.event_type),
        Some(event.category),
        Some(event.name),
        event.version,
        Some(event.data),
        event.resource_type,
        event.resource_data,
        event.session_id,
        event.request_id,
        event.source_ip,
    ]
    .into_iter()
    .flatten()
    .map(str::len)
    .sum()
}

fn push_id(out: &mut String, id: Uuid) {
    out.push('"');
    out.push_str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()));
    out.push('"');
}

fn push_text(out: &mut String, text: &str) {
    let needs_escape = |b: u8| b < 0x20 || b == b'"' || b == b'\\';
    if text.bytes().any(needs_escape) {
        out.push_str(&serde_json::Value::from(text).to_string());
    } else {
        // Nearly always: event types, categories and ids have nothing to escape.
        out.push('"');
        out.push_str(text);
        out.push('"');
    }
}

fn push_optional_text(out: &mut String, text: Option<&str>) {
    match text {
        Some(text) => push_text(out, text),
        None => out.push_str("null"),
    }
}

#[cfg(test)]
mod tests;
