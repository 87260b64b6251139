//! What a claim should bring: how much there is room for, of whom, and when it is worth its while.

use super::Board;
use super::breaker::Admission;
use super::line::Line;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Deliveries held (waiting, in flight, or being recorded) per slot of concurrency.
pub(super) const HELD_PER_SLOT: usize = 12;
/// Least room that is worth a claim.
pub const MIN_CLAIM: usize = 32;
/// While there is work for every slot, claims keep this distance, so that each brings many rows: walking over the
/// subscriptions costs as much as reading some dozens.
const CLAIM_DISTANCE: Duration = Duration::from_millis(10);
/// Most rows of one claim.
pub const MAX_CLAIM: usize = 512;
/// Most newcomers that a claim brings ahead of the walk.
pub(super) const NEWCOMERS: usize = 32;
/// Payload bytes waiting here at the most.
pub(super) const MAX_BYTES: usize = 16 << 20;

/// As many subscriptions as there are slots may wait for one, and as many as are served within this part of a second or
/// two. More would only have to be walked around.
const AHEAD_PART: usize = 8;

/// Tests take this part of the slots at the most.
const TESTS_PART: usize = 8;

impl Board {
    /// How many deliveries a claim may bring, newcomers aside; 0: none now.
    pub fn room(&self) -> usize {
        if self.ring.len() > self.concurrency + self.pace / AHEAD_PART {
            return 0;
        }
        self.space()
    }

    /// How many more may be held.
    pub(super) fn space(&self) -> usize {
        let room = self.free().saturating_sub(NEWCOMERS.min(self.concurrency));
        if room < MIN_CLAIM.min(self.concurrency) {
            0
        } else {
            room.min(MAX_CLAIM)
        }
    }

    /// How many newcomers a claim may bring: while there is little to do a walk finds them as soon. `anyway`: it does
    /// not walk.
    pub fn newcomers(&self, anyway: bool) -> usize {
        if !anyway && self.held.len() - self.aside() < self.concurrency / 2 {
            return 0;
        }
        self.free().min(NEWCOMERS)
    }

    /// How many tests a claim may bring, and of which subscriptions none: each has its tests made one after the other.
    /// They are few and small, so that neither what is held of others nor its size counts.
    pub fn room_for_tests(&self) -> (usize, Vec<Uuid>) {
        let tested: Vec<Uuid> = self.held.values().filter_map(|held| held.test_of).collect();
        let most = (self.concurrency / TESTS_PART).max(1);
        (most.saturating_sub(tested.len()), tested)
    }

    fn free(&self) -> usize {
        if self.bytes >= MAX_BYTES {
            return 0;
        }
        (self.capacity() + self.aside()).saturating_sub(self.held.len())
    }

    /// Subscriptions that something is here of, or whose breaker is open, without those that are full.
    pub fn known(&self, full: &HashSet<Uuid>) -> Vec<Uuid> {
        let known = self.lines.iter().filter(|(_, line)| line.held > 0);
        known
            .map(|(id, _)| *id)
            .chain(self.breakers.open())
            .filter(|id| !full.contains(id))
            .collect()
    }

    /// When the next claim is worth its while. `was_cut`: the last one left something behind, and what is here had better
    /// last until the next.
    pub fn claim_at(&self, was_cut: bool) -> Option<Instant> {
        let enough = self.concurrency * if was_cut { 2 } else { 1 };
        let busy = self.held.len() - self.aside() >= enough;
        self.last_claim
            .filter(|_| busy)
            .map(|at| at + CLAIM_DISTANCE)
    }

    pub(super) fn capacity(&self) -> usize {
        self.concurrency * HELD_PER_SLOT
    }

    /// How many each line may hold: together three quarters of the capacity, so that new ones find room.
    pub(super) fn share(&self) -> usize {
        (self.capacity() / 4 * 3 / self.sharers()).max(1)
    }

    /// Lines that share the capacity: those with parked results hold nothing else, and these take no room.
    fn sharers(&self) -> usize {
        self.lines.len().saturating_sub(self.parked.len()).max(1)
    }

    /// When lines have become so many that there is no room: puts back what waits in those that hold more than their
    /// share has become. Receivers that hang must not keep others' deliveries from being claimed.
    pub fn make_room(&mut self) {
        if self.space() > 0 {
            return;
        }
        let share = (self.capacity() / 2 / self.sharers()).max(1);
        let crowded: Vec<Uuid> = self
            .lines
            .iter()
            .filter(|(_, line)| line.held > share)
            .map(|(id, _)| *id)
            .collect();
        for id in crowded {
            while let Some(line) = self.lines.get_mut(&id)
                && line.held > share
                && let Some(delivery) = line.waiting.pop_back()
            {
                line.more = true;
                self.put_back(&delivery);
            }
            // Nothing of it will end, and ask for more.
            self.hungry |= self.lines.get(&id).is_some_and(|line| line.held == 0);
        }
    }

    pub(super) fn free_bytes(&self) -> usize {
        MAX_BYTES.saturating_sub(self.bytes)
    }

    /// How many of one subscription a claim should bring: what a line that is not full has room for.
    pub fn per_subscription(&self) -> usize {
        let useful = self.lines.values().map(Line::limit).max().unwrap_or(0);
        (useful / 2).max(MIN_CLAIM).min(self.share().div_ceil(2))
    }

    /// Ids of what is held and not to be claimed again: what goes in any order, and what is in lanes. Of what is full
    /// nothing is claimed.
    pub fn held_ids(&self, full: &HashSet<Uuid>) -> (Vec<Uuid>, Vec<Uuid>) {
        let (mut unordered, mut ordered) = (Vec::new(), Vec::new());
        for (id, held) in &self.held {
            if full.contains(&held.line) {
                continue;
            }
            match held.lane {
                None => unordered.push(*id),
                Some(_) => ordered.push(*id),
            }
        }
        (unordered, ordered)
    }

    /// Subscriptions that take no more for now; each is asked for again when it has room.
    pub fn full(&mut self, now: Instant) -> HashSet<Uuid> {
        let (share, free_bytes) = (self.share(), self.free_bytes());
        let (disabling, parked) = (&self.disabling, &self.parked);
        let mut full: HashSet<Uuid> = self
            .lines
            .iter_mut()
            .filter(|(id, line)| {
                line.is_full(share, free_bytes)
                    || disabling.contains_key(id)
                    || parked.contains_key(id)
            })
            .map(|(id, line)| {
                line.more = true;
                *id
            })
            .collect();
        for id in self.breakers.open() {
            let probing = self.lines.get_mut(&id).filter(|line| line.held > 0);
            if self.breakers.admission(id, now) == Admission::Refused {
                full.insert(id);
            } else if let Some(line) = probing {
                line.more = true;
                full.insert(id);
            }
        }
        full.extend(self.unverified.ids());
        full.extend(self.throttles.waiting(now));
        full
    }
}
