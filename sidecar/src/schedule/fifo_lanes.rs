//! FIFO lanes: deliveries that go one at a time, in order. What is behind the first of its lane waits here until that
//! one has come to its end. A claim brings the beginning of a lane, and nothing more of it while some of it is in
//! memory.
//!
//! ```text
//!           place                place, by the same claim                     next: the first is recorded, the
//!   Free ----------> FirstAlone -------------------------> FirstAndBehind --+ second is the first now
//!    ^               |   ^                                   |       ^      |
//!    |    release    |   |  next of the last, take_behind    |       +------+
//!    +---------------+   +-----------------------------------+
//! ```
//! While a lane is not free, what a later claim brings of it is refused: what lies between is not known.

use crate::model::Delivery;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

/// A subscription's lane.
pub(super) type LaneId = (Uuid, i64);

struct Lane {
    /// The claim that brought it.
    claim: u64,
    /// Deliveries held, in any state.
    held: usize,
    behind: VecDeque<Delivery>,
}

/// Where a delivery of a lane goes.
pub(super) enum Place {
    /// It is the first: it may be sent.
    First(Delivery),
    /// It waits behind others.
    Behind,
    /// Not now: others of its lane are here since an earlier claim.
    Refused,
}

/// The lanes that something is held of.
#[derive(Default)]
pub(super) struct FifoLanes {
    busy: HashMap<LaneId, Lane>,
}

impl FifoLanes {
    /// A claim brought a delivery.
    pub(super) fn place(&mut self, id: LaneId, delivery: Delivery, claim: u64) -> Place {
        match self.busy.entry(id) {
            Entry::Vacant(free) => {
                free.insert(Lane {
                    claim,
                    held: 1,
                    behind: VecDeque::new(),
                });
                Place::First(delivery)
            }
            Entry::Occupied(mut lane) if lane.get().claim == claim => {
                let lane = lane.get_mut();
                lane.held += 1;
                lane.behind.push_back(delivery);
                Place::Behind
            }
            Entry::Occupied(_) => Place::Refused,
        }
    }

    /// The first came to its end: the next may be sent.
    pub(super) fn next(&mut self, id: LaneId) -> Option<Delivery> {
        self.busy.get_mut(&id)?.behind.pop_front()
    }

    /// Takes out what is behind: the first is to be tried again, or is released.
    pub(super) fn take_behind(&mut self, id: LaneId) -> VecDeque<Delivery> {
        let Some(lane) = self.busy.get_mut(&id) else {
            return VecDeque::new();
        };
        lane.held -= lane.behind.len();
        std::mem::take(&mut lane.behind)
    }

    /// One of the lane is held no longer. True: it was the last, and the database may have more.
    pub(super) fn release(&mut self, id: LaneId) -> bool {
        let Some(lane) = self.busy.get_mut(&id) else {
            return false;
        };
        lane.held -= 1;
        lane.held == 0 && self.busy.remove(&id).is_some()
    }

    pub(super) fn first_behind(&self, id: LaneId) -> Option<&Delivery> {
        self.busy.get(&id)?.behind.front()
    }

    pub(super) fn all(&self) -> Vec<LaneId> {
        self.busy.keys().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{in_lane, subscription};
    use super::*;
    use proptest::prelude::*;

    const LANE: LaneId = (Uuid::from_u128(1), 7);

    fn place(lanes: &mut FifoLanes, id: u128, claim: u64) -> &'static str {
        match lanes.place(LANE, in_lane(id, LANE.1, &subscription(1, 20)), claim) {
            Place::First(_) => "first",
            Place::Behind => "behind",
            Place::Refused => "refused",
        }
    }

    #[test]
    fn a_lane_is_free_again_when_nothing_of_it_is_held() {
        let mut lanes = FifoLanes::default();
        assert_eq!(place(&mut lanes, 1, 1), "first");
        assert_eq!(place(&mut lanes, 2, 1), "behind");
        assert_eq!(place(&mut lanes, 3, 2), "refused");
        assert_eq!(lanes.next(LANE).map(|d| d.id), Some(Uuid::from_u128(2)));
        assert!(!lanes.release(LANE), "the second is still held");
        assert!(lanes.next(LANE).is_none());
        assert_eq!(place(&mut lanes, 3, 2), "refused");
        assert!(lanes.release(LANE));
        assert!(!lanes.release(LANE), "nothing is held");
        assert_eq!(place(&mut lanes, 3, 2), "first");
        assert_eq!(place(&mut lanes, 4, 2), "behind");
        assert_eq!(lanes.take_behind(LANE).len(), 1);
        assert!(lanes.release(LANE));
        assert!(lanes.all().is_empty());
    }

    proptest! {
        /// Whatever ends, fails or is released: one at a time is out, in the order of the claims.
        #[test]
        fn one_of_a_lane_is_out_and_in_order(
            claims in prop::collection::vec(1_u128..6, 1..12),
            ends in prop::collection::vec(any::<bool>(), 1..60),
        ) {
            let mut lanes = FifoLanes::default();
            let (mut id, mut out, mut last) = (0, None, 0);
            let (mut claims, mut ends) = (claims.into_iter().zip(1..), ends.into_iter());
            loop {
                match (out, ends.next()) {
                    (_, None) => break,
                    // It is delivered, and then recorded.
                    (Some(current), Some(true)) => {
                        prop_assert!(current > last, "{current} after {last}");
                        last = current;
                        out = lanes.next(LANE).map(|next| next.id.as_u128());
                        prop_assert_eq!(lanes.release(LANE), out.is_none());
                    }
                    // It is to be tried again: those behind it are released.
                    (Some(current), Some(false)) => {
                        id = current - 1;
                        lanes.take_behind(LANE);
                        prop_assert!(lanes.release(LANE));
                        out = None;
                    }
                    (None, _) => {
                        let Some((rows, claim)) = claims.next() else { break };
                        for n in 0..rows {
                            id += 1;
                            let place = place(&mut lanes, id, claim);
                            prop_assert_eq!(place, if n == 0 { "first" } else { "behind" });
                            out = out.or(Some(id));
                        }
                    }
                }
                if out.is_some() {
                    prop_assert_eq!(place(&mut lanes, 1000, 1000), "refused");
                }
            }
        }
    }
}
