//! Claiming: where a claim looks, and what it brings.

use super::{Action, Engine, PROMOTE_PAUSE, Purpose, Reply};
use crate::model::{ClaimRequest, Claimed};
use crate::postgres::claim::claim;
use crate::postgres::owner::Owner;
use crate::schedule::claim_planner::{Outcome, Scope};
use std::sync::Arc;
use std::time::Instant;

impl Engine {
    pub(super) fn claim(&mut self, owner: Arc<Owner>, scope: Scope, now: Instant) -> Action {
        self.doorbell.on_claiming(now);
        self.purpose = Purpose::Claim;
        let cursors = self.shards.cursors();
        let request = self.scheduler.on_claiming(scope, cursors, now);
        self.run_claim(owner, request, scope)
    }

    /// Looks for tests, of subscriptions that none is under way of; `None`: enough are.
    pub(super) fn claim_tests(&mut self, owner: &Arc<Owner>, now: Instant) -> Option<Action> {
        let shards = self.shards.of_tests();
        let request = self.scheduler.on_claiming_tests(shards, now)?;
        self.purpose = Purpose::Tests;
        Some(self.run_claim(owner.clone(), request, Scope::Tests))
    }

    fn run_claim(&mut self, owner: Arc<Owner>, request: ClaimRequest, scope: Scope) -> Action {
        let subscriptions = self.subscriptions.clone();
        let changed = std::mem::take(&mut self.changed);
        let anew = std::mem::take(&mut self.reload_subscriptions);
        let settings = self.settings.clone();
        Box::pin(async move {
            let mut subscriptions = subscriptions.lock().await;
            if anew {
                subscriptions.clear();
            }
            subscriptions.forget(&changed);
            let settings = match settings {
                Some(settings) => settings,
                None => Arc::new(owner.settings().await?),
            };
            let claimed = claim(&owner, &settings, &mut subscriptions, request).await?;
            Ok(Reply::Claimed { claimed, scope })
        })
    }

    pub(super) fn claimed(&mut self, claimed: Claimed, scope: Scope, now: Instant) {
        let outcome = Outcome {
            rows: claimed.deliveries.len(),
            fresh: claimed.deliveries.iter().filter(|d| d.is_fresh).count(),
            is_truncated: claimed.stopped_at.is_some(),
            has_more_lanes: claimed.more_lanes,
            scan: claimed.scan,
            took: self.action_started.elapsed(),
            round_trip: self.round_trip,
        };
        tracing::debug!(
            rows = outcome.rows,
            took_us = outcome.took.as_micros(),
            scan_us = outcome.scan.map(|scan| scan.as_micros()),
            is_truncated = outcome.is_truncated,
            ?scope,
            "claimed"
        );
        if let Some(took) = self.scheduler.on_claimed(scope, &outcome, now) {
            tracing::warn!(
                took_ms = took.as_millis(),
                "slow queue scan: vacuum may be blocked by a long transaction (see pg_stat_activity.backend_xmin, pg_replication_slots.xmin and pg_prepared_xacts), or tens of thousands of subscriptions have deliveries waiting"
            );
        }
        self.warn_of_timeout(&claimed);
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
            self.promote_at = self.promote_at.min(now + PROMOTE_PAUSE);
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

    fn warn_of_timeout(&mut self, claimed: &Claimed) {
        if claimed.longest_timeout <= self.args.drain_timeout.max(self.longest_timeout) {
            return;
        }
        self.longest_timeout = claimed.longest_timeout;
        tracing::warn!(
            timeout_seconds = claimed.longest_timeout.as_secs(),
            drain_timeout_seconds = self.args.drain_timeout.as_secs(),
            "a subscription's timeout_seconds is longer than --drain-timeout: its slow requests are cut off at shutdown and made again; give --drain-timeout as much, or the subscription less"
        );
    }
}
