//! What was seen of each line's backlog, for claims that do not walk over everything: while dead rows pile up in the
//! queue's index, because some transaction keeps them from being removed, only what is behind them is looked at.

use super::Board;
use super::line::Line;
use std::collections::HashSet;
use uuid::Uuid;

/// Most lines that one claim looks at.
const MAX_LINES: usize = 1024;

impl Board {
    /// A claim brought this delivery, in order of ids with all others of its subscription that were ready; it is here.
    pub(super) fn see(&mut self, subscription: Uuid, id: Uuid) {
        if let Some(line) = self.lines.get_mut(&subscription)
            && line.unseen_since != self.claims
        {
            line.seen = line.seen.max(Some(id));
        }
    }

    /// Whether walks are slow: then what has no line would have to wait for the next one.
    pub fn walks_are_slow(&mut self, slow: bool) {
        self.walks_are_slow = slow;
    }

    /// This delivery became ready.
    pub fn promoted(&mut self, subscription: Uuid, id: Uuid) {
        self.have_looked_at(subscription);
        self.unsee(subscription, id);
    }

    /// While walks are slow, gives a subscription a line, so that a claim looks at it.
    pub(super) fn have_looked_at(&mut self, subscription: Uuid) {
        if self.walks_are_slow {
            self.lines.entry(subscription).or_insert_with(|| Line {
                is_ordered: true,
                ..Line::default()
            });
        }
    }

    /// This delivery is ready, and not here: a claim has to look from it on.
    pub fn unsee(&mut self, subscription: Uuid, id: Uuid) {
        if let Some(line) = self.lines.get_mut(&subscription) {
            line.unseen_since = self.claims;
            let before = Uuid::from_u128(id.as_u128().saturating_sub(1));
            line.seen = line.seen.map(|seen| seen.min(before));
        }
    }

    /// Shards were acquired: what their owner before left ready is not known.
    pub(super) fn unsee_all(&mut self) {
        for line in self.lines.values_mut() {
            line.seen = None;
        }
    }

    /// The lines that a claim should look at if it does not walk, and after which id; `None`: at their lanes, if they
    /// are wanted. They take turns.
    pub fn in_turn(&self, full: &HashSet<Uuid>, lanes: bool) -> (Vec<Uuid>, Vec<Option<Uuid>>) {
        let mut ids: Vec<Uuid> = self.lines.keys().copied().collect();
        ids.retain(|id| !full.contains(id));
        ids.sort_unstable();
        let start = ids.partition_point(|id| *id <= self.looked_until);
        ids.rotate_left(start);
        ids.truncate(MAX_LINES);
        let mut subscriptions = Vec::new();
        let mut after = Vec::new();
        for id in ids {
            let Some(line) = self.lines.get(&id) else {
                continue;
            };
            subscriptions.push(id);
            after.push(Some(line.seen.unwrap_or_default()));
            if lanes && line.is_ordered {
                subscriptions.push(id);
                after.push(None);
            }
        }
        (subscriptions, after)
    }

    /// A claim looked at these lines. `last`: it was cut short there.
    pub fn looked_at(&mut self, subscriptions: &[Uuid], last: Option<Uuid>) {
        let reached = last
            .and_then(|last| subscriptions.iter().rposition(|id| *id == last))
            .map_or(subscriptions, |place| &subscriptions[..=place]);
        for id in reached {
            if let Some(line) = self.lines.get_mut(id) {
                line.more = false;
            }
        }
        self.looked_until = reached.last().copied().unwrap_or_default();
    }
}
