//! What the database knows of a subscription's receiver.

use std::time::{Duration, Instant};
use uuid::Uuid;

/// A receiver that fails, or wants a pause.
pub struct Receiver {
    pub subscription: Uuid,
    pub shard: i16,
    pub failures: Option<FailureSeries>,
    /// It wants a pause.
    pub waits_until: Option<Instant>,
}

/// A series of failures without a success.
pub struct FailureSeries {
    /// When it was read, and how long it had lasted then.
    pub seen: Instant,
    pub age: Duration,
    /// The breaker is open until then, half-open from then on; `None`: it is closed.
    pub open_until: Option<Instant>,
}
