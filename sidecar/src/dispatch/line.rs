//! One subscription's line: what of it is here, and how much more would be good.

use crate::model::Delivery;
use std::collections::VecDeque;
use uuid::Uuid;

/// Most deliveries held of one subscription beyond what its limit of requests under way makes useful.
const MAX_AHEAD: usize = 512;

/// What is held of one subscription.
#[derive(Default)]
pub struct Line {
    /// What may be sent next.
    pub waiting: VecDeque<Delivery>,
    pub in_flight: usize,
    /// All that counts: waiting, behind in a lane, in flight, or being recorded.
    pub held: usize,
    /// The size of what waits, also in lanes.
    pub bytes: usize,
    pub max_in_flight: usize,
    /// Attempts that ended within about the last second: how far ahead it is worth claiming.
    pub pace: usize,
    /// The database has, or may have, more than there was room for.
    pub more: bool,
    pub in_ring: bool,
    /// Some of its deliveries are in lanes.
    pub is_ordered: bool,
    /// Whatever was ready of it, lanes aside, up to this id is here or was. `None`: not known.
    pub seen: Option<Uuid>,
    /// The claim since which something ready is known not to be here: what that claim brings beyond it is no news.
    pub unseen_since: u64,
}

impl Line {
    /// How many are worth holding: twice what may be under way, so that none of those places is empty while the next
    /// claim runs, and as many as are done within a second.
    pub fn limit(&self) -> usize {
        2 * self.max_in_flight + self.pace.min(MAX_AHEAD)
    }

    /// Whether a claim should leave it out: it has more than half of what is good for it or of its share, or half of
    /// the bytes left. Above the half, so that a claim that fills it up is worth its while.
    pub fn is_full(&self, share: usize, free_bytes: usize) -> bool {
        self.held > 0 && (self.held * 2 > self.limit().min(share) || self.bytes > free_bytes / 2)
    }

    /// Whether it takes no more.
    pub fn is_crowded(&self, share: usize, free_bytes: usize) -> bool {
        self.held > 0 && (self.held >= self.limit().min(share) || self.bytes > free_bytes / 2)
    }

    /// Whether it is worth asking for more.
    pub fn is_hungry(&self, share: usize) -> bool {
        self.more && self.held * 2 <= self.limit().min(share)
    }

    /// Whether it belongs into the ring.
    pub fn may_send(&self) -> bool {
        !self.waiting.is_empty() && self.in_flight < self.max_in_flight
    }
}
