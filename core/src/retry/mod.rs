//! The retry policy: from an attempt's outcome to what happens next, in one function, [`decide`].
//!
//! | outcome | decision |
//! | --- | --- |
//! | 2xx | delivered |
//! | 410 Gone | fail, and disable the subscription |
//! | a status in the subscription's `no_retry_statuses` | fail |
//! | payload over the subscription's limit | fail: it will not shrink |
//! | everything else: other statuses (3xx too, redirects are not followed), timeouts, connection, DNS, TLS … | retry until the schedule's retries are used up, then fail |
//!
//! A test is another matter, [`decide_test`]: it is made once, and disables nothing.
//!
//! Everything else retries since a receiver's bad deploy, which may well answer 404 or 401, must not lose events.

mod outcome;
mod retry_after;
mod schedule;
#[cfg(test)]
mod tests;
mod throttle;

pub use outcome::Outcome;
pub use retry_after::wait_asked_for;
pub use schedule::RetrySchedule;
pub use throttle::Throttle;

use std::time::Duration;

/// How a subscription's deliveries are retried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many retries there are, and when. A longer Retry-After is obeyed nevertheless.
    pub schedule: RetrySchedule,
    /// Statuses that fail a delivery at once.
    pub no_retry_statuses: Vec<u16>,
    /// Longest Retry-After that is obeyed in full; a longer one counts as this.
    pub retry_after_cap: Duration,
}

/// Next step of a delivery after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Done.
    Delivered,
    /// Another attempt after this time.
    RetryAfter(Duration),
    /// Given up, with the reason for the log.
    Fail(String),
    /// Given up, and the receiver wants no more: disable the subscription, with the reason for the log.
    FailAndDisable(String),
}

/// Decides after attempt `attempt_number` (the first is 1), which ended with `outcome`.
///
/// `jitter` is a random number from 0 to 1, an argument so that tests know it.
pub fn decide(
    policy: &RetryPolicy,
    attempt_number: u32,
    outcome: &Outcome,
    jitter: f64,
) -> Decision {
    match outcome {
        Outcome::Response { status, .. } if (200..300).contains(status) => Decision::Delivered,
        Outcome::Response { status: 410, .. } => Decision::FailAndDisable(format!(
            "{outcome}: the receiver is gone for good; the subscription was disabled"
        )),
        Outcome::Response { status, .. } if policy.no_retry_statuses.contains(status) => {
            Decision::Fail(format!("{outcome}: listed in no_retry_statuses"))
        }
        Outcome::PayloadTooLarge { .. } => Decision::Fail(outcome.to_string()),
        _ if attempt_number > policy.schedule.retries() => Decision::Fail(format!(
            "{outcome}: gave up after {attempt_number} attempt{}",
            if attempt_number == 1 { "" } else { "s" }
        )),
        _ => {
            let asked = outcome.retry_after().min(policy.retry_after_cap);
            let delay = policy.schedule.delay(attempt_number, jitter);
            Decision::RetryAfter(delay.max(asked))
        }
    }
}

/// Decides after the only attempt of a test.
pub fn decide_test(outcome: &Outcome) -> Decision {
    match outcome {
        Outcome::Response { status, .. } if (200..300).contains(status) => Decision::Delivered,
        _ => Decision::Fail(outcome.to_string()),
    }
}
