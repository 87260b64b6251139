//! Sharing: taking shards up to the fair share, and releasing what exceeds it.

use super::super::session::Command;
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
            self.doorbell.on_work();
            self.agenda.on_shards_added(now);
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
            self.agenda.on_shards_added(now);
            self.scheduler.look_for_tests();
            self.doorbell.must_not_sleep();
        }
        if !acquired.is_empty() || !self.health.is_usable() {
            self.health.on_usable(now);
            tracing::info!(owned = self.shards.owned().len(), fair_share, "ready");
        }
    }

    /// Cuts off the requests of draining shards that have had their time.
    pub(super) fn cut_off_overdue(&mut self, now: Instant) {
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
    }

    /// Unlocks the bells, and releases shards: with fewer of them, other bells have to be locked.
    pub(super) fn release(&mut self, shards: Vec<i16>) -> Command {
        Command::Release {
            armed: self.doorbell.on_disarming(),
            shards,
        }
    }

    pub(super) fn released(&mut self, shards: &[i16], now: Instant) {
        self.shards.on_released(shards);
        self.scheduler
            .forget_receivers(|shard| shards.contains(&shard));
        self.doorbell.on_disarmed(now);
        if !shards.is_empty() {
            let owned = self.shards.owned().len();
            tracing::info!(?shards, owned, "released shards");
        }
    }
}
