//! The payload of Standard Webhooks.
//!
//! ```json
//! {"type":"document.processed","timestamp":"2026-11-24T08:00:00.123456+00:00","data":{}}
//! ```
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-structure>
//! What identifies the event is the header `webhook-id`, as there. The event of a test has `"test":true` besides.

use super::{Event, FIXED_PART, push_compact, push_test, push_text, timestamp};

/// The body.
pub fn render(event: &Event<'_>) -> String {
    let mut out = String::with_capacity(FIXED_PART + event.event_type.len() + event.data.len());
    out.push_str("{\"type\":");
    push_text(&mut out, event.event_type);
    out.push_str(",\"timestamp\":\"");
    timestamp::push_iso_format(&mut out, event.created_at_us);
    out.push_str("\",\"data\":");
    push_compact(&mut out, event.data);
    push_test(&mut out, event);
    out.push('}');
    out
}
