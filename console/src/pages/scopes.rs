//! What a session must permit for what these pages do, in their words. The database decides; pages leave out what it
//! would refuse.

use crate::database::Access;
use crate::scope::Scope;

pub const READ_EVENTS: Scope = Scope::ReadEvents;
pub const READ_DELIVERIES: Scope = Scope::ReadSubscriptions;
pub const RETRY: Scope = Scope::Retry;
pub const UPDATE: Scope = Scope::UpdateSubscriptions;
pub const READ_METRICS: Scope = Scope::ReadMetrics;
pub const READ_AUDIT: Scope = Scope::ReadAudit;
pub const OPERATE: Scope = Scope::Operate;

/// Scopes that read.
const READING: [Scope; 5] = [
    READ_EVENTS,
    READ_DELIVERIES,
    READ_METRICS,
    READ_AUDIT,
    OPERATE,
];

/// Whether pages offer what needs the scope: the session has it, and where nothing can be changed, it reads.
pub fn may(access: &Access, scope: Scope) -> bool {
    access.may(scope) && (!access.is_read_only || READING.contains(&scope))
}
