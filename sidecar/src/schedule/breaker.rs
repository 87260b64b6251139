//! Circuit breakers: after so many failures in a row a subscription's deliveries wait, without using up attempts,
//! while now and then one of them probes the receiver.
//!
//! ```text
//!            so many failures in a row            the cooldown is over
//!   Closed ----------------------------> Open -------------------------> HalfOpen: one probe at a time
//!     ^                                   ^                                |   |
//!     |              success              |             failure            |   |
//!     |                                   +--------------------------------+   |
//!     +------------------------------------------------------------------------+
//! ```

use crate::model::{BreakerChange, BreakerPolicy, FailureSeries};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// A series of failures this long is remembered in the database: it may lead to the subscription being disabled.
/// Shorter ones come and go, and would cost a write each.
const WORTH_RECORDING: u32 = 3;

/// A series of failures without a success.
#[derive(Debug)]
struct Failing {
    shard: i16,
    /// When the series was first seen here, and how old it was then.
    seen: Instant,
    age: Duration,
    failures: u32,
    /// Those that happened here: a time when nobody tried must not count as a time of failures.
    seen_here: u32,
    /// The database knows of it.
    is_recorded: bool,
    /// Open until then, half-open from then on.
    open_until: Option<Instant>,
}

impl Failing {
    fn lasts(&self, now: Instant) -> Duration {
        self.age + now.saturating_duration_since(self.seen)
    }
}

/// Whether a delivery may be taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// As many as there is room for.
    Free,
    /// Half-open: one at a time.
    Probe,
    Refused,
}

/// The series of failures of all subscriptions that have one.
#[derive(Default)]
pub(super) struct Breakers {
    failing: HashMap<Uuid, Failing>,
}

impl Breakers {
    /// Takes over what the database knows, unless more is known here.
    pub(super) fn on_loaded(&mut self, subscription: Uuid, shard: i16, series: &FailureSeries) {
        self.failing.entry(subscription).or_insert(Failing {
            shard,
            seen: series.seen,
            age: series.age,
            failures: WORTH_RECORDING,
            seen_here: 0,
            is_recorded: true,
            open_until: series.open_until,
        });
    }

    /// Forgets those for which `keep` is false.
    pub(super) fn retain(&mut self, keep: impl Fn(Uuid, i16) -> bool) {
        self.failing.retain(|id, failing| keep(*id, failing.shard));
    }

    /// Whether deliveries may be taken now.
    pub(super) fn admission(&self, subscription: Uuid, now: Instant) -> Admission {
        match self.failing.get(&subscription).map(|f| f.open_until) {
            Some(Some(until)) if now < until => Admission::Refused,
            Some(Some(_)) => Admission::Probe,
            _ => Admission::Free,
        }
    }

    /// Subscriptions whose breaker is open or half-open.
    pub(super) fn open(&self) -> impl Iterator<Item = Uuid> {
        self.failing
            .iter()
            .filter(|(_, failing)| failing.open_until.is_some())
            .map(|(id, _)| *id)
    }

    /// Subscriptions with a series of failures.
    pub(super) fn failing(&self) -> impl Iterator<Item = Uuid> {
        self.failing.keys().copied()
    }

    /// For how long there were nothing but failures, if they are worth counting.
    pub(super) fn failing_for(&self, subscription: Uuid, now: Instant) -> Option<Duration> {
        let failing = self.failing.get(&subscription)?;
        (failing.seen_here >= WORTH_RECORDING).then(|| failing.lasts(now))
    }

    /// A request succeeded. Returns what is to be recorded.
    pub(super) fn on_success(&mut self, subscription: Uuid) -> Option<BreakerChange> {
        let ended = self.failing.remove(&subscription)?;
        let was_open = ended.open_until.is_some();
        ended
            .is_recorded
            .then_some(BreakerChange::Closed { was_open })
    }

    /// A request failed. Returns what is to be recorded.
    pub(super) fn on_failure(
        &mut self,
        subscription: Uuid,
        shard: i16,
        policy: BreakerPolicy,
        now: Instant,
    ) -> Option<BreakerChange> {
        let failing = self.failing.entry(subscription).or_insert(Failing {
            shard,
            seen: now,
            age: Duration::ZERO,
            failures: 0,
            seen_here: 0,
            is_recorded: false,
            open_until: None,
        });
        failing.failures = failing.failures.saturating_add(1);
        failing.seen_here = failing.seen_here.saturating_add(1);
        let failing_for = failing.lasts(now);
        let opens = match failing.open_until {
            // A request that was under way when it opened says nothing new; a probe does.
            Some(until) => now >= until,
            None => policy.threshold > 0 && failing.failures >= policy.threshold,
        };
        if opens {
            let was_open = failing.open_until.is_some();
            failing.is_recorded = true;
            failing.open_until = Some(now + policy.cooldown);
            return Some(BreakerChange::Open {
                failing_for,
                probe_in: policy.cooldown,
                was_open,
            });
        }
        if !failing.is_recorded && failing.failures >= WORTH_RECORDING {
            failing.is_recorded = true;
            return Some(BreakerChange::Failing { failing_for });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        threshold: 5,
        cooldown: Duration::from_secs(60),
    };
    const ID: Uuid = Uuid::from_u128(1);

    fn fail(breakers: &mut Breakers, times: u32, now: Instant) -> Vec<Option<BreakerChange>> {
        (0..times)
            .map(|_| breakers.on_failure(ID, 1, POLICY, now))
            .collect()
    }

    #[test]
    fn opens_probes_and_closes() {
        let (mut breakers, now) = (Breakers::default(), Instant::now());
        let changes = fail(&mut breakers, 5, now);
        let failing_for = Duration::ZERO;
        assert_eq!(changes[..2], [None, None]);
        assert_eq!(changes[2], Some(BreakerChange::Failing { failing_for }));
        assert_eq!(changes[3], None);
        let probe_in = POLICY.cooldown;
        let open = |failing_for, was_open| BreakerChange::Open {
            failing_for,
            probe_in,
            was_open,
        };
        assert_eq!(changes[4], Some(open(failing_for, false)));
        assert_eq!(breakers.admission(ID, now), Admission::Refused);
        assert_eq!(fail(&mut breakers, 1, now), [None], "was under way");

        let later = now + POLICY.cooldown;
        assert_eq!(breakers.admission(ID, later), Admission::Probe);
        let reopened = fail(&mut breakers, 1, later);
        assert_eq!(reopened, [Some(open(POLICY.cooldown, true))]);
        assert_eq!(breakers.admission(ID, later), Admission::Refused);

        let closed = Some(BreakerChange::Closed { was_open: true });
        assert_eq!(breakers.on_success(ID), closed);
        assert_eq!(breakers.admission(ID, later), Admission::Free);
        assert_eq!(breakers.on_success(ID), None);
    }

    #[test]
    fn a_success_between_starts_the_count_anew() {
        let (mut breakers, now) = (Breakers::default(), Instant::now());
        for _ in 0..10 {
            fail(&mut breakers, 4, now);
            let closed = Some(BreakerChange::Closed { was_open: false });
            assert_eq!(breakers.on_success(ID), closed);
        }
        fail(&mut breakers, 2, now);
        assert_eq!(breakers.on_success(ID), None, "too short to be recorded");
    }

    #[test]
    fn without_a_threshold_it_only_remembers() {
        let (mut breakers, now) = (Breakers::default(), Instant::now());
        let never = BreakerPolicy {
            threshold: 0,
            ..POLICY
        };
        for _ in 0..100 {
            breakers.on_failure(ID, 1, never, now);
        }
        assert_eq!(breakers.admission(ID, now), Admission::Free);
        let later = now + Duration::from_secs(9);
        assert_eq!(
            breakers.failing_for(ID, later),
            Some(Duration::from_secs(9))
        );
    }

    #[test]
    fn what_the_database_knows_goes_on() {
        let (mut breakers, now) = (Breakers::default(), Instant::now());
        let until = now + Duration::from_secs(7);
        let loaded = FailureSeries {
            seen: now,
            age: Duration::from_secs(3600),
            open_until: Some(until),
        };
        breakers.on_loaded(ID, 1, &loaded);
        assert_eq!(breakers.admission(ID, now), Admission::Refused);
        assert_eq!(breakers.open().collect::<Vec<_>>(), [ID]);
        let later = now + Duration::from_secs(7);
        let age = Duration::from_secs(3607);
        assert_eq!(breakers.failing_for(ID, later), None, "nobody tried since");
        let probe_in = POLICY.cooldown;
        assert_eq!(
            fail(&mut breakers, 1, later),
            [Some(BreakerChange::Open {
                failing_for: age,
                probe_in,
                was_open: true
            })]
        );
        breakers.retain(|_, shard| shard != 1);
        assert_eq!(breakers.admission(ID, later), Admission::Free);
    }

    proptest! {
        /// Whatever succeeds and fails, and when: no delivery is taken while the breaker is open, one at a time until a
        /// success, and it opens after so many failures in a row.
        #[test]
        fn it_opens_by_failures_and_closes_by_success(
            steps in prop::collection::vec((any::<bool>(), 0_u64..90), 1..60),
        ) {
            let (mut breakers, mut now) = (Breakers::default(), Instant::now());
            let (mut in_a_row, mut open_until) = (0, None);
            for (is_success, seconds) in steps {
                now += Duration::from_secs(seconds);
                let admission = breakers.admission(ID, now);
                prop_assert_eq!(&admission, &match open_until {
                    Some(until) if now < until => Admission::Refused,
                    Some(_) => Admission::Probe,
                    None => Admission::Free,
                });
                // Also while it is open: what was under way before ends then.
                if is_success {
                    breakers.on_success(ID);
                    (in_a_row, open_until) = (0, None);
                } else {
                    breakers.on_failure(ID, 1, POLICY, now);
                    in_a_row += 1;
                    if admission == Admission::Probe
                        || open_until.is_none() && in_a_row >= POLICY.threshold
                    {
                        open_until = Some(now + POLICY.cooldown);
                    }
                }
            }
        }
    }
}
