//! What an answer asks of everything that goes to its receiver, not of one delivery alone.

use super::Outcome;
use std::time::Duration;

/// How the receiver wants to be spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// It said how long to make no request: Retry-After (CloudEvents' http-webhook 2.2, Standard Webhooks).
    Wait(Duration),
    /// It has too much to do, and did not say for how long.
    SlowDown,
}

impl Throttle {
    /// What an outcome asks for. A Retry-After of more than `cap` counts as `cap`.
    pub fn of(outcome: &Outcome, cap: Duration) -> Option<Self> {
        let Outcome::Response {
            status,
            retry_after,
        } = outcome
        else {
            return None;
        };
        match (status, retry_after) {
            (429 | 502 | 503 | 504, Some(asked)) if !asked.is_zero() => {
                Some(Self::Wait((*asked).min(cap)))
            }
            (429 | 502 | 504, _) => Some(Self::SlowDown),
            _ => None,
        }
    }

    /// Whether the receiver works, and only wants less: then the answer is no failure of the receiver.
    pub fn is_of_a_working_receiver(self, status: u16) -> bool {
        status == 429 || matches!(self, Self::Wait(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_to_wait_and_who_is_only_slow() {
        let cap = Duration::from_secs(3600);
        let of = |status, seconds: Option<u64>| {
            let retry_after = seconds.map(Duration::from_secs);
            Throttle::of(
                &Outcome::Response {
                    status,
                    retry_after,
                },
                cap,
            )
        };
        for status in [429, 502, 503, 504] {
            let asked = Some(Throttle::Wait(Duration::from_secs(90)));
            assert_eq!(of(status, Some(90)), asked, "{status}");
            let most = Some(Throttle::Wait(cap));
            assert_eq!(of(status, Some(u64::MAX)), most, "{status}");
        }
        for status in [429, 502, 504] {
            assert_eq!(of(status, None), Some(Throttle::SlowDown), "{status}");
            // A date that has passed says no more.
            assert_eq!(of(status, Some(0)), Some(Throttle::SlowDown), "{status}");
        }
        for status in [200, 301, 400, 404, 410, 413, 500, 503] {
            assert_eq!(of(status, None), None, "{status}");
        }
        for status in [200, 301, 400, 404, 410, 413, 500] {
            assert_eq!(of(status, Some(90)), None, "{status}");
        }
        assert_eq!(Throttle::of(&Outcome::Timeout, cap), None);
        assert!(Throttle::SlowDown.is_of_a_working_receiver(429));
        assert!(Throttle::Wait(cap).is_of_a_working_receiver(503));
        assert!(!Throttle::SlowDown.is_of_a_working_receiver(502));
    }
}
