//! The fair queue: whose delivery is sent next. Subscriptions take turns, each within its own limit and within its
//! share of the slots, so that receivers that hang can't take the slots of those that answer.
//!
//! ```text
//!              may send                   its turn, and a slot is free for it
//!   Outside -------------> InRotation --------------------------------------------> (a request begins)
//!      ^                    |  ^  ^  |                                                  |      |
//!      |    may not send    |  |  |  | its turn, but no slot: to the end                |      |
//!      +--------------------+  |  +--+                                                  |      |
//!      |                       |            may send another one: to the end            |      |
//!      |                       +--------------------------------------------------------+      |
//!      +---------------------------------------------------------------------------------------+
//! ```
//! Subscriptions whose first delivery is fresh, which is claimed ahead of a full scan, take turns with all others, the
//! last published first, and have some slots for themselves.

use super::crowded::Crowded;
use super::subscription_queue::SubscriptionQueue;
use super::tenant_slots::TenantSlots;
use crate::model::{Delivery, Destination};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use uuid::Uuid;

/// Deliveries held (waiting, in flight, or being recorded) per slot.
pub(super) const HELD_PER_SLOT: usize = 12;
/// This part of the slots is left to fresh deliveries.
const FRESH_PART: usize = 8;
/// As many subscriptions as there are slots may wait for one, and as many as are served within this part of a second or
/// two. A scan would only have to go around more.
const AHEAD_PART: usize = 8;

/// Whether the first delivery of a queue may be sent, as others see it.
pub(super) enum Permit {
    Granted,
    /// Not before somebody enters the queue again.
    Later,
    /// Not before a request to its destination has ended.
    Crowded(Destination),
}

/// The subscriptions' queues, and the order in which they are served.
pub(super) struct FairQueue {
    /// Requests that may be under way at once, if nobody else takes some.
    slots: usize,
    /// How many of them may be used now.
    usable: usize,
    in_flight: usize,
    /// Attempts that ended within about the last second or two.
    pace: usize,
    queues: HashMap<Uuid, SubscriptionQueue>,
    /// Those with something waiting and room in flight.
    rotation: VecDeque<Uuid>,
    /// Those of fresh deliveries, each behind the id of the delivery that it came with, so that the last published is
    /// last.
    fresh: BTreeSet<(Uuid, Uuid)>,
    fresh_was_last: bool,
    tenants: TenantSlots,
    crowded: Crowded,
    /// Queues with locked results.
    locked: usize,
}

impl FairQueue {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots,
            usable: slots,
            in_flight: 0,
            pace: 0,
            queues: HashMap::new(),
            rotation: VecDeque::new(),
            fresh: BTreeSet::new(),
            fresh_was_last: false,
            tenants: TenantSlots::default(),
            crowded: Crowded::default(),
            locked: 0,
        }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// From now on so many slots may be used. Requests beyond them are not cut off, and as many deliveries may be held as
    /// before.
    pub(super) fn set_usable(&mut self, slots: usize) {
        if slots != self.usable {
            self.usable = slots;
            self.readmit();
        }
    }

    /// Whether anything waits for a slot.
    pub(super) fn wants_slots(&self) -> bool {
        !self.rotation.is_empty() || !self.fresh.is_empty() || !self.tenants.is_empty()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// How many deliveries may be held.
    pub(super) fn capacity(&self) -> usize {
        self.slots * HELD_PER_SLOT
    }

    /// How many each subscription may hold: together three quarters of the capacity, so that new ones find room.
    pub(super) fn share(&self) -> usize {
        (self.capacity() / 4 * 3 / self.sharers()).max(1)
    }

    /// How many each keeps when there is no room for new ones.
    pub(super) fn least_share(&self) -> usize {
        (self.capacity() / 2 / self.sharers()).max(1)
    }

    /// Queues that share the capacity: those with locked results hold nothing else, and these take no room.
    fn sharers(&self) -> usize {
        self.queues.len().saturating_sub(self.locked).max(1)
    }

    /// Whether more subscriptions wait for a slot than will soon have one.
    pub(super) fn is_backed_up(&self) -> bool {
        self.rotation.len() > self.slots + self.pace / AHEAD_PART
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&SubscriptionQueue> {
        self.queues.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: Uuid) -> Option<&mut SubscriptionQueue> {
        self.queues.get_mut(&id)
    }

    pub(super) fn get_or_add(&mut self, id: Uuid) -> &mut SubscriptionQueue {
        self.queues.entry(id).or_default()
    }

    /// Adds a queue, if there is none, so that claims look at it.
    pub(super) fn add_to_be_read(&mut self, id: Uuid) {
        self.queues
            .entry(id)
            .or_insert_with(SubscriptionQueue::to_be_read);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Uuid, &SubscriptionQueue)> {
        self.queues.iter().map(|(id, queue)| (*id, queue))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (Uuid, &mut SubscriptionQueue)> {
        self.queues.iter_mut().map(|(id, queue)| (*id, queue))
    }

    /// Puts a queue into the rotation, if it may send.
    pub(super) fn enter(&mut self, id: Uuid) {
        let queue = self.queues.get_mut(&id);
        if queue.is_some_and(SubscriptionQueue::enter_rotation) {
            self.rotation.push_back(id);
        }
    }

    /// The same for one that a fresh delivery was added to. The newest goes first: a burst to thousands must not hide
    /// what comes after it, whichever is claimed first.
    pub(super) fn enter_fresh(&mut self, id: Uuid, delivery: Uuid) {
        let queue = self.queues.get_mut(&id);
        if queue.is_some_and(SubscriptionQueue::enter_rotation) {
            self.fresh.insert((delivery, id));
        }
    }

    /// Takes out the next delivery to send, whose request begins; `None`: nothing may be sent now. `has_bytes`: those
    /// in flight are not too large for further ones of the same subscription. `permit` says whether its rate and its
    /// destination allow the request.
    pub(super) fn start_next(
        &mut self,
        has_bytes: bool,
        mut permit: impl FnMut(Uuid, &Delivery) -> Permit,
    ) -> Option<Delivery> {
        for _ in 0..self.rotation.len() + self.fresh.len() {
            let free = self.usable.saturating_sub(self.in_flight);
            if free == 0 {
                return None;
            }
            let (id, is_fresh) = self.next_in_turn()?;
            if !is_fresh && free <= self.usable / FRESH_PART {
                self.rotation.push_front(id);
                if self.fresh.is_empty() {
                    return None;
                }
                continue;
            }
            let Some(queue) = self.queues.get_mut(&id) else {
                continue;
            };
            if !queue.may_send() {
                queue.leave_rotation();
                continue;
            }
            if !self.tenants.admits(queue.tenant(), self.usable, free) {
                self.tenants.set_aside(queue.tenant(), id);
                continue;
            }
            // A first request is always made while a slot is free. Further ones leave a quarter of the slots to
            // subscriptions that have none, take at most half of what is free, and keep to the bytes.
            let is_contended =
                free <= self.usable / 4 || queue.in_flight() > free / 2 || !has_bytes;
            if queue.in_flight() > 0 && is_contended {
                self.rotation.push_back(id);
                continue;
            }
            match queue.first().map(|first| permit(id, first)) {
                Some(Permit::Later) => {
                    queue.leave_rotation();
                    continue;
                }
                Some(Permit::Crowded(destination)) => {
                    self.crowded.set_aside(destination, id);
                    continue;
                }
                Some(Permit::Granted) | None => {}
            }
            let delivery = queue.start_first()?;
            self.tenants.start(queue.tenant());
            self.in_flight += 1;
            queue.leave_rotation();
            if queue.enter_rotation() {
                self.rotation.push_back(id);
            }
            return Some(delivery);
        }
        None
    }

    /// Fresh deliveries and the others take turns. True: a fresh one.
    fn next_in_turn(&mut self) -> Option<(Uuid, bool)> {
        self.fresh_was_last = !self.fresh_was_last || self.rotation.is_empty();
        let fresh = self.fresh_was_last.then(|| self.fresh.pop_last());
        match fresh.flatten() {
            Some((_, id)) => Some((id, true)),
            None => self.rotation.pop_front().map(|id| (id, false)),
        }
    }

    /// A request ended. `counts`: an attempt was made, which shows the receiver's pace.
    pub(super) fn end_request(&mut self, id: Uuid, counts: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.pace += usize::from(counts);
        let may_send_more = self.queues.get_mut(&id).is_some_and(|queue| {
            self.tenants.end(queue.tenant());
            queue.end_request(counts);
            queue.enter_rotation()
        });
        if may_send_more {
            self.rotation.push_back(id);
        }
        self.readmit();
    }

    /// Queues that were set aside enter the rotation again, if their tenants may send again.
    fn readmit(&mut self) {
        let free = self.usable.saturating_sub(self.in_flight);
        let admitted = self.tenants.take_admitted(self.usable, free);
        self.rotation.extend(admitted);
    }

    /// So many further requests may go to a destination: as many queues that wait for it enter the rotation again. Returns
    /// whether others wait on.
    pub(super) fn on_room_at(&mut self, destination: &Destination, places: usize) -> bool {
        self.rotation.extend(self.crowded.take(destination, places));
        self.crowded.is_waited_for(destination)
    }

    /// Destinations that queues wait for.
    pub(super) fn crowded(&self) -> impl Iterator<Item = &Destination> {
        self.crowded.destinations()
    }

    /// A delivery that was sent is no longer held. Returns whether its queue wants more.
    pub(super) fn leave(&mut self, id: Uuid) -> bool {
        let share = self.share();
        self.queues.get_mut(&id).is_some_and(|queue| {
            queue.leave();
            queue.wants_more(share)
        })
    }

    /// One of the results can't be recorded while its row is locked.
    pub(super) fn lock_result(&mut self, id: Uuid) {
        let is_first = self.queues.get_mut(&id).is_some_and(|q| q.lock_result());
        self.locked += usize::from(is_first);
    }

    /// One result is no longer locked. Returns whether no other of its queue is.
    pub(super) fn unlock_result(&mut self, id: Uuid) -> bool {
        let was_last = self.queues.get_mut(&id).is_some_and(|q| q.unlock_result());
        self.locked -= usize::from(was_last);
        was_last
    }

    /// At which queues a claim looks that does not scan everything: those that are not full, some of them behind the
    /// one that a claim looked at last.
    pub(super) fn in_turn(
        &self,
        full: &HashSet<Uuid>,
        looked_until: Uuid,
        most: usize,
    ) -> impl Iterator<Item = (Uuid, &SubscriptionQueue)> {
        let mut ids: Vec<Uuid> = self.queues.keys().copied().collect();
        ids.retain(|id| !full.contains(id));
        ids.sort_unstable();
        let start = ids.partition_point(|id| *id <= looked_until);
        ids.rotate_left(start);
        ids.truncate(most);
        ids.into_iter()
            .filter_map(|id| Some((id, self.queues.get(&id)?)))
    }

    /// Once a second: paces fade, and queues with nothing to remember go.
    pub(super) fn tick(&mut self) {
        self.pace /= 2;
        // One that came back may have had nothing to send: then no request of it ends, and lets the next one come.
        self.readmit();
        self.queues.retain(|_, queue| queue.fade());
        let queues = &self.queues;
        self.rotation.retain(|id| queues.contains_key(id));
        self.fresh.retain(|(_, id)| queues.contains_key(id));
        self.tenants.retain(|id| queues.contains_key(&id));
        self.crowded.retain(|id| queues.contains_key(&id));
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{delivery, fresh, subscription};
    use super::*;
    use proptest::prelude::*;

    /// Adds deliveries of a subscription of which so many requests may be under way.
    fn add(fair: &mut FairQueue, number: u128, max_in_flight: usize, ids: std::ops::Range<u128>) {
        let subscription = subscription(number, max_in_flight);
        let queue = fair.get_or_add(subscription.id);
        queue.set_tenant(subscription.tenant_id);
        queue.set_max_in_flight(max_in_flight);
        for id in ids {
            queue.add(1, false);
            queue.push(delivery(id, &subscription));
        }
        fair.enter(subscription.id);
    }

    fn add_fresh(fair: &mut FairQueue, number: u128) {
        let subscription = subscription(number, 20);
        let queue = fair.get_or_add(subscription.id);
        queue.set_tenant(subscription.tenant_id);
        queue.set_max_in_flight(20);
        queue.add(1, false);
        queue.push(fresh(number, &subscription));
        fair.enter_fresh(subscription.id, Uuid::from_u128(number));
    }

    /// Begins all requests that may be made; returns the subscriptions' numbers, in order.
    fn sent(fair: &mut FairQueue) -> Vec<u128> {
        std::iter::from_fn(|| fair.start_next(true, |_, _| Permit::Granted))
            .map(|delivery| delivery.subscription.id.as_u128())
            .collect()
    }

    fn end(fair: &mut FairQueue, number: u128) {
        let id = Uuid::from_u128(number);
        fair.end_request(id, true);
        fair.leave(id);
    }

    #[test]
    fn subscriptions_take_turns_within_their_limits() {
        let mut fair = FairQueue::new(256);
        add(&mut fair, 1, 2, 0..2);
        add(&mut fair, 2, 3, 10..13);
        assert_eq!(sent(&mut fair), [1, 2, 1, 2, 2]);
        assert_eq!(fair.in_flight(), 5);
    }

    #[test]
    fn one_that_has_requests_under_way_leaves_slots_to_those_that_have_none() {
        let mut fair = FairQueue::new(64);
        add(&mut fair, 1, 500, 0..500);
        let first = sent(&mut fair).len();
        assert!((20..=24).contains(&first), "a third: {first}");
        // Each new one gets a slot at once, and the first no further one.
        for number in 2..10 {
            add(&mut fair, number, 500, 1000 * number..1000 * number + 500);
            let sent = sent(&mut fair);
            assert!(sent.contains(&number) && !sent.contains(&1), "{sent:?}");
        }
        assert!(fair.in_flight() <= 64 - 64 / FRESH_PART);
    }

    #[test]
    fn fresh_deliveries_take_turns_with_all_others_and_have_a_slot() {
        let mut fair = FairQueue::new(8);
        for number in 0..20 {
            add(&mut fair, number, 20, number..number + 1);
        }
        // The last published goes first, whichever is claimed first.
        for number in [101, 102, 100] {
            add_fresh(&mut fair, number);
        }
        assert_eq!(sent(&mut fair), [102, 0, 101, 1, 100, 2, 3]);
        add_fresh(&mut fair, 103);
        assert_eq!(sent(&mut fair), [103]);
    }

    #[test]
    fn a_tenant_with_very_many_subscriptions_leaves_slots_to_others() {
        let mut fair = FairQueue::new(64);
        let tenant = Uuid::from_u128(7);
        for number in 1000..1100 {
            let subscription = subscription(number, 20);
            let queue = fair.get_or_add(subscription.id);
            queue.set_tenant(tenant);
            queue.set_max_in_flight(20);
            queue.add(1, false);
            queue.push(delivery(number, &subscription));
            fair.enter(subscription.id);
        }
        assert_eq!(sent(&mut fair).len(), 48);
        assert!(
            !fair.is_backed_up(),
            "the others of the tenant are set aside"
        );
        // None of them answers, and whoever comes is served at once, also again.
        add(&mut fair, 1, 20, 1..3);
        assert_eq!(sent(&mut fair), [1]);
        end(&mut fair, 1);
        assert_eq!(sent(&mut fair), [1]);
        add_fresh(&mut fair, 2);
        assert_eq!(sent(&mut fair), [2]);
        // With each request that ends the tenant makes another one, until all are made.
        for number in 1000..1048 {
            end(&mut fair, number);
        }
        end(&mut fair, 1);
        end(&mut fair, 2);
        assert_eq!(sent(&mut fair).len(), 48);
        (1048..1096).for_each(|number| end(&mut fair, number));
        fair.tick();
        assert_eq!(sent(&mut fair).len(), 4);
    }

    #[test]
    fn what_a_rate_does_not_permit_leaves_the_rotation() {
        let mut fair = FairQueue::new(8);
        add(&mut fair, 1, 20, 0..2);
        add(&mut fair, 2, 20, 10..11);
        let one = Uuid::from_u128(1);
        let next = fair.start_next(true, |id, _| match id == one {
            true => Permit::Later,
            false => Permit::Granted,
        });
        assert_eq!(next.map(|d| d.id), Some(Uuid::from_u128(10)));
        assert!(fair.start_next(true, |_, _| Permit::Granted).is_none());
        fair.enter(one);
        assert_eq!(sent(&mut fair), [1, 1]);
    }

    #[test]
    fn beyond_the_bytes_in_flight_each_gets_one_request() {
        let mut fair = FairQueue::new(64);
        for number in [1, 2] {
            add(&mut fair, number, 20, number * 10..number * 10 + 5);
        }
        let mut next = || {
            let delivery = fair.start_next(false, |_, _| Permit::Granted)?;
            Some(delivery.subscription.id.as_u128())
        };
        assert_eq!([next(), next(), next()], [Some(1), Some(2), None]);
    }

    #[test]
    fn it_is_backed_up_when_more_wait_for_a_slot_than_will_soon_have_one() {
        let mut fair = FairQueue::new(8);
        for number in 0..16 {
            add(&mut fair, number, 20, number..number + 1);
        }
        // One slot is left to fresh deliveries.
        assert_eq!(sent(&mut fair).len(), 7);
        assert!(fair.is_backed_up(), "nine wait");
        for round in 0..2 {
            (round * 7..(round + 1) * 7).for_each(|number| end(&mut fair, number));
            sent(&mut fair);
        }
        // The more are served, the more may wait: as many as are within an eighth of their second.
        for number in 16..25 {
            assert!(!fair.is_backed_up());
            add(&mut fair, number, 20, number..number + 1);
        }
        assert!(!fair.is_backed_up(), "nine wait");
        fair.tick();
        assert!(fair.is_backed_up(), "nothing ended lately");
    }

    #[test]
    fn queues_with_nothing_to_remember_are_forgotten() {
        let mut fair = FairQueue::new(64);
        add(&mut fair, 1, 20, 0..1);
        sent(&mut fair);
        end(&mut fair, 1);
        fair.tick();
        assert_eq!(fair.iter().count(), 0);
    }

    #[test]
    fn locked_queues_do_not_share_the_capacity() {
        let mut fair = FairQueue::new(64);
        for number in [1, 2] {
            add(&mut fair, number, 20, number..number + 1);
        }
        let [one, two] = [1, 2].map(Uuid::from_u128);
        let shares = |fair: &FairQueue| (fair.share(), fair.least_share());
        assert_eq!(shares(&fair), (288, 192));
        fair.lock_result(one);
        fair.lock_result(one);
        assert_eq!(shares(&fair), (576, 384));
        assert!(!fair.unlock_result(one) && fair.unlock_result(one));
        assert_eq!(shares(&fair), (288, 192));
        assert!(!fair.unlock_result(two), "it was not locked");
        assert_eq!(shares(&fair), (288, 192));
    }

    proptest! {
        /// Whatever is added and whichever requests end: limits are kept, and everything is sent, in each queue's
        /// order.
        #[test]
        fn limits_are_kept_and_everything_is_sent(
            slots in 1_usize..40,
            steps in prop::collection::vec((0_u128..12, 1_usize..8, any::<bool>()), 1..80),
        ) {
            let mut fair = FairQueue::new(slots);
            let (mut added, mut out, mut done) = (0, Vec::new(), Vec::new());
            let limit = |number: u128| 1 + number as usize % 5;
            let send = |fair: &mut FairQueue, out: &mut Vec<(u128, u128)>| {
                while let Some(next) = fair.start_next(true, |_, _| Permit::Granted) {
                    out.push((next.subscription.id.as_u128(), next.id.as_u128()));
                }
            };
            for (number, n, ends) in steps {
                add(&mut fair, number, limit(number), added..added + n as u128);
                added += n as u128;
                send(&mut fair, &mut out);
                prop_assert_eq!(fair.in_flight(), out.len());
                prop_assert!(out.len() <= slots);
                for number in 0..12 {
                    let of_one = out.iter().filter(|(of, _)| *of == number).count();
                    prop_assert!(of_one <= limit(number));
                }
                if ends && !out.is_empty() {
                    let (of, id) = out.remove(n % out.len());
                    end(&mut fair, of);
                    done.push(id);
                }
            }
            send(&mut fair, &mut out);
            while !out.is_empty() {
                for (of, id) in std::mem::take(&mut out) {
                    end(&mut fair, of);
                    done.push(id);
                }
                send(&mut fair, &mut out);
            }
            done.sort_unstable();
            prop_assert_eq!(done, (0..added).collect::<Vec<_>>());
        }
    }
}
