//! Putting back: what this sidecar lets go of stays in the database, for a later claim or the shard's next owner.

use super::{Board, State};
use crate::model::Delivery;
use std::collections::VecDeque;
use uuid::Uuid;

impl Board {
    /// It, and what is behind it in its lane, stays in the database.
    pub(super) fn put_back(&mut self, delivery: &Delivery) {
        let subscription = delivery.subscription.id;
        if let Some(lane) = delivery.lane {
            for behind in self.lanes.clear_behind((subscription, lane)) {
                self.unhold(&behind);
            }
            self.lanes.released((subscription, lane));
        }
        self.unhold(delivery);
    }

    pub(super) fn unhold(&mut self, delivery: &Delivery) {
        self.unsee(delivery.line(), delivery.id);
        let size = self.held.remove(&delivery.id).map_or(0, |held| held.size);
        self.bytes -= size;
        if let Some(line) = self.lines.get_mut(&delivery.line()) {
            line.held -= 1;
            line.bytes = line.bytes.saturating_sub(size);
        }
    }

    /// The shards were lost, or may have been: whatever is under way, their next owner makes anew.
    pub fn disown(&mut self) {
        for held in self.held.values_mut() {
            held.is_disowned = true;
        }
    }

    /// Forgets what can't be recorded, of a shard that is given back or of all: its next owner has to see for itself.
    pub fn forget_stuck(&mut self, shard: Option<i16>) {
        let stuck: Vec<(Uuid, Uuid, Option<i64>)> = self
            .held
            .iter()
            .filter(|(_, held)| matches!(held.state, State::Stuck))
            .filter(|(_, held)| shard.is_none_or(|shard| shard == held.shard))
            .map(|(id, held)| (*id, held.line, held.lane))
            .collect();
        self.stuck -= stuck.len();
        for (id, subscription, lane) in stuck {
            self.held.remove(&id);
            self.unsee(subscription, id);
            if let Some(lane) = lane {
                self.lanes.released((subscription, lane));
            }
        }
    }

    /// Drops what waits and matches, by shard for example: it stays in the database.
    pub fn drop_waiting(&mut self, matches: impl Fn(&Delivery) -> bool) {
        let lines: Vec<Uuid> = self.lines.keys().copied().collect();
        for id in lines {
            self.drop_from_line(id, &matches);
        }
        self.drop_from_lanes(|_| true, matches);
    }

    /// Drops what waits of a subscription.
    pub(super) fn drop_waiting_of(&mut self, subscription: Uuid) {
        self.drop_from_line(subscription, |_| true);
        if self
            .lines
            .get(&subscription)
            .is_some_and(|line| line.is_ordered)
        {
            self.drop_from_lanes(|id| id == subscription, |_| true);
        }
    }

    fn drop_from_line(&mut self, id: Uuid, matches: impl Fn(&Delivery) -> bool) {
        let Some(line) = self.lines.get_mut(&id) else {
            return;
        };
        let (dropped, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut line.waiting)
            .into_iter()
            .partition(matches);
        line.waiting = kept;
        for delivery in dropped {
            self.put_back(&delivery);
        }
    }

    /// Also behind what is in flight.
    fn drop_from_lanes(&mut self, of: impl Fn(Uuid) -> bool, matches: impl Fn(&Delivery) -> bool) {
        for lane in self.lanes.all() {
            let first = self.lanes.first_behind(lane).filter(|_| of(lane.0));
            if first.is_some_and(&matches) {
                for behind in self.lanes.clear_behind(lane) {
                    self.unhold(&behind);
                }
            }
        }
    }

    /// Gives up the requests in flight of a shard, or of all; returns how many.
    pub fn abort(&mut self, shard: Option<i16>) -> usize {
        let aborted: Vec<Uuid> = self
            .held
            .iter()
            .filter(|(_, held)| shard.is_none_or(|shard| held.shard == shard))
            .filter_map(|(id, held)| match &held.state {
                State::InFlight(task) => {
                    task.abort();
                    Some(*id)
                }
                _ => None,
            })
            .collect();
        for id in &aborted {
            self.give_up(*id);
        }
        aborted.len()
    }

    /// Forgets what is in flight: it stays in the database.
    pub(super) fn give_up(&mut self, id: Uuid) {
        let Some(held) = self.held.remove(&id) else {
            return;
        };
        self.bytes_in_flight -= held.size;
        self.unsee(held.line, id);
        if let Some(lane) = held.lane {
            let lane = (held.line, lane);
            for behind in self.lanes.clear_behind(lane) {
                self.unhold(&behind);
            }
            self.lanes.released(lane);
        }
        if let Some(line) = self.lines.get_mut(&held.line) {
            line.held = line.held.saturating_sub(1);
        }
        self.leave_flight(held.line, false);
    }
}
