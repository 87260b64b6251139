//! Rate limits: a token bucket per subscription, as the generic cell rate algorithm (GCRA), which is one instant.

use crate::model::RateLimit;
use std::collections::HashMap;
use std::time::Instant;
use uuid::Uuid;

/// The buckets that are not full.
#[derive(Default)]
pub struct RateLimits {
    /// When each bucket is full again.
    full_at: HashMap<Uuid, Instant>,
}

impl RateLimits {
    /// Takes a token, or says when there is one. `owned_since`: who delivered before may have emptied the bucket just
    /// then, so the limit holds also across owners.
    ///
    /// # Errors
    /// When to try again.
    pub fn take(
        &mut self,
        subscription: Uuid,
        limit: RateLimit,
        owned_since: Instant,
        now: Instant,
    ) -> Result<(), Instant> {
        let empty_then = owned_since + limit.bucket();
        let full_at = self.full_at.entry(subscription).or_insert(empty_then);
        // A limit that was raised counts at once: no bucket is emptier than empty.
        *full_at = (*full_at)
            .min(now + limit.bucket())
            .max(empty_then)
            .max(now);
        let next = *full_at + limit.interval;
        let allowed_at = next.checked_sub(limit.bucket()).unwrap_or(now);
        if now < allowed_at {
            return Err(allowed_at);
        }
        *full_at = next;
        Ok(())
    }

    /// Forgets buckets that are full.
    pub fn tick(&mut self, now: Instant) {
        self.full_at.retain(|_, full_at| *full_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const ID: Uuid = Uuid::from_u128(1);

    /// How many requests a busy sender makes within `seconds`, trying whenever it is told to.
    fn sent(
        limits: &mut RateLimits,
        limit: RateLimit,
        since: Instant,
        from: Instant,
        seconds: u64,
    ) -> usize {
        let (mut now, mut sent) = (from, 0);
        while now < from + Duration::from_secs(seconds) {
            match limits.take(ID, limit, since, now) {
                Ok(()) => sent += 1,
                Err(at) => {
                    assert!(at > now);
                    now = at;
                }
            }
            limits.tick(now);
        }
        sent
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let now = Instant::now() + Duration::from_secs(1000);
        let quiet = now - Duration::from_secs(1000);
        for (rate, burst, seconds, expected) in [
            (10.0, Some(5), 10, 5 + 100 - 1),
            (10.0, None, 10, 10 + 100 - 1),
            (0.5, None, 10, 5),
            (2.0, Some(1), 10, 20),
        ] {
            let limit = RateLimit::new(rate, burst);
            let n = sent(&mut RateLimits::default(), limit, quiet, now, seconds);
            assert!(n.abs_diff(expected) <= 1, "{rate} {burst:?}: {n}");
        }
    }

    #[test]
    fn what_a_receiver_allows_is_kept_within_a_minute() {
        let now = Instant::now() + Duration::from_secs(100_000);
        let quiet = now - Duration::from_secs(100_000);
        for (per_minute, own, at_least) in [
            (100, None, 99),
            (1, None, 1),
            (6000, None, 5990),
            (60, Some(RateLimit::new(100.0, Some(1000))), 59),
            (60, Some(RateLimit::new(0.5, Some(1000))), 59),
            (60, Some(RateLimit::new(0.5, None)), 30),
        ] {
            let limit = RateLimit::allowed(per_minute, own);
            let n = sent(&mut RateLimits::default(), limit, quiet, now, 60);
            assert!(
                n >= at_least && n <= per_minute as usize + per_minute as usize / 600 + 1,
                "{per_minute} {own:?}: {n}"
            );
        }
        assert_eq!(RateLimit::new(0.5, None).per_minute(), 30);
        assert_eq!(RateLimit::new(0.001, None).per_minute(), 1);
    }

    #[test]
    fn quiet_time_fills_the_bucket_and_no_more() {
        let now = Instant::now() + Duration::from_secs(1000);
        let quiet = now - Duration::from_secs(1000);
        let limit = RateLimit::new(1.0, Some(3));
        let mut limits = RateLimits::default();
        assert_eq!(sent(&mut limits, limit, quiet, now, 1), 3);
        let later = now + Duration::from_secs(500);
        assert_eq!(sent(&mut limits, limit, quiet, later, 1), 3);
    }

    #[test]
    fn a_raised_limit_counts_at_once() {
        let now = Instant::now() + Duration::from_secs(10_000);
        let mut limits = RateLimits::default();
        let slow = RateLimit::new(1.0, Some(3600));
        assert!(limits.take(ID, slow, now, now).is_err());
        let later = now + Duration::from_secs(1);
        let fast = RateLimit::new(50.0, None);
        assert!(sent(&mut limits, fast, now, later, 1) >= 48);
    }

    #[test]
    fn a_new_owner_begins_with_an_empty_bucket() {
        let now = Instant::now() + Duration::from_secs(1000);
        let limit = RateLimit::new(10.0, Some(100));
        let mut limits = RateLimits::default();
        assert!(limits.take(ID, limit, now, now).is_err());
        let n = sent(&mut limits, limit, now, now, 10);
        assert!((99..=100).contains(&n), "{n}");
    }
}
