//! What the log says of deliveries: a line when a receiver begins to fail, when it fails in another way and when it works
//! again, and one a minute that sums up. Each attempt is logged as `debug` alone.

use crate::model::{Attempt, AttemptResult, EndpointSignal};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often deliveries are summed up, and how often a receiver's failures may be told that changed.
const INTERVAL: Duration = Duration::from_secs(60);
/// Most lines about receivers in that time: with more, something is wrong that they all have in common.
const LINES: u32 = 100;
/// Receivers that are remembered.
const MOST_FAILING: usize = 10_000;
/// A receiver that nothing was sent to for so long is forgotten: its subscription may be gone.
const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

/// A receiver that fails.
struct Failing {
    since: Instant,
    failures: u64,
    /// The status, or the error where there was no answer.
    how: Result<u16, String>,
    told: Instant,
    last: Instant,
}

/// What is to be said of an attempt.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Fails,
    FailsOtherwise,
    WorksAgain { failures: u64, lasted: Duration },
}

/// Attempts since the last summary.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    delivered: u64,
    retried: u64,
    failed: u64,
    expired: u64,
}

/// What was said, and what is to be summed up.
pub struct DeliveryLog {
    failing: HashMap<Uuid, Failing>,
    counts: Counts,
    lines: u32,
    left_out: u32,
    summed_up: Instant,
}

impl DeliveryLog {
    pub fn new(now: Instant) -> Self {
        Self {
            failing: HashMap::new(),
            counts: Counts::default(),
            lines: 0,
            left_out: 0,
            summed_up: now,
        }
    }

    /// An attempt ended.
    pub fn on_attempted(&mut self, attempt: &Attempt, now: Instant) {
        let count = match attempt.result {
            AttemptResult::Delivered => &mut self.counts.delivered,
            AttemptResult::Retry { .. } => &mut self.counts.retried,
            AttemptResult::Failed => &mut self.counts.failed,
            AttemptResult::Expired => &mut self.counts.expired,
        };
        *count += 1;
        let Some(news) = self.news(attempt, now) else {
            return;
        };
        if self.lines == LINES {
            self.left_out += 1;
            return;
        }
        self.lines += 1;
        let (tenant_id, subscription_id, delivery_id) = (
            attempt.tenant_id,
            attempt.subscription_id,
            attempt.delivery_id,
        );
        let host = attempt.host.as_deref();
        match news {
            News::Fails | News::FailsOtherwise => tracing::info!(
                %tenant_id, %subscription_id, host, %delivery_id, attempt = attempt.attempt + 1,
                http_status = attempt.http_status(), error = attempt.error,
                "{}", match news {
                    News::Fails => "the receiver fails",
                    _ => "the receiver fails in another way",
                }
            ),
            News::WorksAgain { failures, lasted } => tracing::info!(
                %tenant_id, %subscription_id, host, failures, after_seconds = lasted.as_secs(),
                "the receiver works again"
            ),
        }
    }

    fn news(&mut self, attempt: &Attempt, now: Instant) -> Option<News> {
        let id = attempt.subscription_id;
        match attempt.signal {
            EndpointSignal::Success => {
                let failing = self.failing.remove(&id)?;
                Some(News::WorksAgain {
                    failures: failing.failures,
                    lasted: now - failing.since,
                })
            }
            EndpointSignal::Failure => self.failed(attempt, now),
            EndpointSignal::Busy | EndpointSignal::None => None,
        }
    }

    fn failed(&mut self, attempt: &Attempt, now: Instant) -> Option<News> {
        let error = || attempt.error.clone().unwrap_or_default();
        let how = attempt.http_status().ok_or_else(error);
        let id = attempt.subscription_id;
        let Some(failing) = self.failing.get_mut(&id) else {
            if self.failing.len() < MOST_FAILING {
                let failing = Failing {
                    since: now,
                    failures: 1,
                    how,
                    told: now,
                    last: now,
                };
                self.failing.insert(id, failing);
                return Some(News::Fails);
            }
            return None;
        };
        failing.failures += 1;
        failing.last = now;
        if failing.how == how || now < failing.told + INTERVAL {
            return None;
        }
        failing.how = how;
        failing.told = now;
        Some(News::FailsOtherwise)
    }

    /// Sums up, if it is time to and there is something to say. `held`: deliveries in memory; `in_flight`: those of them
    /// whose requests are under way.
    pub fn sum_up(&mut self, held: usize, in_flight: usize, now: Instant) {
        if now < self.summed_up + INTERVAL {
            return;
        }
        self.summed_up = now;
        self.failing
            .retain(|_, failing| now < failing.last + FORGET_AFTER);
        let lines_left_out = std::mem::take(&mut self.left_out);
        self.lines = 0;
        let counts = std::mem::take(&mut self.counts);
        if counts == Counts::default() && held == 0 {
            return;
        }
        tracing::info!(
            delivered = counts.delivered,
            retried = counts.retried,
            failed = counts.failed,
            expired = counts.expired,
            in_flight,
            held,
            failing_receivers = self.failing.len(),
            lines_left_out,
            "deliveries of the last minute"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(signal: EndpointSignal, error: &str) -> Attempt {
        let mut attempt = Attempt::sample(Uuid::nil(), Uuid::nil(), signal);
        attempt.error = Some(error.to_owned()).filter(|error| !error.is_empty());
        attempt
    }

    #[test]
    fn a_receiver_is_told_of_when_it_begins_to_fail_changes_and_works_again() {
        let start = Instant::now();
        let mut log = DeliveryLog::new(start);
        let mut at = |seconds, signal, error: &str| {
            log.news(
                &attempt(signal, error),
                start + Duration::from_secs(seconds),
            )
        };
        use EndpointSignal::{Busy, Failure, Success};
        assert_eq!(at(0, Success, ""), None);
        assert_eq!(at(1, Failure, "refused"), Some(News::Fails));
        assert_eq!(at(2, Failure, "refused"), None);
        assert_eq!(at(3, Failure, "timed out"), None, "not that often");
        assert_eq!(at(61, Failure, "timed out"), Some(News::FailsOtherwise));
        assert_eq!(at(62, Failure, "timed out"), None);
        assert_eq!(at(63, Busy, ""), None);
        let works = News::WorksAgain {
            failures: 5,
            lasted: Duration::from_secs(63),
        };
        assert_eq!(at(64, Success, ""), Some(works));
        assert_eq!(at(65, Success, ""), None);
    }

    #[test]
    fn many_receivers_that_begin_to_fail_at_once_are_summed_up() {
        let now = Instant::now();
        let mut log = DeliveryLog::new(now);
        for n in 0..LINES + 5 {
            let mut attempt = attempt(EndpointSignal::Failure, "refused");
            attempt.subscription_id = Uuid::from_u128(n.into());
            log.on_attempted(&attempt, now);
        }
        assert_eq!((log.lines, log.left_out), (LINES, 5));
        assert_eq!(log.counts.retried, u64::from(LINES) + 5);
        log.sum_up(0, 0, now + INTERVAL);
        assert_eq!((log.lines, log.left_out), (0, 0));
        assert_eq!(log.counts, Counts::default());
    }
}
