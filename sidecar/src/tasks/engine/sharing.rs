//! Sharing: taking shards up to the fair share, and releasing what exceeds it.

use super::Engine;
use crate::postgres::balance::Balanced;
use std::time::Instant;

impl Engine {
    pub(super) fn balanced(&mut self, balanced: &Balanced, now: Instant) {
        let (fair_share, acquired) = (balanced.fair_share, &balanced.acquired[..]);
        if !balanced.may_sleep {
            // Nobody could wake it.
            self.doorbell.must_not_sleep();
        }
        if !acquired.is_empty() {
            self.shards.on_acquired(acquired);
            self.scheduler.on_acquired(acquired, now);
            self.reload_subscriptions = true;
            self.doorbell.on_work();
            self.promote_at = now;
            self.scheduler.look_for_tests();
            // The new shards' bells are not locked: start over.
            self.doorbell.must_not_sleep();
        }
        let fitted = self.shards.fit(fair_share, now);
        if !fitted.draining.is_empty() {
            tracing::debug!(shards = ?fitted.draining, "releasing shards");
            self.scheduler
                .release_waiting(|delivery| fitted.draining.contains(&delivery.shard));
        }
        if !fitted.kept.is_empty() {
            // As if new: what was dropped is still to be claimed, and their bells may not be locked.
            tracing::debug!(shards = ?fitted.kept, "keeping shards after all");
            self.doorbell.on_work();
            self.promote_at = now;
            self.scheduler.look_for_tests();
            self.doorbell.must_not_sleep();
        }
        if !acquired.is_empty() || !self.announced {
            self.announced = true;
            self.health.usable(now);
            tracing::info!(owned = self.shards.owned().len(), fair_share, "ready");
        }
    }

    /// Draining shards that can be released now.
    pub(super) fn shards_to_release(&mut self, now: Instant) -> Option<Vec<i16>> {
        for shard in self.shards.to_cut_off(now) {
            let requests = self.scheduler.cut_off(Some(shard));
            if requests > 0 {
                tracing::warn!(
                    shard,
                    requests,
                    "requests cut off to release a shard; its next owner makes them again"
                );
            }
        }
        let ready = self
            .shards
            .to_release(now, |shard| self.scheduler.busy(shard));
        for shard in &ready {
            self.scheduler.forget_unrecordable(Some(*shard));
        }
        (!ready.is_empty()).then_some(ready)
    }
}
