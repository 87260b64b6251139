//! Results: attempts that ended, and what the recorder wrote.

use super::{Engine, PROMOTE_STEP};
use crate::deliver::Attempt;
use crate::dispatch::{BreakerChange, Verdict};
use crate::record::{self, Flushed};
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Engine {
    /// Takes in one event of the delivering and recording side. Cancel-safe.
    pub(super) async fn event(&mut self) {
        tokio::select! {
            attempt = self.attempts.recv() => {
                if let Some(attempt) = attempt {
                    self.attempted(attempt);
                    while let Ok(attempt) = self.attempts.try_recv() {
                        self.attempted(attempt);
                    }
                }
            }
            flushed = self.flushed.recv() => match flushed {
                Some(Flushed { recorded, refused, void, parked }) => {
                    for id in parked {
                        self.board.park(id);
                    }
                    for id in recorded {
                        self.board.recorded(id, self.claiming);
                    }
                    for id in refused {
                        self.board.refused(id);
                    }
                    for id in void {
                        self.board.void(id, self.claiming);
                    }
                }
                None => std::future::pending().await,
            },
            news = self.news.recv() => {
                if let Some(news) = news {
                    self.heard_of_receiver(news);
                }
            }
        }
    }

    pub(super) async fn events_only(&mut self) {
        loop {
            self.event().await;
        }
    }

    fn attempted(&mut self, mut attempt: Attempt) {
        let now = Instant::now();
        tracing::debug!(
            delivery_id = %attempt.delivery_id, subscription_id = %attempt.subscription_id, attempt = attempt.attempt + 1,
            status = attempt.status, http_status = attempt.http_status, "attempted"
        );
        if attempt.is_void {
            self.board.not_attempted(attempt.delivery_id);
            return;
        }
        if now >= self.lease_until
            && attempt.verdict != Verdict::Works
            && !self.shards.owned().is_empty()
        {
            // This process stood still, or the server does not answer: others may own the shards by now.
            self.parked.push(attempt);
            return;
        }
        if !self.board.attempted(&mut attempt, now) {
            record::count_late(
                attempt.delivery_id,
                "its shard was lost while the request was under way, and the shard's owner makes it again",
            );
            return;
        }
        if let Some(delay) = attempt.retry_after {
            self.promote_at = self.promote_at.min(now + delay + PROMOTE_STEP);
        }
        match attempt.breaker {
            Some(BreakerChange::Open { was_open: true, .. }) => {
                tracing::debug!(subscription_id = %attempt.subscription_id, "the probe failed, too");
            }
            Some(BreakerChange::Open { probe_in, .. }) => {
                tracing::warn!(subscription_id = %attempt.subscription_id, probe_in_seconds = probe_in.as_secs(), "breaker open: deliveries wait");
            }
            Some(BreakerChange::Closed { was_open: true }) => {
                tracing::info!(subscription_id = %attempt.subscription_id, "breaker closed: the receiver works again");
            }
            Some(BreakerChange::Throttled { wait }) => {
                tracing::info!(subscription_id = %attempt.subscription_id, http_status = attempt.http_status, seconds = wait.as_secs(), "the receiver wants a pause: deliveries wait");
            }
            _ => {}
        }
        let disable_after = self.settings.as_ref().and_then(|s| s.disable_after);
        if let Some(limit) = disable_after
            && attempt.verdict == Verdict::Fails
            && !attempt.is_test
            && attempt.disable_reason.is_none()
            && let Some(lasted) = self.board.failing_for(attempt.subscription_id, now)
            && lasted >= limit
        {
            attempt.disable_reason = Some(format!(
                "nothing but failures for {} hours (disable_after_failing_hours is {}); last: {}",
                lasted.as_secs() / 3600,
                limit.as_secs() / 3600,
                attempt.error.as_deref().unwrap_or("failed"),
            ));
        }
        if let Some(reason) = &attempt.disable_reason {
            tracing::warn!(subscription_id = %attempt.subscription_id, reason, "subscription disabled");
            self.board
                .disabling(attempt.delivery_id, attempt.subscription_id);
        }
        attempt.session = self.lost_sessions.load(Ordering::Relaxed);
        // The recorder outlives the engine.
        let _ = self.results.send(attempt);
    }

    /// The lease was prolonged, or the session is lost: that decides whether parked failures count.
    pub(super) fn settle_parked(&mut self) {
        if self.shards.owned().is_empty() || Instant::now() < self.lease_until {
            for attempt in std::mem::take(&mut self.parked) {
                self.attempted(attempt);
            }
        }
    }
}
