//! Results: attempts that ended, and what the recorder wrote.

use super::super::late::count_late;
use super::super::recorder::Flushed;
use super::Engine;
use crate::model::{Attempt, BreakerChange, EndpointSignal, NotSent};
use crate::schedule::{Attempted, Ended};
use std::time::Instant;

impl Engine {
    pub(super) fn flushed(&mut self, flushed: Flushed) {
        for id in flushed.locked {
            self.scheduler.on_locked(id);
        }
        for id in flushed.recorded {
            self.scheduler.on_recorded(id);
        }
        for id in flushed.unrecordable {
            self.scheduler.on_unrecordable(id);
        }
        for id in flushed.discarded {
            self.scheduler.on_discarded(id);
        }
    }

    pub(super) fn ended(&mut self, ended: Result<Attempt, NotSent>) {
        match ended {
            Ok(attempt) => self.attempted(attempt),
            Err(NotSent { delivery_id }) => {
                tracing::debug!(%delivery_id, "not sent: it will be made later");
                self.scheduler.on_not_sent(delivery_id);
            }
        }
    }

    fn attempted(&mut self, mut attempt: Attempt) {
        let now = Instant::now();
        tracing::debug!(
            delivery_id = %attempt.delivery_id, subscription_id = %attempt.subscription_id, attempt = attempt.attempt + 1,
            result = ?attempt.result, http_status = attempt.http_status(), "attempted"
        );
        if attempt.signal != EndpointSignal::Success && self.lease.is_expired(now) {
            self.lease.wait(attempt);
            return;
        }
        let ended = Ended {
            delivery: attempt.delivery_id,
            signal: attempt.signal,
            duration: attempt.exchange.duration,
            is_retried: attempt.retry_after().is_some(),
            throttle: attempt.throttle,
        };
        let Attempted::ToRecord(change) = self.scheduler.on_attempted(&ended, now) else {
            count_late(
                &self.telemetry.metrics,
                attempt.delivery_id,
                "its shard was lost while the request was under way, and the shard's owner makes it again",
            );
            return;
        };
        self.telemetry.metrics.on_attempted(&attempt);
        self.log.on_attempted(&attempt, now);
        attempt.breaker = change;
        if let Some(delay) = attempt.retry_after() {
            self.agenda.on_retry(delay, now);
        }
        let (tenant_id, subscription_id) = (attempt.tenant_id, attempt.subscription_id);
        let (host, http_status) = (attempt.host.as_deref(), attempt.http_status());
        match attempt.breaker {
            Some(BreakerChange::Open { was_open: true, .. }) => {
                tracing::debug!(%tenant_id, %subscription_id, host, http_status, "the probe failed, too");
            }
            Some(BreakerChange::Open { probe_in, .. }) => {
                tracing::warn!(
                    %tenant_id, %subscription_id, host, http_status, error = attempt.error,
                    probe_in_seconds = probe_in.as_secs(), "breaker open: deliveries wait"
                );
            }
            Some(BreakerChange::Closed { was_open: true }) => {
                tracing::info!(%tenant_id, %subscription_id, host, "breaker closed: deliveries go on");
            }
            Some(BreakerChange::Throttled { wait }) => {
                tracing::info!(
                    %tenant_id, %subscription_id, host, http_status, seconds = wait.as_secs(),
                    "the receiver wants a pause: deliveries wait"
                );
            }
            _ => {}
        }
        let disable_after = self.settings.as_ref().and_then(|s| s.disable_after);
        if let Some(limit) = disable_after
            && attempt.signal == EndpointSignal::Failure
            && !attempt.is_test
            && attempt.disable_reason.is_none()
            && let Some(lasted) = self.scheduler.failing_for(attempt.subscription_id, now)
            && lasted >= limit
        {
            attempt.disable_reason = Some(format!(
                "nothing but failures for {} hours (disable_after_failing_hours is {}); last: {}",
                lasted.as_secs() / 3600,
                limit.as_secs() / 3600,
                attempt.error.as_deref().unwrap_or("failed"),
            ));
        }
        if let Some(reason) = &attempt.disable_reason
            && self
                .scheduler
                .on_disabling(attempt.delivery_id, subscription_id)
        {
            tracing::warn!(%tenant_id, %subscription_id, host, http_status, reason, "subscription disabled");
            self.telemetry.metrics.subscriptions_disabled.inc();
        }
        self.workers.recorder.record(attempt);
    }

    /// The lease was prolonged or lost: that decides whether the failures count that wait.
    pub(super) fn settle_waiting(&mut self) {
        for attempt in self.lease.take_settled(Instant::now()) {
            self.attempted(attempt);
        }
    }
}
