//! What a session must permit for what these pages do. The database decides; pages leave out what it would refuse.

use crate::database::Access;

pub const READ_EVENTS: &str = "events:read";
pub const READ_DELIVERIES: &str = "webhook_subscriptions:read";
pub const RETRY: &str = "webhook_subscriptions:retry";
pub const UPDATE: &str = "webhook_subscriptions:update";
pub const READ_METRICS: &str = "metrics:read";
pub const READ_AUDIT: &str = "audit:read";
pub const OPERATE: &str = "operator:read";

/// Scopes that read.
const READING: [&str; 5] = [
    READ_EVENTS,
    READ_DELIVERIES,
    READ_METRICS,
    READ_AUDIT,
    OPERATE,
];

/// Whether pages offer what needs the scope: the session has it, and where nothing can be changed, it reads.
pub fn may(access: &Access, scope: &str) -> bool {
    access.may(scope) && (!access.is_read_only || READING.contains(&scope))
}
