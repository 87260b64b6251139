//! Claiming: taking in what a claim brings.

use super::super::session::Timing;
use super::Engine;
use crate::model::Claimed;
use crate::schedule::claim_planner::{Outcome, Scope};
use std::time::Instant;

impl Engine {
    pub(super) fn claimed(
        &mut self,
        claimed: Claimed,
        scope: Scope,
        timing: &Timing,
        now: Instant,
    ) {
        let outcome = Outcome {
            rows: claimed.deliveries.len(),
            fresh: claimed.deliveries.iter().filter(|d| d.is_fresh).count(),
            is_truncated: claimed.stopped_at.is_some(),
            has_more_lanes: claimed.more_lanes,
            scan: claimed.scan,
            took: timing.took,
            round_trip: timing.round_trip,
        };
        tracing::debug!(
            rows = outcome.rows,
            took_us = outcome.took.as_micros(),
            scan_us = outcome.scan.map(|scan| scan.as_micros()),
            is_truncated = outcome.is_truncated,
            ?scope,
            "claimed"
        );
        let metrics = &self.telemetry.metrics;
        metrics.claim_duration.observe(outcome.took.as_secs_f64());
        metrics.claim_deliveries.observe(outcome.rows as f64);
        if let Some(took) = self.scheduler.on_claimed(scope, &outcome, now) {
            tracing::warn!(
                took_ms = took.as_millis(),
                "slow queue scan: vacuum may be blocked by a long transaction (see pg_stat_activity.backend_xmin, pg_replication_slots.xmin and pg_prepared_xacts), or tens of thousands of subscriptions have deliveries waiting"
            );
        }
        self.drain_timeout.warn_of_longer(claimed.longest_timeout);
        if scope == Scope::Backlogs {
            let last = claimed.deliveries.last();
            let last = last.filter(|_| outcome.is_truncated);
            self.scheduler
                .on_backlogs_read(&claimed.looked_at, last.map(|last| last.subscription.id));
        }
        self.scheduler.on_receivers_loaded(claimed.receivers, now);
        let active = self.shards.active();
        let mut found = false;
        for delivery in claimed.deliveries {
            // Shards may have begun to drain while the claim was under way.
            if active.contains(&delivery.shard) {
                found |= self.scheduler.offer(delivery, now);
            }
        }
        if scope == Scope::Tests {
            self.scheduler.on_claim_ended();
            return;
        }
        if claimed.more_lanes {
            self.agenda.on_more_lanes(now);
        }
        for subscription in claimed.more {
            self.scheduler.on_more(subscription);
        }
        self.scheduler.on_claim_ended();
        match (scope, claimed.stopped_at) {
            (Scope::FullScan { .. }, Some(last)) => {
                self.shards.advance(&last);
                self.doorbell.on_work();
            }
            (Scope::FullScan { from_start }, None) => {
                self.shards.rewind();
                if !from_start {
                    self.doorbell.on_work();
                }
            }
            (Scope::Backlogs, Some(_)) => self.doorbell.on_work(),
            (Scope::Backlogs, None) | (Scope::FreshOnly | Scope::Tests, _) => {}
        }
        if found {
            self.doorbell.on_found(now);
        }
    }
}
