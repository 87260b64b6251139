//! Rate limits: a token bucket per subscription, as the generic cell rate algorithm (GCRA), which is one instant.
//!
//! ```text
//!           take             take, of the last token
//!   Full ---------> Partial -------------------------> Empty: take fails, and says when there is a token
//!    ^               |   ^                               |
//!    |     time      |   |          one interval         |
//!    +---------------+   +-------------------------------+
//! ```
//! Who owned a shard before may have emptied the buckets of its subscriptions just then: they are empty at first.

use crate::model::RateLimit;
use std::collections::HashMap;
use std::time::Instant;
use uuid::Uuid;

/// The buckets that are not full.
#[derive(Default)]
pub(super) struct RateLimits {
    /// When each bucket is full again.
    full_at: HashMap<Uuid, Instant>,
    /// Since when each shard is owned.
    owned_since: HashMap<i16, Instant>,
}

impl RateLimits {
    /// These shards are owned from now on.
    pub(super) fn on_acquired(&mut self, shards: &[i16], now: Instant) {
        self.owned_since
            .extend(shards.iter().map(|shard| (*shard, now)));
    }

    /// Takes a token of a subscription of a shard.
    ///
    /// # Errors
    /// When to try again: there is no token before.
    pub(super) fn take(
        &mut self,
        subscription: Uuid,
        shard: i16,
        limit: RateLimit,
        now: Instant,
    ) -> Result<(), Instant> {
        let owned_since = self.owned_since.get(&shard).copied().unwrap_or(now);
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
    pub(super) fn tick(&mut self, now: Instant) {
        self.full_at.retain(|_, full_at| *full_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const ID: Uuid = Uuid::from_u128(1);
    const SHARD: i16 = 1;

    /// Buckets of a shard that is owned since then.
    fn owned_since(since: Instant) -> RateLimits {
        let mut limits = RateLimits::default();
        limits.on_acquired(&[SHARD], since);
        limits
    }

    /// How many requests a busy sender makes within `seconds`, trying whenever it is told to.
    fn sent(limits: &mut RateLimits, limit: RateLimit, from: Instant, seconds: u64) -> usize {
        let (mut now, mut sent) = (from, 0);
        while now < from + Duration::from_secs(seconds) {
            match limits.take(ID, SHARD, limit, now) {
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
            let n = sent(&mut owned_since(quiet), limit, now, seconds);
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
            let n = sent(&mut owned_since(quiet), limit, now, 60);
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
        let limit = RateLimit::new(1.0, Some(3));
        let mut limits = owned_since(now - Duration::from_secs(1000));
        assert_eq!(sent(&mut limits, limit, now, 1), 3);
        let later = now + Duration::from_secs(500);
        assert_eq!(sent(&mut limits, limit, later, 1), 3);
    }

    #[test]
    fn a_raised_limit_counts_at_once() {
        let now = Instant::now() + Duration::from_secs(10_000);
        let mut limits = owned_since(now);
        let slow = RateLimit::new(1.0, Some(3600));
        assert!(limits.take(ID, SHARD, slow, now).is_err());
        let later = now + Duration::from_secs(1);
        let fast = RateLimit::new(50.0, None);
        assert!(sent(&mut limits, fast, later, 1) >= 48);
    }

    #[test]
    fn a_new_owner_begins_with_an_empty_bucket() {
        let now = Instant::now() + Duration::from_secs(1000);
        let limit = RateLimit::new(10.0, Some(100));
        let mut limits = owned_since(now);
        assert!(limits.take(ID, SHARD, limit, now).is_err());
        let n = sent(&mut limits, limit, now, 10);
        assert!((99..=100).contains(&n), "{n}");
    }

    proptest! {
        /// Whenever somebody tries: in no span of time are there more requests than a full bucket and the rate allow.
        #[test]
        fn no_span_of_time_has_more_than_a_bucket_and_the_rate(
            interval_ms in 1_u64..500,
            burst in 1_u32..20,
            pauses_ms in prop::collection::vec(0_u64..300, 1..200),
        ) {
            let limit = RateLimit { interval: Duration::from_millis(interval_ms), burst };
            let mut now = Instant::now() + Duration::from_secs(1000);
            let mut limits = owned_since(now - Duration::from_secs(500));
            let mut sent: Vec<Instant> = Vec::new();
            for pause in pauses_ms {
                now += Duration::from_millis(pause);
                match limits.take(ID, SHARD, limit, now) {
                    Ok(()) => sent.push(now),
                    Err(at) => {
                        prop_assert!(at > now && at <= now + limit.interval);
                        let mut then = RateLimits {
                            full_at: limits.full_at.clone(),
                            owned_since: limits.owned_since.clone(),
                        };
                        prop_assert_eq!(then.take(ID, SHARD, limit, at), Ok(()));
                    }
                }
                limits.tick(now);
                for (n, first) in sent.iter().rev().enumerate() {
                    let most = burst + ((now - *first).as_millis() as u64 / interval_ms) as u32;
                    prop_assert!((n as u32) < most, "{} within {:?}", n + 1, now - *first);
                }
            }
        }
    }
}
