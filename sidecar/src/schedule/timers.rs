//! Timers: when subscriptions are to be looked at again, since a rate allows a request, a breaker lets a probe through,
//! a receiver's pause ends, or a receiver may be asked.

use std::collections::BTreeSet;
use std::time::Instant;
use uuid::Uuid;

/// Times with the subscriptions that they are set for.
#[derive(Default)]
pub(super) struct Timers(BTreeSet<(Instant, Uuid)>);

impl Timers {
    pub(super) fn set(&mut self, at: Instant, subscription: Uuid) {
        self.0.insert((at, subscription));
    }

    /// Nothing is due before this time; `None`: no timer is set.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes out a timer that is due.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Uuid> {
        let (at, subscription) = self.0.first().copied()?;
        (at <= now).then(|| {
            self.0.pop_first();
            subscription
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn timers_are_due_in_order_and_once() {
        let (mut timers, now) = (Timers::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        let [one, two] = [1, 2].map(Uuid::from_u128);
        for (at, id) in [(later, one), (now, two), (later, one)] {
            timers.set(at, id);
        }
        assert_eq!(timers.next(), Some(now));
        assert_eq!(timers.take_due(now), Some(two));
        assert_eq!(timers.take_due(now), None);
        assert_eq!(timers.next(), Some(later));
        assert_eq!(timers.take_due(later), Some(one));
        assert_eq!((timers.next(), timers.take_due(later)), (None, None));
    }
}
