//! What a claim should bring: how much there is room for, of whom, and what it need not bring since it is here.

use super::breaker::Admission;
use super::claim_planner::{MAX_CLAIM, MIN_CLAIM, Outcome, Plan, Room, Scope};
use super::{MAX_WAITING_BYTES, Scheduler};
use crate::model::ClaimRequest;
use std::collections::HashSet;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Most fresh deliveries that a claim brings ahead of the scan.
const FRESH: usize = 32;
/// Tests take this part of the slots at the most.
const TESTS_PART: usize = 8;
/// Most subscriptions whose backlogs one claim reads.
const MAX_BACKLOGS: usize = 1024;

impl<R> Scheduler<R> {
    /// What a claim should look at. `is_at_start`: where the last full scan was truncated, nothing is left.
    pub fn next_claim(&self, now: Instant, is_at_start: bool) -> Plan {
        self.planner.next(now, &self.room(), is_at_start)
    }

    /// A claim begins. Returns what it should bring of these shards, each scanned up to its cursor.
    pub fn on_claiming(
        &mut self,
        scope: Scope,
        (shards, cursors): (Vec<i16>, Vec<Option<Uuid>>),
        now: Instant,
    ) -> ClaimRequest {
        let room = match scope {
            Scope::FreshOnly | Scope::Tests => 0,
            Scope::Backlogs | Scope::FullScan { .. } => self.room().deliveries,
        };
        self.begin_claim(scope, now);
        let full = self.full(now);
        let fresh = match scope {
            // While there is little to do the scan finds them as soon.
            Scope::FullScan { .. } if self.taking_room() < self.queues.slots() / 2 => 0,
            _ => self.fresh_room(),
        };
        let (held, held_ordered) = match scope {
            Scope::FreshOnly => (Vec::new(), Vec::new()),
            _ => self.held(&full),
        };
        ClaimRequest {
            shards,
            cursors,
            known: match fresh {
                0 => Vec::new(),
                _ => self.known(&full),
            },
            held,
            held_ordered,
            only: (scope == Scope::Backlogs).then(|| self.backlogs(&full, now)),
            full: full.into_iter().collect(),
            fresh,
            per_subscription: self.per_subscription(),
            max_rows: self.planner.rows(room, now),
        }
    }

    /// Tests are to be looked for: there are some.
    pub fn look_for_tests(&mut self) {
        self.planner.look_for_tests();
    }

    /// When tests are to be looked for; `None`: now.
    pub fn tests_at(&self, now: Instant) -> Option<Instant> {
        self.planner.tests_at(now)
    }

    /// Tests are looked for. Returns what a claim should bring of these shards, which begins; `None`: enough are under
    /// way. Each subscription has its tests made one after the other. They are few and small, so that neither what is
    /// held of others nor its size counts.
    pub fn on_claiming_tests(&mut self, shards: Vec<i16>, now: Instant) -> Option<ClaimRequest> {
        self.planner.on_tests_looked_for(now);
        let tested: Vec<Uuid> = self.buffer.iter().filter_map(|(_, h)| h.test_of).collect();
        let most = (self.queues.slots() / TESTS_PART).max(1);
        let room = most.saturating_sub(tested.len());
        if room == 0 {
            return None;
        }
        self.begin_claim(Scope::Tests, now);
        Some(ClaimRequest {
            cursors: vec![None; shards.len()],
            shards,
            full: tested,
            known: Vec::new(),
            held: Vec::new(),
            held_ordered: Vec::new(),
            only: None,
            fresh: 0,
            per_subscription: 1,
            max_rows: room,
        })
    }

    fn begin_claim(&mut self, scope: Scope, now: Instant) {
        self.planner.on_claiming(scope, now);
        self.outdated.clear();
        if scope == (Scope::FullScan { from_start: true }) {
            // What was left behind will be seen.
            for (_, queue) in self.queues.iter_mut() {
                queue.has_more = false;
            }
        }
    }

    /// A claim brought this, apart from the deliveries that are to be [offered](Self::offer). Returns how long a scan
    /// took that is worth a warning.
    pub fn on_claimed(
        &mut self,
        scope: Scope,
        outcome: &Outcome,
        now: Instant,
    ) -> Option<Duration> {
        self.planner.on_claimed(scope, outcome, now)
    }

    /// A claim read the backlogs of these subscriptions. `last`: it was truncated there.
    pub fn on_backlogs_read(&mut self, subscriptions: &[Uuid], last: Option<Uuid>) {
        let reached = last
            .and_then(|last| subscriptions.iter().rposition(|id| *id == last))
            .map_or(subscriptions, |place| &subscriptions[..=place]);
        for id in reached {
            if let Some(queue) = self.queues.get_mut(*id) {
                queue.has_more = false;
            }
        }
        let until = reached.last().copied().unwrap_or_default();
        self.planner.on_backlogs_read(until);
    }

    /// The claim brought all it might of this subscription: there may be more.
    pub fn on_more(&mut self, subscription: Uuid) {
        let share = self.queues.share();
        if let Some(queue) = self.queues.get_mut(subscription) {
            queue.has_more = true;
            if queue.wants_more(share) {
                self.planner.want_more();
            }
        }
    }

    /// The claim that was under way has been taken in, or never will be.
    pub fn on_claim_ended(&mut self) {
        self.planner.on_claim_ended();
        for id in self.buffer.take_recorded() {
            self.forget(id);
        }
    }

    /// A claim failed: what it did not bring is left.
    pub fn on_claim_failed(&mut self) {
        self.planner.on_claim_failed();
        self.on_claim_ended();
    }

    /// These deliveries became ready. Returns whether there may be more to claim.
    pub fn on_promoted(&mut self, ready: &[(Uuid, Uuid)]) -> bool {
        for (subscription, id) in ready {
            self.have_read(*subscription);
            self.rewind(*subscription, *id);
            self.buffer.on_ready_again(*id);
        }
        self.planner.on_promoted(!ready.is_empty())
    }

    /// While scans are slow, gives a subscription a queue, so that a claim of backlogs looks at it.
    pub(super) fn have_read(&mut self, subscription: Uuid) {
        if self.planner.slow_scans().are_slow() {
            self.queues.add_to_be_read(subscription);
        }
    }

    /// A delivery is ready, and not here: a claim has to read from it on.
    pub(super) fn rewind(&mut self, queue: Uuid, id: Uuid) {
        let claim = self.planner.number();
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.cursor.rewind(id, claim);
        }
    }

    /// What is ready is no longer known of any subscription.
    pub(super) fn reset_cursors(&mut self) {
        for (_, queue) in self.queues.iter_mut() {
            queue.cursor.reset();
        }
    }

    fn room(&self) -> Room {
        Room {
            deliveries: match self.queues.is_backed_up() {
                true => 0,
                false => self.space(),
            },
            fresh: self.fresh_room(),
            held: self.taking_room(),
            slots: self.queues.slots(),
        }
    }

    /// How many deliveries are held that take room.
    fn taking_room(&self) -> usize {
        self.buffer.taking_room(self.queues.capacity())
    }

    /// How many more may be held; fresh ones have some room for themselves.
    fn space(&self) -> usize {
        let slots = self.queues.slots();
        let space = self.free().saturating_sub(FRESH.min(slots));
        if space < MIN_CLAIM.min(slots) {
            0
        } else {
            space.min(MAX_CLAIM)
        }
    }

    fn fresh_room(&self) -> usize {
        self.free().min(FRESH)
    }

    fn free(&self) -> usize {
        if self.buffer.waiting_bytes() >= MAX_WAITING_BYTES {
            return 0;
        }
        self.queues.capacity().saturating_sub(self.taking_room())
    }

    pub(super) fn free_bytes(&self) -> usize {
        MAX_WAITING_BYTES.saturating_sub(self.buffer.waiting_bytes())
    }

    /// When subscriptions have become so many that there is no room for a claim that would be made now: releases what
    /// waits of those that hold more than their share has become. Receivers that hang must not keep others' deliveries
    /// from being claimed.
    pub fn make_room(&mut self, now: Instant) {
        let is_too_early = |at: Instant| now < at;
        if self.space() > 0
            || self
                .planner
                .claim_at(&self.room())
                .is_some_and(is_too_early)
        {
            return;
        }
        let share = self.queues.least_share();
        let crowded: Vec<Uuid> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.held() > share)
            .map(|(id, _)| id)
            .collect();
        for id in crowded {
            while let Some(queue) = self.queues.get_mut(id)
                && queue.held() > share
                && let Some(delivery) = queue.pop_last()
            {
                queue.has_more = true;
                self.release(&delivery);
            }
            // Nothing of it will end, and ask for more.
            if self.queues.get(id).is_some_and(|queue| queue.held() == 0) {
                self.planner.want_more();
            }
        }
    }

    /// How many of one subscription a claim should bring: what a queue that is not full has room for.
    fn per_subscription(&self) -> usize {
        let limits = self.queues.iter().map(|(_, queue)| queue.limit());
        let useful = limits.max().unwrap_or(0);
        let share = self.queues.share();
        (useful / 2).max(MIN_CLAIM).min(share.div_ceil(2))
    }

    /// Subscriptions that take no more for now; each is asked for again when it has room.
    fn full(&mut self, now: Instant) -> HashSet<Uuid> {
        let (share, free_bytes) = (self.queues.share(), self.free_bytes());
        let mut full = HashSet::new();
        for (id, queue) in self.queues.iter_mut() {
            if queue.is_full(share, free_bytes) || queue.is_suspended() {
                queue.has_more = true;
                full.insert(id);
            }
        }
        for id in self.breakers.open() {
            let probing = self.queues.get_mut(id).filter(|queue| queue.held() > 0);
            if self.breakers.admission(id, now) == Admission::Refused {
                full.insert(id);
            } else if let Some(queue) = probing {
                queue.has_more = true;
                full.insert(id);
            }
        }
        full.extend(self.verification.ids());
        full.extend(self.throttles.waiting(now));
        full
    }

    /// Subscriptions that something is here of, or whose breaker is open, without those that are full.
    fn known(&self, full: &HashSet<Uuid>) -> Vec<Uuid> {
        let known = self.queues.iter().filter(|(_, queue)| queue.held() > 0);
        known
            .map(|(id, _)| id)
            .chain(self.breakers.open())
            .filter(|id| !full.contains(id))
            .collect()
    }

    /// Ids of what is held and not to be claimed again: what goes in any order, and what is in lanes. Of what is full
    /// nothing is claimed.
    fn held(&self, full: &HashSet<Uuid>) -> (Vec<Uuid>, Vec<Uuid>) {
        let (mut unordered, mut ordered) = (Vec::new(), Vec::new());
        for (id, held) in self.buffer.iter() {
            if full.contains(&held.queue) {
                continue;
            }
            match held.lane {
                None => unordered.push(id),
                Some(_) => ordered.push(id),
            }
        }
        (unordered, ordered)
    }

    /// Whose backlogs a claim should read, and after which id; `None`: their lanes, if these may be looked at. They
    /// take turns.
    fn backlogs(&self, full: &HashSet<Uuid>, now: Instant) -> (Vec<Uuid>, Vec<Option<Uuid>>) {
        let may_read_lanes = self.planner.slow_scans().may_read_lanes(now);
        let until = self.planner.backlogs_until();
        let (mut subscriptions, mut after) = (Vec::new(), Vec::new());
        for (id, queue) in self.queues.in_turn(full, until, MAX_BACKLOGS) {
            subscriptions.push(id);
            after.push(Some(queue.cursor.position()));
            if may_read_lanes && queue.is_ordered() {
                subscriptions.push(id);
                after.push(None);
            }
        }
        (subscriptions, after)
    }
}
