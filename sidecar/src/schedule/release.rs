//! Releasing: what this sidecar lets go of stays in the database, for a later claim or the shard's next owner.

use super::Scheduler;
use crate::model::Delivery;
use std::collections::VecDeque;
use uuid::Uuid;

impl<R> Scheduler<R> {
    /// Releases what waits and matches, by shard for example.
    pub fn release_waiting(&mut self, matches: impl Fn(&Delivery) -> bool) {
        let queues: Vec<Uuid> = self.queues.iter().map(|(id, _)| id).collect();
        for id in queues {
            self.release_from_queue(id, &matches);
        }
        self.release_from_lanes(|_| true, matches);
    }

    /// Releases what waits of a subscription.
    pub(super) fn release_waiting_of(&mut self, subscription: Uuid) {
        self.release_from_queue(subscription, |_| true);
        let queue = self.queues.get(subscription);
        if queue.is_some_and(|queue| queue.is_ordered()) {
            self.release_from_lanes(|id| id == subscription, |_| true);
        }
    }

    fn release_from_queue(&mut self, id: Uuid, matches: impl Fn(&Delivery) -> bool) {
        let Some(queue) = self.queues.get_mut(id) else {
            return;
        };
        for delivery in queue.take(matches) {
            self.release(&delivery);
        }
    }

    /// Also behind what is in flight.
    fn release_from_lanes(
        &mut self,
        of: impl Fn(Uuid) -> bool,
        matches: impl Fn(&Delivery) -> bool,
    ) {
        for lane in self.lanes.all() {
            let first = self.lanes.first_behind(lane).filter(|_| of(lane.0));
            if first.is_some_and(&matches) {
                let behind = self.lanes.take_behind(lane);
                self.remove_all(&behind);
            }
        }
    }

    /// Releases a delivery that waited, and what is behind it in its lane.
    pub(super) fn release(&mut self, delivery: &Delivery) {
        if let Some(lane) = delivery.lane {
            let lane = (delivery.queue(), lane);
            let behind = self.lanes.take_behind(lane);
            self.remove_all(&behind);
            self.lanes.release(lane);
        }
        self.remove(delivery);
    }

    pub(super) fn remove_all(&mut self, deliveries: &VecDeque<Delivery>) {
        deliveries.iter().for_each(|delivery| self.remove(delivery));
    }

    fn remove(&mut self, delivery: &Delivery) {
        let claim = self.planner.number();
        let held = self.buffer.remove(delivery.id);
        if let Some(queue) = self.queues.get_mut(delivery.queue()) {
            queue.cursor.rewind(delivery.id, claim);
            queue.remove(held.map_or(0, |held| held.size));
        }
    }

    /// Cuts off the requests under way of a shard, or of all. Returns how many.
    pub fn cut_off(&mut self, shard: Option<i16>) -> usize {
        let in_flight = self.buffer.in_flight(shard);
        for id in &in_flight {
            self.give_up(*id);
        }
        in_flight.len()
    }

    /// Forgets a delivery whose request is under way, or ended without a result. False: it is not, or was given up
    /// before.
    pub(super) fn give_up(&mut self, id: Uuid) -> bool {
        let Some(held) = self.buffer.give_up(id) else {
            return false;
        };
        self.rewind(held.queue, id);
        if let Some(lane) = held.lane {
            let lane = (held.queue, lane);
            let behind = self.lanes.take_behind(lane);
            self.remove_all(&behind);
            self.lanes.release(lane);
        }
        if let Some(queue) = self.queues.get_mut(held.queue) {
            queue.leave();
        }
        self.queues.end_request(held.queue, false);
        true
    }

    /// The shards were lost, or may have been: whatever is under way, their next owner makes anew.
    pub fn on_lease_lost(&mut self) {
        self.buffer.on_lease_lost();
    }

    /// Forgets what can't be recorded, of a shard that is released or of all: its next owner has to see for itself. Returns
    /// whether there was anything.
    pub fn forget_unrecordable(&mut self, shard: Option<i16>) -> bool {
        let unrecordable = self.buffer.unrecordable(shard);
        for id in &unrecordable {
            let Some(held) = self.buffer.remove(*id) else {
                continue;
            };
            self.rewind(held.queue, *id);
            if let Some(lane) = held.lane {
                self.lanes.release((held.queue, lane));
            }
        }
        if !unrecordable.is_empty() {
            self.planner.want_more();
        }
        !unrecordable.is_empty()
    }
}
