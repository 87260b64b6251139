//! Meters: what tenants with limits publish and have outstanding, in memory that all sessions of a database share.
//!
//! Made of atomics alone, and all zero to begin with, so that it can lie in memory that processes map: a session never
//! waits for another one, and what one took counts at once, whatever becomes of its transaction.
//!
//! Events per minute are a token bucket of one minute's events, kept as one number, the time at which it will be full again
//! (the generic cell rate algorithm, ITU-T I.371).

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// How many meters there should be: tenants that can be busy at once. Of more than that some are not limited.
pub const METERS: usize = 16_384;
/// How far from its place a tenant's meter may lie.
const PROBES: usize = 16;
/// Times are in nanoseconds.
const MINUTE: i64 = 60_000_000_000;
const SECOND: i64 = 1_000_000_000;
const MILLISECOND: i64 = 1_000_000;
/// How much longer a count is used than it took: counting takes 2 % of the time at the most.
const USED_FOR: i64 = 50;
/// How long one delivery below the limit lets a count be used: nobody queues 20,000 a second for long.
const PER_DELIVERY: i64 = 50_000;

/// One meter for each tenant that is or was busy.
#[derive(Debug, Clone, Copy)]
pub struct Meters<'a>(pub &'a [Meter]);

/// The meter of one tenant. All zero: nobody's.
#[derive(Debug, Default)]
#[repr(C)]
pub struct Meter {
    /// Whose; 0: nobody's.
    key: AtomicU64,
    /// When the bucket will be full.
    full_at: AtomicI64,
    /// The limit that `full_at` is about.
    per_minute: AtomicI64,
    /// The last count of outstanding deliveries, until when it is used, and the limit it was made for.
    outstanding: AtomicI64,
    counted_until: AtomicI64,
    counted_for: AtomicI64,
}

/// What is known of a tenant's outstanding deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outstanding {
    /// So many, not long ago.
    Known(i64),
    /// It is the caller's turn to count, and to say it with [`Meter::know`].
    Unknown,
}

impl<'a> Meters<'a> {
    /// A tenant's meter.
    ///
    /// Returns: `None` if others use all that it could have.
    #[must_use]
    pub fn meter(self, tenant: u128, now: i64) -> Option<&'a Meter> {
        let key = key(tenant);
        let start = key as usize % self.0.len().max(1);
        let places = || self.0[start..].iter().chain(self.0).take(PROBES);
        let known = places()
            .take_while(|m| m.key.load(Relaxed) != 0)
            .find(|m| m.key.load(Relaxed) == key);
        known.or_else(|| places().find(|m| m.claim(key, now)))
    }
}

impl Meter {
    /// Makes a meter that says nothing any more this tenant's.
    fn claim(&self, key: u64, now: i64) -> bool {
        let owner = self.key.load(Relaxed);
        if owner == key {
            return true;
        }
        let idle = self.full_at.load(Relaxed) <= now && self.counted_until.load(Relaxed) <= now;
        if owner != 0 && !idle {
            return false;
        }
        match self.key.compare_exchange(owner, key, Relaxed, Relaxed) {
            Ok(_) => {
                self.per_minute.store(0, Relaxed);
                self.outstanding.store(0, Relaxed);
                self.counted_for.store(0, Relaxed);
                true
            }
            Err(other) => other == key,
        }
    }

    /// Takes events out of the bucket, all or none.
    ///
    /// # Errors
    /// When there are not enough: in how many nanoseconds there will be, or `None` if never, since there are more than a
    /// minute's.
    pub fn take(&self, events: i64, per_minute: i64, now: i64) -> Result<(), Option<i64>> {
        self.rescale(per_minute, now);
        let cost = cost(events, per_minute);
        if cost > MINUTE {
            return Err(None);
        }
        let mut old = self.full_at.load(Relaxed);
        loop {
            let new = missing(old, now) + cost;
            if new > MINUTE {
                return Err(Some(new - MINUTE));
            }
            match self
                .full_at
                .compare_exchange_weak(old, now + new, Relaxed, Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(other) => old = other,
            }
        }
    }

    /// Gives back events that were taken within this limit.
    pub fn give_back(&self, events: i64, per_minute: i64) {
        self.full_at.fetch_sub(cost(events, per_minute), Relaxed);
    }

    /// How many events the bucket lacks.
    #[must_use]
    pub fn taken(&self, per_minute: i64, now: i64) -> i64 {
        self.rescale(per_minute, now);
        let interval = (MINUTE / per_minute.max(1)).max(1);
        (missing(self.full_at.load(Relaxed), now) + interval - 1) / interval
    }

    /// A bucket that another limit made keeps what was taken: in events, not in time.
    fn rescale(&self, per_minute: i64, now: i64) {
        let before = self.per_minute.load(Relaxed);
        if before == per_minute
            || self
                .per_minute
                .compare_exchange(before, per_minute, Relaxed, Relaxed)
                .is_err()
            || before == 0
        {
            return;
        }
        let _ = self.full_at.fetch_update(Relaxed, Relaxed, |full_at| {
            let missing = i128::from(missing(full_at, now)) * i128::from(before)
                / i128::from(per_minute.max(1));
            Some(now + i64::try_from(missing).map_or(MINUTE, |m| m.min(MINUTE)))
        });
    }

    /// What is known of the outstanding deliveries.
    #[must_use]
    pub fn outstanding(&self, limit: i64, now: i64) -> Outstanding {
        let until = self.counted_until.load(Relaxed);
        let is_used = until > now && until <= now + MINUTE;
        let turn = (!is_used || self.counted_for.load(Relaxed) != limit)
            && self
                .counted_until
                // Until it is counted the others go by what was.
                .compare_exchange(until, now + SECOND, Relaxed, Relaxed)
                .is_ok();
        if turn {
            self.counted_for.store(limit, Relaxed);
            return Outstanding::Unknown;
        }
        Outstanding::Known(self.outstanding.load(Relaxed))
    }

    /// Lets another one count whose turn it was.
    pub fn pass(&self) {
        self.counted_until.store(0, Relaxed);
    }

    /// Says how many deliveries are outstanding, and how long it took to count them.
    pub fn know(&self, outstanding: i64, limit: i64, took: i64, now: i64) {
        let below = (limit - outstanding).max(0).saturating_mul(PER_DELIVERY);
        let used_for = took.saturating_mul(USED_FOR).max(below);
        self.outstanding.store(outstanding, Relaxed);
        self.counted_for.store(limit, Relaxed);
        self.counted_until
            .store(now + used_for.clamp(MILLISECOND, MINUTE), Relaxed);
    }
}

/// In how long a bucket will be full. Never more than a minute: then the clock was set back.
fn missing(full_at: i64, now: i64) -> i64 {
    match full_at.saturating_sub(now) {
        missing @ 0..=MINUTE => missing,
        _ => 0,
    }
}

/// In how long so many events come back.
fn cost(events: i64, per_minute: i64) -> i64 {
    (MINUTE / per_minute.max(1)).max(1).saturating_mul(events)
}

/// Never 0.
fn key(tenant: u128) -> u64 {
    // The finalizer of SplitMix64: tenants' ids may differ in a few bits only.
    let mut key = (tenant >> 64) as u64 ^ (tenant as u64).rotate_left(32);
    key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (key ^ (key >> 31)).max(1)
}

#[cfg(test)]
mod tests;
