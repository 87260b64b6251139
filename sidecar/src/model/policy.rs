//! How a subscription's requests are limited: circuit breakers and rates.

use std::time::Duration;

/// When a subscription's breaker opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BreakerPolicy {
    /// Failures in a row; 0: never.
    pub threshold: u32,
    pub cooldown: Duration,
}

/// What an attempt changed, to be recorded with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerChange {
    /// A success ended the series of failures.
    Closed { was_open: bool },
    /// A series of failures, as yet too short.
    Failing { failing_for: Duration },
    Open {
        failing_for: Duration,
        probe_in: Duration,
        was_open: bool,
    },
    /// Neither a failure nor a success: the receiver wants a pause.
    Throttled { wait: Duration },
}

/// A subscription's limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// From one request to the next, over time.
    pub interval: Duration,
    /// Requests at once after a quiet time, at least 1.
    pub burst: u32,
}

impl RateLimit {
    /// `burst`: one second's worth unless given.
    pub fn new(per_second: f64, burst: Option<u32>) -> Self {
        let whole = per_second.ceil().clamp(1.0, 1e9) as u32;
        Self {
            interval: Duration::from_secs_f64(1.0 / per_second.clamp(1e-6, 1e9)),
            burst: burst.unwrap_or(whole).max(1),
        }
    }

    /// No more than a receiver allows, and than the subscription does.
    pub fn allowed(per_minute: u32, own: Option<Self>) -> Self {
        let per_minute = per_minute.max(1);
        let interval = Duration::from_secs(60) / per_minute;
        // A tenth of a second's worth at once: timers are not exact enough for less.
        let burst = (per_minute / 600).max(1);
        match own {
            // What is left of a minute may come at once.
            Some(own) if own.interval > interval => Self {
                burst: own
                    .burst
                    .min(burst.max(per_minute.saturating_sub(own.per_minute()))),
                ..own
            },
            _ => Self { interval, burst },
        }
    }

    /// Requests per minute over time, at least 1.
    pub fn per_minute(&self) -> u32 {
        let exact = 60.0 / self.interval.as_secs_f64().max(1e-9);
        (exact.round().clamp(1.0, f64::from(i32::MAX))) as u32
    }

    /// The time that a full bucket of requests stands for.
    pub fn bucket(&self) -> Duration {
        self.interval.saturating_mul(self.burst)
    }
}
