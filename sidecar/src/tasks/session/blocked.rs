//! Statements that gave up waiting for somebody's lock, or were cancelled, and due deliveries that are locked. The log
//! says who is in the way.

use super::super::backoff::Backoff;
use super::super::warnings::{WORTH_WARNING, Warnings};
use super::{Command, Reply};
use crate::postgres::trouble::describe;
use crate::schedule::agenda::Item;
use std::time::{Duration, Instant};
use tokio_postgres::Error;
use uuid::Uuid;

/// What waits, and deliveries that do.
type Warning = (String, Vec<Uuid>);

/// What is blocked, and what is to be said of it.
#[derive(Default)]
pub struct Blocked {
    backoff: Option<Backoff>,
    /// Since when due deliveries are locked.
    locked_since: Option<Instant>,
    /// Of the statements, and of the deliveries.
    warnings: Warnings,
    row_warnings: Warnings,
    warning: Option<Warning>,
}

impl Blocked {
    /// A command gave up. Returns how long to wait before it is given again.
    pub fn on_failed(&mut self, command: &Command, error: &Error, now: Instant) -> Duration {
        let pause = self.backoff.get_or_insert_with(Backoff::new).pause();
        let name = command.item().name();
        tracing::debug!(
            retry_in_ms = pause.as_millis(),
            "{name}: {}",
            describe(error)
        );
        if command.item() != Item::Changes && self.warnings.is_due(now) {
            let reason = error.as_db_error().map_or("", |error| error.message());
            let waits = format!("deliveries wait: {name} failed ({reason}) and is tried again");
            self.warning = Some((waits, Vec::new()));
        }
        pause
    }

    /// A command succeeded.
    pub fn on_reply(&mut self, reply: &Reply, now: Instant) {
        match reply {
            // For these others had to wait.
            Reply::Claimed { .. } => self.backoff = None,
            Reply::Promoted(promoted) => {
                self.backoff = None;
                self.on_locked(&promoted.locked, now);
            }
            _ => {}
        }
    }

    /// These due deliveries are locked: worth a warning once that lasts.
    fn on_locked(&mut self, deliveries: &[Uuid], now: Instant) {
        if deliveries.is_empty() {
            self.locked_since = None;
            return;
        }
        let since = *self.locked_since.get_or_insert(now);
        if now >= since + WORTH_WARNING && self.row_warnings.is_due(now) {
            let waits = "due deliveries wait, since their rows are locked".to_owned();
            self.warning = Some((waits, deliveries.to_vec()));
        }
    }

    /// Takes out what is to be warned of.
    pub fn take_warning(&mut self) -> Option<Warning> {
        self.warning.take()
    }
}
