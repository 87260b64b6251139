//! What was seen of each line's backlog, for claims that do not walk over everything: while dead rows pile up in the
//! queue's index, because some transaction keeps them from being removed, only what is behind them is looked at.

use super::Board;
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

    /// The lines that a claim should look at if it does not walk, and after which id; `None`: at their lanes. They take
    /// turns.
    pub fn take_turns(&mut self, full: &[Uuid]) -> (Vec<Uuid>, Vec<Option<Uuid>>) {
        let full: HashSet<&Uuid> = full.iter().collect();
        let mut ids: Vec<Uuid> = self.lines.keys().copied().collect();
        ids.retain(|id| !full.contains(id));
        ids.sort_unstable();
        let start = ids.partition_point(|id| *id <= self.looked_until);
        ids.rotate_left(start);
        ids.truncate(MAX_LINES);
        let mut afters = (Vec::new(), Vec::new());
        for id in ids {
            let Some(line) = self.lines.get_mut(&id) else {
                continue;
            };
            line.more = false;
            self.looked_until = id;
            afters.0.push(id);
            afters.1.push(Some(line.seen.unwrap_or_default()));
            if line.is_ordered {
                afters.0.push(id);
                afters.1.push(None);
            }
        }
        afters
    }
}
