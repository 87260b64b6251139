//! Shutdown: send nothing more, let requests under way finish, release the shards.

use super::super::session::Command;
use super::Engine;
use crate::schedule::agenda::BALANCE_INTERVAL;
use std::time::{Duration, Instant};

/// How long recording may take after the last request at shutdown.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(15);

/// How long requests under way may take at shutdown.
pub(super) struct DrainTimeout {
    timeout: Duration,
    /// The longest timeout_seconds that was warned of.
    warned_of: Duration,
}

impl DrainTimeout {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            warned_of: Duration::ZERO,
        }
    }

    /// Warns of a timeout_seconds that is longer.
    pub(super) fn warn_of_longer(&mut self, timeout: Duration) {
        if timeout <= self.timeout.max(self.warned_of) {
            return;
        }
        self.warned_of = timeout;
        tracing::warn!(
            timeout_seconds = timeout.as_secs(),
            drain_timeout_seconds = self.timeout.as_secs(),
            "a subscription's timeout_seconds is longer than --drain-timeout: its slow requests are cut off at shutdown and made again; give --drain-timeout as much, or the subscription less"
        );
    }
}

impl Engine {
    /// Shutdown: send nothing more, let requests finish within bounds, keep the shards until their results are
    /// recorded.
    pub(super) async fn drain(&mut self) {
        self.telemetry.health.on_stopping();
        self.workers.slots.want_no_more();
        // What is under way on the session, arming or taking shards, has to be known to be undone.
        let _ = tokio::time::timeout(BALANCE_INTERVAL, self.session_idle()).await;
        self.scheduler.on_claim_ended();
        self.scheduler.release_waiting(|_| true);
        let in_flight = self.scheduler.in_flight();
        tracing::info!(
            in_flight,
            seconds = self.drain_timeout.timeout.as_secs(),
            "stopping: waiting for requests under way"
        );
        let requests_until = Instant::now() + self.drain_timeout.timeout;
        let results_until = requests_until + FLUSH_TIMEOUT;
        let mut has_left = false;
        let mut release_at = Instant::now();
        while !self.scheduler.is_quiet() && Instant::now() < results_until {
            let now = Instant::now();
            if self.scheduler.in_flight() > 0 && now >= requests_until {
                let aborted = self.scheduler.cut_off(None);
                tracing::warn!(aborted, "requests cut off; the next owner makes them again");
            }
            if !self.workers.session.is_open() {
                // With it the shards are lost; nothing more is sent anyway.
                self.workers.session.close();
            } else if self.workers.session.is_idle() {
                if !has_left {
                    // Others may take the shards as they become idle, instead of when this process is gone.
                    has_left = true;
                    self.workers.session.execute(Command::Leave);
                } else if now >= release_at {
                    release_at = now + BALANCE_INTERVAL;
                    self.release_idle();
                }
            }
            let mut until = results_until;
            if self.workers.session.is_idle() {
                until = until.min(release_at);
            }
            if self.scheduler.in_flight() > 0 {
                until = until.min(requests_until);
            }
            tokio::select! {
                () = self.event() => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
        // The shards go with the session: failures that could not be recorded so far, since somebody has locked their
        // rows, would hide the success of the next owner's same attempt.
        self.workers.recorder.session_lost();
    }

    /// Takes in events until nothing is under way on the session.
    async fn session_idle(&mut self) {
        while self.workers.session.is_open() && !self.workers.session.is_idle() {
            self.event().await;
        }
    }

    /// Releases the shards that have nothing under way, and keeps the lease of the others.
    fn release_idle(&mut self) {
        let mut idle = self.shards.owned();
        idle.retain(|shard| self.scheduler.busy(*shard) == 0);
        let command = self.release(idle);
        self.workers.session.execute(command);
    }
}
