//! The lease: until when the database can't have given the owned shards to another sidecar, and results that wait to
//! know whether they count.
//!
//! ```text
//!            the server answers                 no other answer for long
//!   Lost ------------------------> Valid ---------------------------------> Expired
//!    ^ ^                            |  ^                                     |   |
//!    | |    the session ended       |  |         the server answers          |   |
//!    | +----------------------------+  +-------------------------------------+   |
//!    +---------------------------------------------------------------------------+
//! ```
//! While the lease is not valid, nothing is sent. While it is expired, failures wait: this process stood still, or the
//! server does not answer, so that others may own the shards by now.

use std::time::{Duration, Instant};

/// Results wait as `T`.
pub struct Lease<T> {
    length: Duration,
    state: State,
    waiting: Vec<T>,
}

#[derive(Clone, Copy)]
enum State {
    Lost,
    /// Valid until then, and expired from then on.
    Held {
        until: Instant,
    },
}

impl<T> Lease<T> {
    /// The server ends a session that it has not heard of for this long.
    pub fn new(length: Duration) -> Self {
        Self {
            length,
            state: State::Lost,
            waiting: Vec::new(),
        }
    }

    /// The server answered what it was asked at this time: then the session was alive.
    pub fn on_answer(&mut self, asked: Instant) {
        // The rest is for clocks that do not run alike, and for what is under way to this process.
        let until = asked + self.length * 2 / 3;
        self.state = State::Held { until };
    }

    /// The session ended, and with it the lease.
    pub fn on_lost(&mut self) {
        self.state = State::Lost;
    }

    /// Whether the shards are certainly still owned.
    pub fn is_valid(&self, now: Instant) -> bool {
        matches!(self.state, State::Held { until } if now < until)
    }

    /// Whether it is not known who owns the shards.
    pub fn is_expired(&self, now: Instant) -> bool {
        matches!(self.state, State::Held { until } if now >= until)
    }

    /// Keeps a result until it is known.
    pub fn wait(&mut self, result: T) {
        self.waiting.push(result);
    }

    /// Takes out the results that waited, if it is known.
    pub fn take_settled(&mut self, now: Instant) -> Vec<T> {
        match self.is_expired(now) {
            true => Vec::new(),
            false => std::mem::take(&mut self.waiting),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_lease_is_valid_expires_and_is_lost() {
        let now = Instant::now();
        let mut lease = Lease::<()>::new(SECOND * 30);
        let at = |seconds| now + SECOND * seconds;
        let state = |lease: &Lease<()>, seconds| {
            (lease.is_valid(at(seconds)), lease.is_expired(at(seconds)))
        };
        assert_eq!(state(&lease, 0), (false, false), "before the first answer");
        lease.on_answer(now);
        assert_eq!(state(&lease, 19), (true, false));
        assert_eq!(state(&lease, 20), (false, true));
        lease.on_answer(at(20));
        assert_eq!(state(&lease, 39), (true, false));
        lease.on_lost();
        assert_eq!(state(&lease, 39), (false, false));
    }

    #[test]
    fn results_wait_until_it_is_known_who_owns_the_shards() {
        let now = Instant::now();
        for is_lost in [false, true] {
            let mut lease = Lease::new(SECOND * 30);
            lease.on_answer(now);
            let expired = now + SECOND * 20;
            lease.wait(1);
            lease.wait(2);
            assert_eq!(lease.take_settled(expired), [0; 0]);
            match is_lost {
                true => lease.on_lost(),
                false => lease.on_answer(expired),
            }
            assert_eq!(lease.take_settled(expired), [1, 2]);
            assert_eq!(lease.take_settled(expired), [0; 0]);
        }
    }
}
