//! What an answer asks of everything that goes to its receiver, not of one delivery alone.

use super::Outcome;
use std::time::Duration;

/// How the receiver wants to be spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throttle {
    /// It said how long to make no request: Retry-After (CloudEvents' http-webhook 2.2, Standard Webhooks).
    Wait(Duration),
    /// It got too many, and did not say for how long to make none: 429.
    TooMany,
    /// It, or what is before it, may have too much to do: 502, 504.
    Overloaded,
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
        let asked = retry_after.map(|asked| asked.min(cap));
        match (status, asked) {
            (429 | 502 | 503 | 504, Some(asked)) if !asked.is_zero() => Some(Self::Wait(asked)),
            (429, _) => Some(Self::TooMany),
            (502 | 504, _) => Some(Self::Overloaded),
            _ => None,
        }
    }

    /// Whether the receiver works, and only wants less: then the answer is no failure of the receiver.
    pub fn is_of_a_working_receiver(self) -> bool {
        match self {
            Self::Wait(_) | Self::TooMany => true,
            Self::Overloaded => false,
        }
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
        for (status, slower) in [
            (429, Throttle::TooMany),
            (502, Throttle::Overloaded),
            (504, Throttle::Overloaded),
        ] {
            assert_eq!(of(status, None), Some(slower), "{status}");
            // A date that has passed says no more.
            assert_eq!(of(status, Some(0)), Some(slower), "{status}");
        }
        // Nobody may ask for a time.
        let too_many = Outcome::Response {
            status: 429,
            retry_after: Some(cap),
        };
        assert_eq!(
            Throttle::of(&too_many, Duration::ZERO),
            Some(Throttle::TooMany)
        );
        for status in [200, 301, 400, 404, 410, 413, 500, 503] {
            assert_eq!(of(status, None), None, "{status}");
        }
        for status in [200, 301, 400, 404, 410, 413, 500] {
            assert_eq!(of(status, Some(90)), None, "{status}");
        }
        assert_eq!(Throttle::of(&Outcome::Timeout, cap), None);
        assert!(Throttle::Wait(cap).is_of_a_working_receiver());
        assert!(Throttle::TooMany.is_of_a_working_receiver());
        assert!(!Throttle::Overloaded.is_of_a_working_receiver());
    }
}
