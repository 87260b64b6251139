//! Shutdown: send nothing more, let requests under way finish, release the shards.

use super::{BALANCE_INTERVAL, Engine, FLUSH_TIMEOUT};
use crate::postgres::owner::Owner;
use crate::postgres::trouble::Trouble;
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::Error;

impl Engine {
    /// Shutdown: send nothing more, let requests finish within bounds, keep the shards until their results are
    /// recorded.
    pub(super) async fn drain(&mut self, mut owner: Option<Arc<Owner>>) {
        self.scheduler.on_claim_ended();
        self.scheduler.release_waiting(|_| true);
        let in_flight = self.scheduler.in_flight();
        tracing::info!(
            in_flight,
            seconds = self.args.drain_timeout.as_secs(),
            "stopping: waiting for requests under way"
        );
        let requests_until = Instant::now() + self.args.drain_timeout;
        let results_until = requests_until + FLUSH_TIMEOUT;
        if let Some(owner) = &owner {
            // Others may take the shards as they become idle, instead of when this process is gone.
            let _ = tokio::time::timeout(BALANCE_INTERVAL, owner.leave()).await;
        }
        let mut heartbeat = tokio::time::interval(BALANCE_INTERVAL);
        while !self.scheduler.is_quiet() && Instant::now() < results_until {
            if self.scheduler.in_flight() > 0 && Instant::now() >= requests_until {
                let aborted = self.scheduler.cut_off(None);
                tracing::warn!(aborted, "requests cut off; the next owner makes them again");
            }
            tokio::select! {
                () = self.event() => {}
                _ = heartbeat.tick() => {
                    if let Some(session) = &owner {
                        let kept = tokio::time::timeout(BALANCE_INTERVAL, self.hand_over(session)).await;
                        if let Ok(Err(error)) = kept {
                            // With it the shards; nothing more is sent anyway.
                            self.lost(&Trouble::of(&error, &session.server));
                            owner = None;
                        }
                        self.settle_waiting();
                    }
                }
                () = tokio::time::sleep_until(requests_until.into()), if self.scheduler.in_flight() > 0 => {}
            }
        }
        // The shards go with the session: failures that could not be recorded so far, since somebody has locked their
        // rows, would hide the success of the next owner's same attempt.
        self.recorder.session_lost();
    }

    /// At shutdown: releases the shards that have nothing under way, and keeps the lease of the others.
    async fn hand_over(&mut self, owner: &Owner) -> Result<(), Error> {
        let began = Instant::now();
        let armed = self.doorbell.on_disarming();
        owner.disarm(&armed).await?;
        let idle: Vec<i16> = self.shards.owned();
        let idle: Vec<i16> = idle
            .into_iter()
            .filter(|shard| self.scheduler.busy(*shard) == 0)
            .collect();
        self.shards.on_released(&idle);
        owner.release(&idle).await?;
        self.lease.on_answer(began);
        Ok(())
    }
}
