//! One subscription's queue: its deliveries in memory, and how many more of them are worth claiming.
//!
//! ```text
//!             push                  as many requests as max_in_flight
//!   Empty ----------> Eligible ---------------------------------------> Saturated
//!     ^                |    ^                                              |
//!     +----------------+    +----------------------------------------------+
//!       nothing waits                       a request ends
//!
//!   Each of them is suspended, so that nothing is added, while a result of it is locked or is to disable it.
//! ```
//! The rotation of the fair queue holds those that are eligible.

use super::scan_cursor::ScanCursor;
use crate::model::Delivery;
use std::collections::VecDeque;
use uuid::Uuid;

/// Most deliveries held of one subscription beyond what its limit of requests under way makes useful.
const MAX_AHEAD: usize = 512;

/// What is held of one subscription.
#[derive(Default)]
pub(super) struct SubscriptionQueue {
    /// What may be sent next.
    waiting: VecDeque<Delivery>,
    in_flight: usize,
    /// All that counts: waiting, behind in a lane, in flight, or being recorded.
    held: usize,
    /// The size of what waits, also in lanes.
    bytes: usize,
    max_in_flight: usize,
    tenant: Uuid,
    /// Attempts that ended within about the last second: how far ahead it is worth claiming.
    pace: usize,
    /// The database has, or may have, more than there was room for.
    pub(super) has_more: bool,
    in_rotation: bool,
    /// Some of its deliveries are in lanes.
    is_ordered: bool,
    pub(super) cursor: ScanCursor,
    /// Results that can't be recorded while their rows are locked.
    locked_results: usize,
    /// The delivery whose result disables the subscription as soon as it is recorded.
    disabled_by: Option<Uuid>,
}

impl SubscriptionQueue {
    /// One of which nothing is held, so that claims look at it, also at its lanes.
    pub(super) fn to_be_read() -> Self {
        Self {
            is_ordered: true,
            ..Self::default()
        }
    }

    /// How many are worth holding: twice what may be under way, so that none of those places is empty while the next
    /// claim runs, and as many as are done within a second.
    pub(super) fn limit(&self) -> usize {
        2 * self.max_in_flight + self.pace.min(MAX_AHEAD)
    }

    /// Whether a claim should leave it out: it has more than half of what is good for it or of its share, or half of
    /// the bytes left. Above the half, so that a claim that fills it up is worth its while.
    pub(super) fn is_full(&self, share: usize, free_bytes: usize) -> bool {
        self.held > 0 && (self.held * 2 > self.limit().min(share) || self.bytes > free_bytes / 2)
    }

    /// Whether it takes no more.
    pub(super) fn is_crowded(&self, share: usize, free_bytes: usize) -> bool {
        self.held > 0 && (self.held >= self.limit().min(share) || self.bytes > free_bytes / 2)
    }

    /// Whether it is worth asking for more.
    pub(super) fn wants_more(&self, share: usize) -> bool {
        self.has_more && self.held * 2 <= self.limit().min(share)
    }

    /// Whether it belongs into the rotation.
    pub(super) fn may_send(&self) -> bool {
        !self.waiting.is_empty() && self.in_flight < self.max_in_flight
    }

    /// Returns whether it is to be put into the rotation, since it may send and is not there.
    pub(super) fn enter_rotation(&mut self) -> bool {
        let enters = !self.in_rotation && self.may_send();
        self.in_rotation |= enters;
        enters
    }

    /// It was taken out of the rotation.
    pub(super) fn leave_rotation(&mut self) {
        self.in_rotation = false;
    }

    /// Whether nothing is added to it, whatever room there is.
    pub(super) fn is_suspended(&self) -> bool {
        self.locked_results > 0 || self.disabled_by.is_some()
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// So many requests may be under way at once.
    pub(super) fn set_max_in_flight(&mut self, max_in_flight: usize) {
        self.max_in_flight = max_in_flight;
    }

    /// Whose it is. Requests under way stay counted for the tenant that they began for.
    pub(super) fn set_tenant(&mut self, tenant: Uuid) {
        if self.in_flight == 0 {
            self.tenant = tenant;
        }
    }

    pub(super) fn tenant(&self) -> Uuid {
        self.tenant
    }

    /// Counts a delivery that was claimed, whether it may be sent next or waits behind others in its lane.
    pub(super) fn add(&mut self, size: usize, is_ordered: bool) {
        self.held += 1;
        self.bytes += size;
        self.is_ordered |= is_ordered;
    }

    /// A delivery that is counted may be sent next.
    pub(super) fn push(&mut self, delivery: Delivery) {
        self.waiting.push_back(delivery);
    }

    /// A delivery that waited, also in a lane, is no longer held.
    pub(super) fn remove(&mut self, size: usize) {
        self.held = self.held.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(size);
    }

    /// A delivery that was sent is no longer held.
    pub(super) fn leave(&mut self) {
        self.held = self.held.saturating_sub(1);
    }

    pub(super) fn first(&self) -> Option<&Delivery> {
        self.waiting.front()
    }

    /// Takes out the first, whose request begins.
    pub(super) fn start_first(&mut self) -> Option<Delivery> {
        let delivery = self.waiting.pop_front()?;
        self.in_flight += 1;
        self.bytes = self.bytes.saturating_sub(delivery.size);
        Some(delivery)
    }

    /// A request ended. `counts`: an attempt was made, which shows the receiver's pace.
    pub(super) fn end_request(&mut self, counts: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.pace += usize::from(counts);
    }

    /// Takes out the last that waits.
    pub(super) fn pop_last(&mut self) -> Option<Delivery> {
        self.waiting.pop_back()
    }

    /// Takes out what waits and matches.
    pub(super) fn take(&mut self, matches: impl Fn(&Delivery) -> bool) -> VecDeque<Delivery> {
        let waiting = std::mem::take(&mut self.waiting);
        let (taken, kept) = waiting.into_iter().partition(matches);
        self.waiting = kept;
        taken
    }

    /// A result that can't be recorded while its row is locked. Returns whether it is the only one.
    pub(super) fn lock_result(&mut self) -> bool {
        self.locked_results += 1;
        self.locked_results == 1
    }

    /// One result is no longer locked. Returns whether it was the only one.
    pub(super) fn unlock_result(&mut self) -> bool {
        let was_only = self.locked_results == 1;
        self.locked_results = self.locked_results.saturating_sub(1);
        was_only
    }

    /// The result of this delivery will disable the subscription. Returns whether it is the first to do so.
    pub(super) fn disable(&mut self, delivery: Uuid) -> bool {
        *self.disabled_by.get_or_insert(delivery) == delivery
    }

    /// This delivery's result was recorded, or never will be. Returns whether it was the one to disable the
    /// subscription.
    pub(super) fn end_disabling(&mut self, delivery: Uuid) -> bool {
        self.disabled_by.take_if(|by| *by == delivery).is_some()
    }

    /// Half a second's worth of attempts is forgotten. Returns whether anything is left to remember.
    pub(super) fn fade(&mut self) -> bool {
        self.pace /= 2;
        self.held > 0 || self.pace > 0 || self.is_suspended()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{delivery, subscription};
    use super::*;

    /// A queue that holds so many small deliveries, of which so many requests may be under way.
    fn with(held: usize, max_in_flight: usize) -> SubscriptionQueue {
        let mut queue = SubscriptionQueue::default();
        let subscription = subscription(1, max_in_flight);
        queue.set_max_in_flight(max_in_flight);
        for id in 0..held {
            queue.add(1, false);
            queue.push(delivery(id as u128, &subscription));
        }
        queue
    }

    #[test]
    fn it_is_full_above_the_half_and_crowded_at_its_limit() {
        for (held, share, is_full, is_crowded) in [
            (0, 0, false, false),
            (20, 100, false, false),
            (21, 100, true, false),
            (39, 100, true, false),
            (40, 100, true, true),
            (5, 10, false, false),
            (6, 10, true, false),
            (10, 10, true, true),
        ] {
            let mut queue = with(held, 20);
            let case = format!("{held} held, share {share}");
            assert_eq!(queue.is_full(share, 1000), is_full, "{case}");
            assert_eq!(queue.is_crowded(share, 1000), is_crowded, "{case}");
            assert!(!queue.wants_more(share));
            queue.has_more = true;
            assert_eq!(queue.wants_more(share), !is_full, "{case}");
        }
        // Half of the bytes that are left is enough.
        assert!(!with(10, 20).is_crowded(100, 20));
        assert!(with(10, 20).is_crowded(100, 19) && with(10, 20).is_full(100, 19));
        assert!(!with(0, 20).is_crowded(100, 0), "one is taken in any case");
    }

    #[test]
    fn as_many_are_worth_holding_as_are_done_within_a_second() {
        let mut queue = with(600, 20);
        assert_eq!(queue.limit(), 40);
        for _ in 0..600 {
            queue.start_first();
            queue.end_request(true);
        }
        assert_eq!(queue.limit(), 40 + MAX_AHEAD);
        queue.fade();
        assert_eq!(queue.limit(), 40 + 300);
    }

    #[test]
    fn it_may_send_while_something_waits_within_the_limit() {
        let mut queue = with(3, 2);
        for _ in 0..2 {
            assert!(queue.may_send());
            assert!(queue.start_first().is_some());
        }
        assert!(!queue.may_send());
        queue.end_request(true);
        assert!(queue.may_send());
        assert_eq!(queue.take(|_| true).len(), 1);
        assert!(!queue.may_send());
    }

    #[test]
    fn it_is_suspended_until_the_last_reason_is_gone() {
        let mut queue = with(0, 20);
        let [one, two] = [1, 2].map(Uuid::from_u128);
        queue.disable(one);
        queue.disable(two);
        assert!(queue.lock_result() && !queue.lock_result());
        assert!(
            !queue.end_disabling(two),
            "it was the first that disables it"
        );
        assert!(queue.end_disabling(one) && !queue.end_disabling(one));
        assert!(queue.is_suspended());
        assert!(!queue.unlock_result());
        assert!(queue.is_suspended() && queue.fade());
        assert!(queue.unlock_result());
        assert!(!queue.is_suspended() && !queue.fade());
    }
}
