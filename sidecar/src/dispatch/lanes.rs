//! Lanes: deliveries that go one at a time, in order. What is behind the first of its lane waits here until that one
//! has come to its end. A claim brings the beginning of a lane, and nothing more of it while some of it is here.

use crate::model::Delivery;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

/// A subscription's lane.
pub type LaneId = (Uuid, i64);

struct Lane {
    /// The claim that brought it.
    claim: u64,
    /// Deliveries held, in any state.
    held: usize,
    behind: VecDeque<Delivery>,
}

/// Where a delivery of a lane goes.
pub enum Place {
    /// It is the first: it may be sent.
    First(Delivery),
    /// It waits behind others.
    Behind,
    /// Not now: others of its lane are here since an earlier claim, and what lies between is not known.
    Refused,
}

/// The lanes that something is held of.
#[derive(Default)]
pub struct Lanes {
    busy: HashMap<LaneId, Lane>,
}

impl Lanes {
    pub fn place(&mut self, id: LaneId, delivery: Delivery, claim: u64) -> Place {
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
    pub fn next(&mut self, id: LaneId) -> Option<Delivery> {
        self.busy.get_mut(&id)?.behind.pop_front()
    }

    /// Takes out what is behind: the first is to be tried again, or was put back.
    pub fn clear_behind(&mut self, id: LaneId) -> VecDeque<Delivery> {
        let Some(lane) = self.busy.get_mut(&id) else {
            return VecDeque::new();
        };
        lane.held -= lane.behind.len();
        std::mem::take(&mut lane.behind)
    }

    /// One of the lane is held no longer. True: it was the last, and the database may have more.
    pub fn released(&mut self, id: LaneId) -> bool {
        let Some(lane) = self.busy.get_mut(&id) else {
            return false;
        };
        lane.held -= 1;
        lane.held == 0 && self.busy.remove(&id).is_some()
    }

    pub fn first_behind(&self, id: LaneId) -> Option<&Delivery> {
        self.busy.get(&id)?.behind.front()
    }

    pub fn all(&self) -> Vec<LaneId> {
        self.busy.keys().copied().collect()
    }
}
