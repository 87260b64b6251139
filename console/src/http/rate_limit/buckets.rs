//! Token buckets, as the generic cell rate algorithm keeps them: of each only the time at which it is full again. A
//! bucket that is full is as one that there is not, so that it need not be kept.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Buckets that are kept, some MiB. More are there only while as many clients are at work within a minute.
const MOST: usize = 100_000;
/// Between looks for buckets that are full again, when there are too many.
const SWEEP: Duration = Duration::from_secs(1);

/// A bucket for each key.
pub struct Buckets<K> {
    /// For one request, and for all of a full bucket.
    interval: Duration,
    window: Duration,
    kept: Mutex<Kept<K>>,
}

struct Kept<K> {
    full_at: HashMap<K, Instant>,
    swept_at: Option<Instant>,
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
                full_at: HashMap::new(),
                swept_at: None,
            }),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept<K>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the key has a bucket.
    pub fn has(&self, key: &K) -> bool {
        self.kept().full_at.contains_key(key)
    }

    /// Takes one request out of the bucket of a key.
    pub fn take(&self, key: K, now: Instant) -> Level {
        let mut kept = self.kept();
        let known = kept.full_at.get(&key).copied();
        if known.is_none() && !kept.has_room(now) {
            // As if all that are too many had one bucket, which is empty.
            return self.empty(self.window);
        }
        let full_in = known.map_or(Duration::ZERO, |at| at.saturating_duration_since(now));
        if full_in + self.interval > self.window {
            return self.empty(full_in);
        }
        let full_in = full_in + self.interval;
        kept.full_at.insert(key, now + full_in);
        Level {
            left: self.requests(self.window - full_in),
            full_in,
            wait: None,
        }
    }

    /// Puts a request back.
    pub fn give_back(&self, key: &K, now: Instant) {
        if let Some(full_at) = self.kept().full_at.get_mut(key) {
            *full_at = full_at.checked_sub(self.interval).unwrap_or(now);
        }
    }

    fn empty(&self, full_in: Duration) -> Level {
        let wait = (full_in + self.interval).saturating_sub(self.window);
        Level {
            left: 0,
            full_in,
            wait: Some(wait),
        }
    }

    fn requests(&self, time: Duration) -> u64 {
        let requests = time.as_nanos() / self.interval.as_nanos().max(1);
        u64::try_from(requests).unwrap_or(u64::MAX)
    }
}

impl<K: Eq + Hash> Kept<K> {
    /// Whether there is room for one more, after a look for those that are full again.
    fn has_room(&mut self, now: Instant) -> bool {
        if self.full_at.len() >= MOST && self.swept_at.is_none_or(|at| now - at >= SWEEP) {
            self.full_at.retain(|_, full_at| *full_at > now);
            self.swept_at = Some(now);
        }
        self.full_at.len() < MOST
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
    fn buckets_are_bounded_and_make_room_when_they_are_full() {
        let buckets = Buckets::new(SECOND, 3 * SECOND);
        let now = Instant::now();
        for key in 0..MOST {
            assert_eq!(buckets.take(key, now).wait, None);
        }
        assert!(buckets.take(MOST, now).wait.is_some());
        assert_eq!(buckets.kept().full_at.len(), MOST);
        // Who is there already is not in the way of the others.
        assert_eq!(buckets.take(0, now).wait, None);
        assert_eq!(buckets.take(MOST, now + 4 * SECOND).wait, None);
        assert_eq!(buckets.kept().full_at.len(), 1);
    }
}
