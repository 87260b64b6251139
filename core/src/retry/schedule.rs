//! When a delivery is tried again.

use std::time::Duration;

/// Largest part of a delay that jitter adds or takes away, in millionths: 10 %.
const JITTER_PPM: u128 = 100_000;
const PPM: u128 = 1_000_000;

/// The retries after the first attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RetrySchedule {
    /// Each delay is twice the one before.
    Doubling {
        /// 3 means at most 4 requests.
        retries: u32,
        /// Before the first retry.
        first: Duration,
        /// No delay is longer.
        longest: Duration,
    },
    /// A delay for each retry.
    Listed(Vec<Duration>),
}

impl RetrySchedule {
    /// How many retries there are.
    pub fn retries(&self) -> u32 {
        match self {
            Self::Doubling { retries, .. } => *retries,
            Self::Listed(delays) => u32::try_from(delays.len()).unwrap_or(u32::MAX),
        }
    }

    /// The delay after attempt `attempt_number` (the first is 1), ± 10 %: `jitter` is a random number from 0 to 1.
    pub fn delay(&self, attempt_number: u32, jitter: f64) -> Duration {
        let before = attempt_number.saturating_sub(1);
        match self {
            Self::Doubling { first, longest, .. } => {
                let longest = longest.as_nanos();
                // A Duration has less than 2^94 ns: nothing below overflows before it is capped.
                let exact = first.as_nanos().saturating_mul(1 << before.min(127));
                let exact = exact.min(longest);
                Duration::from_nanos_u128(jittered(exact, jitter).min(longest))
            }
            Self::Listed(delays) => {
                let place = usize::try_from(before).unwrap_or(usize::MAX);
                let listed = delays.get(place).or(delays.last());
                let exact = listed.map_or(0, Duration::as_nanos);
                Duration::from_nanos_u128(jittered(exact, jitter).min(Duration::MAX.as_nanos()))
            }
        }
    }
}

/// A Duration has less than 2^94 ns: nothing overflows.
fn jittered(nanoseconds: u128, jitter: f64) -> u128 {
    let jitter = if jitter.is_nan() {
        0.5
    } else {
        jitter.clamp(0.0, 1.0)
    };
    let factor = PPM - JITTER_PPM + (jitter * (2 * JITTER_PPM) as f64) as u128;
    nanoseconds * factor / PPM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_schedule_is_kept_with_jitter_and_without_a_cap() {
        let delays = [5, 300, 36_000].map(Duration::from_secs).to_vec();
        let schedule = RetrySchedule::Listed(delays.clone());
        assert_eq!(schedule.retries(), 3);
        for (n, delay) in (1..).zip(&delays) {
            assert_eq!(schedule.delay(n, 0.5), *delay);
            assert_eq!(schedule.delay(n, 0.0), *delay * 9 / 10);
            assert_eq!(schedule.delay(n, 1.0), *delay * 11 / 10);
        }
        // Nobody asks beyond the end; it would not panic.
        assert_eq!(schedule.delay(u32::MAX, 0.5), delays[2]);
        assert_eq!(
            RetrySchedule::Listed(Vec::new()).delay(1, 1.0),
            Duration::ZERO
        );
        let endless = RetrySchedule::Listed(vec![Duration::MAX]);
        assert_eq!(endless.delay(1, 1.0), Duration::MAX);
    }
}
