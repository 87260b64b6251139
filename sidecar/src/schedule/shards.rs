//! Which shards this sidecar owns, up to where it has scanned each, and which it is releasing.
//!
//! ```text
//!       acquired            beyond the fair share                idle, or out of time
//!   ---------------> Owned -----------------------> Draining --------------------------> Released
//!                      ^                               |
//!                      |   the fair share grew again   |
//!                      +-------------------------------+
//! ```
//! A draining shard lets its requests finish and their results be recorded, and nothing more of it is claimed or sent.

use crate::model::shard::COUNT;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long requests of a draining shard may take to finish; the next owner makes again what is cut off. Meanwhile
/// nothing is delivered for that shard: longer would spare a slow receiver a second request, and make all others on its
/// shard wait.
const HAND_OVER: Duration = Duration::from_secs(10);
/// How long the recording of results may keep a shard after that: when the database takes none, its next owner may
/// have better luck. A result that is recorded late changes nothing.
const RECORDING: Duration = Duration::from_secs(20);

#[derive(Default)]
enum State {
    #[default]
    Owned,
    Draining {
        since: Instant,
    },
}

#[derive(Default)]
struct Shard {
    state: State,
    /// The full scan continues after this subscription.
    cursor: Option<Uuid>,
}

impl Shard {
    fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining { .. })
    }
}

/// What [`Shards::fit`] changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// To be released from now on.
    pub draining: Vec<i16>,
    /// Were to be released, and are to be delivered for again.
    pub kept: Vec<i16>,
}

/// The shards of this session.
#[derive(Default)]
pub struct Shards {
    owned: BTreeMap<i16, Shard>,
}

impl Shards {
    /// All that are owned, also those that are draining.
    pub fn owned(&self) -> Vec<i16> {
        self.owned.keys().copied().collect()
    }

    /// Those to deliver for.
    pub fn active(&self) -> Vec<i16> {
        self.owned
            .iter()
            .filter(|(_, shard)| !shard.is_draining())
            .map(|(shard, _)| *shard)
            .collect()
    }

    /// Where the tests of those lie.
    pub fn of_tests(&self) -> Vec<i16> {
        self.active().iter().map(|shard| shard + COUNT).collect()
    }

    /// These were taken.
    pub fn on_acquired(&mut self, shards: &[i16]) {
        self.owned
            .extend(shards.iter().map(|shard| (*shard, Shard::default())));
    }

    /// These were released.
    pub fn on_released(&mut self, shards: &[i16]) {
        for shard in shards {
            self.owned.remove(shard);
        }
    }

    /// The fair share is this: what exceeds it is drained. A share that grew again keeps what is not released yet.
    pub fn fit(&mut self, fair_share: usize, now: Instant) -> Fitted {
        let surplus = self.owned.len().saturating_sub(fair_share);
        let mut fitted = Fitted::default();
        for (place, (number, shard)) in self.owned.iter_mut().rev().enumerate() {
            let is_surplus = place < surplus;
            if is_surplus && !shard.is_draining() {
                shard.state = State::Draining { since: now };
                fitted.draining.push(*number);
            } else if !is_surplus && shard.is_draining() {
                shard.state = State::Owned;
                fitted.kept.push(*number);
            }
        }
        fitted
    }

    /// Draining shards whose requests have had their time: what is under way is to be cut off.
    pub fn to_cut_off(&self, now: Instant) -> Vec<i16> {
        let draining = self.draining_for(now);
        let overdue = draining.filter(|(_, lasted)| *lasted >= HAND_OVER);
        overdue.map(|(number, _)| number).collect()
    }

    /// Draining shards that can be released: idle, or out of time. `busy` says how many requests and results of a shard
    /// are under way: what was answered and is not recorded yet would be made again, too.
    pub fn to_release(&self, now: Instant, busy: impl Fn(i16) -> usize) -> Vec<i16> {
        let is_ready = |(number, lasted): &(i16, Duration)| {
            *lasted >= HAND_OVER + RECORDING || busy(*number) == 0
        };
        let ready = self.draining_for(now).filter(is_ready);
        ready.map(|(number, _)| number).collect()
    }

    fn draining_for(&self, now: Instant) -> impl Iterator<Item = (i16, Duration)> {
        self.owned
            .iter()
            .filter_map(move |(number, shard)| match shard.state {
                State::Owned => None,
                State::Draining { since } => Some((*number, now.saturating_duration_since(since))),
            })
    }

    /// The active shards with their cursors, in the same order.
    pub fn cursors(&self) -> (Vec<i16>, Vec<Option<Uuid>>) {
        self.owned
            .iter()
            .filter(|(_, shard)| !shard.is_draining())
            .map(|(number, shard)| (*number, shard.cursor))
            .unzip()
    }

    /// Whether a claim with the present cursors sees everything.
    pub fn at_start(&self) -> bool {
        self.owned.values().all(|shard| shard.cursor.is_none())
    }

    /// The full scan was truncated at these subscriptions.
    pub fn advance(&mut self, last: &HashMap<i16, Uuid>) {
        for (number, subscription) in last {
            if let Some(shard) = self.owned.get_mut(number) {
                shard.cursor = Some(*subscription);
            }
        }
    }

    /// The full scan reached the end of every shard.
    pub fn rewind(&mut self) {
        for shard in self.owned.values_mut() {
            shard.cursor = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn surplus_is_drained_and_kept_if_the_share_grows_again() {
        let now = Instant::now();
        let mut shards = Shards::default();
        shards.on_acquired(&[0, 1, 2, 3]);
        assert_eq!(shards.fit(2, now).draining, [3, 2]);
        assert_eq!(shards.fit(2, now), Fitted::default());
        assert_eq!(shards.active(), [0, 1]);
        assert_eq!(shards.of_tests(), [16, 17]);
        assert_eq!(shards.to_release(now, |_| 0), [2, 3]);
        shards.on_released(&[3]);
        assert_eq!(shards.fit(4, now).kept, [2]);
        assert_eq!(shards.active(), [0, 1, 2]);
        assert!(shards.to_release(now, |_| 0).is_empty());
    }

    #[test]
    fn a_busy_shard_is_released_when_its_time_is_over() {
        let now = Instant::now();
        let mut shards = Shards::default();
        shards.on_acquired(&[0, 1]);
        shards.fit(0, now);
        let busy = |shard| usize::from(shard == 1);
        for (seconds, cut_off, release) in [
            (0, &[][..], &[0][..]),
            (9, &[], &[0]),
            (10, &[0, 1], &[0]),
            (29, &[0, 1], &[0]),
            (30, &[0, 1], &[0, 1]),
        ] {
            let then = now + SECOND * seconds;
            assert_eq!(shards.to_cut_off(then), cut_off);
            assert_eq!(shards.to_release(then, busy), release);
        }
    }

    #[test]
    fn the_full_scan_goes_on_and_starts_again() {
        let mut shards = Shards::default();
        shards.on_acquired(&[0, 1]);
        assert!(shards.at_start());
        let id = Uuid::from_u128(7);
        shards.advance(&HashMap::from([(1, id), (9, id)]));
        assert_eq!(shards.cursors(), (vec![0, 1], vec![None, Some(id)]));
        shards.rewind();
        assert!(shards.at_start());
    }

    proptest! {
        /// However the fair share changes: no more than it is delivered for, and none is drained without a surplus.
        #[test]
        fn active_shards_are_as_many_as_the_share_allows(
            owned in prop::collection::btree_set(0_i16..COUNT, 0..16),
            steps in prop::collection::vec((0_usize..20, any::<bool>()), 1..20),
        ) {
            let now = Instant::now();
            let mut shards = Shards::default();
            shards.on_acquired(&owned.into_iter().collect::<Vec<_>>());
            for (fair_share, is_idle) in steps {
                let before = shards.active();
                let fitted = shards.fit(fair_share, now);
                prop_assert_eq!(shards.active().len(), shards.owned().len().min(fair_share));
                prop_assert!(fitted.draining.iter().all(|shard| before.contains(shard)));
                prop_assert!(fitted.kept.iter().all(|shard| !before.contains(shard)));
                let released = shards.to_release(now, |_| usize::from(!is_idle));
                prop_assert_eq!(released.is_empty(), !is_idle || shards.owned().len() <= fair_share);
                shards.on_released(&released);
            }
        }
    }
}
