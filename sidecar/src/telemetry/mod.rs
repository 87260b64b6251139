//! What this process tells of itself: [`metrics`] and [`health`] of each database, for who asks from outside, and
//! [`spans`], which are exported. Whoever does something counts it here; nothing here is waited for, and nothing is
//! decided by it.

pub mod health;
pub mod metrics;
pub mod spans;

use crate::clock::Clock;
use health::Health;
use metrics::Metrics;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Metrics and health of the deliveries of a database.
pub struct Telemetry {
    pub metrics: Metrics,
    pub health: Health,
}

impl Telemetry {
    /// Of a database, which can have it once; without an answer for as long as the lease it is not ready.
    pub fn new(database: &str, clock: Clock, lease: Duration) -> Arc<Self> {
        Arc::new(Self {
            metrics: Metrics::register(database, clock),
            health: Health::new(lease, Instant::now()),
        })
    }
}
