//! Token buckets, as the generic cell rate algorithm keeps them: of each only the time at which it is full again. A
//! bucket that is full is as one that there is not, so that it need not be kept.
//!
//! Memory is bounded, and nobody is refused for what others do: of too many buckets those are forgotten that nobody
//! wanted to take from for the longest time, and are full for who comes next.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Buckets in a generation. There are two: some MiB.
const GENERATION: usize = 50_000;

/// A bucket for each key.
pub struct Buckets<K> {
    /// For one request, and for all of a full bucket.
    interval: Duration,
    window: Duration,
    kept: Mutex<Kept<K>>,
}

/// When each bucket is full again: those that were asked for since the newer generation began, and in the one
/// before.
struct Kept<K> {
    newer: HashMap<K, Instant>,
    older: HashMap<K, Instant>,
}

/// What is left in a bucket.
#[derive(Debug, PartialEq, Eq)]
pub struct Level {
    pub left: u64,
    /// Until it is full again.
    pub full_in: Duration,
    /// `Some`: nothing was taken, since it is empty; there is something to take after so long.
    pub wait: Option<Duration>,
}

impl<K: Eq + Hash> Buckets<K> {
    /// A full bucket has as many requests as there are intervals in a window.
    pub fn new(interval: Duration, window: Duration) -> Self {
        Self {
            interval,
            window,
            kept: Mutex::new(Kept {
                newer: HashMap::new(),
                older: HashMap::new(),
            }),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<K>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the key has a bucket.
    pub fn has(&self, key: &K) -> bool {
        self.kept().full_at(key).is_some()
    }

    /// Takes one request out of the bucket of a key.
    pub fn take(&self, key: K, now: Instant) -> Level {
        let mut kept = self.kept();
        let known = kept.full_at(&key);
        let full_in = known.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if full_in + self.interval > self.window {
            // Who goes on is not forgotten.
            kept.keep(key, now + full_in);
            let wait = (full_in + self.interval).saturating_sub(self.window);
            return Level {
                left: 0,
                full_in,
                wait: Some(wait),
            };
        }
        let full_in = full_in + self.interval;
        kept.keep(key, now + full_in);
        Level {
            left: self.requests(self.window - full_in),
            full_in,
            wait: None,
        }
    }

    /// Puts a request back.
    pub fn give_back(&self, key: &K, now: Instant) {
        if let Some(full_at) = self.kept().full_at_mut(key) {
            *full_at = full_at.checked_sub(self.interval).unwrap_or(now);
        }
    }

    fn requests(&self, time: Duration) -> u64 {
        let requests = time.as_nanos() / self.interval.as_nanos().max(1);
        u64::try_from(requests).unwrap_or(u64::MAX)
    }
}

impl<K: Eq + Hash> Kept<K> {
    fn full_at(&self, key: &K) -> Option<Instant> {
        self.newer.get(key).or_else(|| self.older.get(key)).copied()
    }

    fn full_at_mut(&mut self, key: &K) -> Option<&mut Instant> {
        let newer = self.newer.get_mut(key);
        newer.or_else(|| self.older.get_mut(key))
    }

    fn keep(&mut self, key: K, full_at: Instant) {
        if self.newer.len() >= GENERATION && !self.newer.contains_key(&key) {
            self.older = mem::take(&mut self.newer);
        }
        self.newer.insert(key, full_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let buckets = Buckets::new(SECOND, 3 * SECOND);
        let now = Instant::now();
        assert!(!buckets.has(&"a"));
        for left in [2, 1, 0] {
            let level = buckets.take("a", now);
            assert_eq!((level.left, level.wait), (left, None));
        }
        let refused = buckets.take("a", now);
        assert_eq!(refused.wait, Some(SECOND));
        assert_eq!(refused.full_in, 3 * SECOND);
        // Others have their own.
        assert_eq!(buckets.take("b", now).left, 2);
        // A refusal takes nothing.
        assert_eq!(buckets.take("a", now + SECOND).wait, None);
        assert_eq!(buckets.take("a", now + SECOND).wait, Some(SECOND));
        assert_eq!(buckets.take("a", now + 9 * SECOND).left, 2);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let buckets = Buckets::new(SECOND, SECOND);
        let now = Instant::now();
        assert_eq!(buckets.take("a", now).wait, None);
        buckets.give_back(&"a", now);
        assert_eq!(buckets.take("a", now).wait, None);
        assert_eq!(buckets.take("a", now).wait, Some(SECOND));
    }

    #[test]
    fn buckets_are_bounded_and_nobody_is_refused_for_others() {
        let buckets = Buckets::new(SECOND, SECOND);
        let now = Instant::now();
        assert_eq!(buckets.take(usize::MAX, now).wait, None);
        for key in 0..3 * GENERATION {
            assert_eq!(buckets.take(key, now).wait, None, "{key}");
            if key % 1000 == 0 {
                assert!(buckets.take(usize::MAX, now).wait.is_some());
            }
        }
        let kept = buckets.kept();
        assert!(kept.newer.len() <= GENERATION && kept.older.len() <= GENERATION);
    }
}
