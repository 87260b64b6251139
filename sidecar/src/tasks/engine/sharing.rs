//! Sharing: taking shards up to the fair share, and giving back what exceeds it.

use super::Engine;
use crate::postgres::balance::Balanced;
use crate::shards::{HAND_OVER, RECORDING};
use std::time::Instant;

impl Engine {
    pub(super) fn balanced(&mut self, balanced: &Balanced, now: Instant) {
        let (fair_share, acquired) = (balanced.fair_share, &balanced.acquired[..]);
        if !balanced.may_sleep {
            // Nobody could wake it.
            self.disarm_first |= self.wake.is_armed();
        }
        if !acquired.is_empty() {
            self.shards.acquired(acquired);
            // Who owned them before knew more of their receivers, and left it in the database.
            self.board.acquired(acquired, now);
            self.reload_subscriptions = true;
            self.wake.look_again();
            self.promote_at = now;
            self.tests_at = now;
            // The new shards' bells are not locked: start over.
            self.disarm_first |= self.wake.is_armed();
        }
        let fitted = self.shards.fit(fair_share, now);
        if !fitted.leaving.is_empty() {
            tracing::debug!(shards = ?fitted.leaving, "releasing shards");
            self.board
                .drop_waiting(|delivery| fitted.leaving.contains(&delivery.shard));
        }
        if !fitted.kept.is_empty() {
            // As if new: what was dropped is still to be claimed, and their bells may not be locked.
            tracing::debug!(shards = ?fitted.kept, "keeping shards after all");
            self.wake.look_again();
            self.promote_at = now;
            self.tests_at = now;
            self.disarm_first |= self.wake.is_armed();
        }
        if !acquired.is_empty() || !self.announced {
            self.announced = true;
            self.health.usable(now);
            tracing::info!(owned = self.shards.owned().len(), fair_share, "ready");
        }
    }

    /// Leaving shards that can be given back now: idle, or out of time.
    pub(super) fn shards_to_release(&mut self, now: Instant) -> Option<Vec<i16>> {
        let mut ready = Vec::new();
        for (shard, since) in self.shards.leaving(now) {
            if since >= HAND_OVER {
                let aborted = self.board.abort(Some(shard));
                if aborted > 0 {
                    tracing::warn!(
                        shard,
                        aborted,
                        "requests cut off to release a shard; its next owner makes them again"
                    );
                }
            }
            // Also what was answered and is not recorded yet would be made again.
            if self.board.busy(shard) == 0 || since >= HAND_OVER + RECORDING {
                self.board.forget_stuck(Some(shard));
                ready.push(shard);
            }
        }
        (!ready.is_empty()).then_some(ready)
    }
}
