//! Which shards this sidecar owns, where its walk of each stands, and which it is giving back.

use crate::model::shard;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long requests of a shard that is being given back may take to finish; what is cut off the next owner makes
/// again. Meanwhile nothing is delivered for that shard: longer would spare a slow receiver a second request, and make
/// all others on its shard wait.
pub const HAND_OVER: Duration = Duration::from_secs(10);
/// How long the recording of results may keep a shard after that: when the database takes none, its next owner may
/// have better luck. A result that is recorded late changes nothing.
pub const RECORDING: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Shard {
    /// The claim's walk continues after this subscription.
    cursor: Option<Uuid>,
    /// Being given back since then.
    leaving: Option<Instant>,
}

/// What [`Shards::fit`] changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// To be given back from now on.
    pub leaving: Vec<i16>,
    /// Were to be given back, and are to be delivered for again.
    pub kept: Vec<i16>,
}

/// The shards of this session.
#[derive(Default)]
pub struct Shards {
    owned: BTreeMap<i16, Shard>,
}

impl Shards {
    /// All that are owned, also those being given back.
    pub fn owned(&self) -> Vec<i16> {
        self.owned.keys().copied().collect()
    }

    /// Those to deliver for.
    pub fn active(&self) -> Vec<i16> {
        self.owned
            .iter()
            .filter(|(_, s)| s.leaving.is_none())
            .map(|(shard, _)| *shard)
            .collect()
    }

    /// Where the tests of those lie.
    pub fn of_tests(&self) -> Vec<i16> {
        self.active()
            .iter()
            .map(|shard| shard + shard::COUNT)
            .collect()
    }

    pub fn acquired(&mut self, shards: &[i16]) {
        self.owned
            .extend(shards.iter().map(|shard| (*shard, Shard::default())));
    }

    pub fn released(&mut self, shards: &[i16]) {
        for shard in shards {
            self.owned.remove(shard);
        }
    }

    /// Marks what exceeds the fair share as leaving. A share that grew again keeps what has not left yet.
    pub fn fit(&mut self, fair_share: usize, now: Instant) -> Fitted {
        let surplus = self.owned.len().saturating_sub(fair_share);
        let mut fitted = Fitted::default();
        for (place, (number, shard)) in self.owned.iter_mut().rev().enumerate() {
            if place >= surplus {
                if shard.leaving.take().is_some() {
                    fitted.kept.push(*number);
                }
            } else if shard.leaving.is_none() {
                shard.leaving = Some(now);
                fitted.leaving.push(*number);
            }
        }
        fitted
    }

    /// Leaving shards, and for how long they have been.
    pub fn leaving(&self, now: Instant) -> Vec<(i16, Duration)> {
        self.owned
            .iter()
            .filter_map(|(number, shard)| {
                let since = shard.leaving?;
                Some((*number, now.saturating_duration_since(since)))
            })
            .collect()
    }

    /// The active shards with their cursors, in the same order.
    pub fn cursors(&self) -> (Vec<i16>, Vec<Option<Uuid>>) {
        self.owned
            .iter()
            .filter(|(_, s)| s.leaving.is_none())
            .map(|(number, s)| (*number, s.cursor))
            .unzip()
    }

    /// Whether a claim with the present cursors sees everything.
    pub fn at_start(&self) -> bool {
        self.owned.values().all(|shard| shard.cursor.is_none())
    }

    /// The walk stopped early at these subscriptions.
    pub fn advance(&mut self, last: &HashMap<i16, Uuid>) {
        for (number, subscription) in last {
            if let Some(shard) = self.owned.get_mut(number) {
                shard.cursor = Some(*subscription);
            }
        }
    }

    /// The walk reached the end of every shard.
    pub fn rewind(&mut self) {
        for shard in self.owned.values_mut() {
            shard.cursor = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surplus_leaves_and_comes_back() {
        let now = Instant::now();
        let mut shards = Shards::default();
        shards.acquired(&[0, 1, 2, 3]);
        assert_eq!(shards.fit(2, now).leaving, [3, 2]);
        assert_eq!(shards.fit(2, now), Fitted::default());
        assert_eq!(shards.active(), [0, 1]);
        assert_eq!(
            shards.leaving(now),
            [(2, Duration::ZERO), (3, Duration::ZERO)]
        );
        assert_eq!(
            shards.leaving(now + HAND_OVER),
            [(2, HAND_OVER), (3, HAND_OVER)]
        );
        shards.released(&[3]);
        assert_eq!(shards.fit(4, now).kept, [2]);
        assert_eq!(shards.active(), [0, 1, 2]);
    }

    #[test]
    fn the_walk_goes_on_and_starts_again() {
        let mut shards = Shards::default();
        shards.acquired(&[0, 1]);
        assert!(shards.at_start());
        let id = Uuid::from_u128(7);
        shards.advance(&HashMap::from([(1, id), (9, id)]));
        assert_eq!(shards.cursors(), (vec![0, 1], vec![None, Some(id)]));
        shards.rewind();
        assert!(shards.at_start());
    }
}
