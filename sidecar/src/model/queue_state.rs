//! How long the queue of a database is.

use std::time::Duration;

/// What `observe_queue()` says of all shards.
#[derive(Debug)]
pub struct QueueState {
    /// Deliveries that may be attempted now.
    pub ready: i64,
    /// Those that wait for a retry or for deliver_after.
    pub scheduled: i64,
    /// Those whose subscription is held back, or that are behind a scheduled one of their lane.
    pub held: i64,
    /// For how long the oldest ready one is due; `None`: there is none.
    pub oldest_due: Option<Duration>,
    /// Subscriptions that the system has disabled.
    pub disabled: i64,
    /// Age of what holds vacuum back the longest; `None`: nothing does.
    pub oldest_transaction: Option<Duration>,
    /// How full the server's notification queue is, from 0 to 1.
    pub notification_queue: f64,
}
