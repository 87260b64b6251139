//! Waiting: a statement on the owning session that gave up waiting for somebody's lock, or was cancelled, is tried
//! again, while the session keeps its shards. The log says who is in the way.

use super::super::backoff::Backoff;
use super::super::warnings::{WORTH_WARNING, Warnings};
use super::{Action, Engine, Reply};
use crate::postgres::blockers;
use crate::postgres::owner::Owner;
use crate::postgres::trouble::describe;
use std::sync::Arc;
use std::time::Instant;
use tokio_postgres::Error;
use uuid::Uuid;

/// Statements that had to give up, and due deliveries that are locked.
#[derive(Default)]
pub(super) struct Waiting {
    backoff: Option<Backoff>,
    /// Since when due deliveries are locked.
    locked_since: Option<Instant>,
    /// Of the statements, and of the deliveries.
    warnings: Warnings,
    row_warnings: Warnings,
    /// What waits, and deliveries that do: who is in the way is to be logged.
    to_name: Option<(String, Vec<Uuid>)>,
}

/// What a statement is for, so that it can be made up for if it fails.
#[derive(Default)]
pub(super) enum Purpose {
    Settings,
    Release,
    Balance,
    Promote,
    /// Subscriptions that are to be loaded.
    Load(Vec<Uuid>),
    Tests,
    Claim,
    Arm,
    Disarm,
    #[default]
    Other,
}

impl Purpose {
    fn name(&self) -> &'static str {
        match self {
            Self::Settings => "reading the settings",
            Self::Release => "releasing shards",
            Self::Balance => "balancing shards",
            Self::Promote => "making due deliveries ready",
            Self::Load(_) => "loading subscriptions",
            Self::Tests => "claiming tests",
            Self::Claim => "claiming deliveries",
            Self::Arm | Self::Disarm => "the doorbell",
            Self::Other => "looking for changes",
        }
    }
}

impl Engine {
    /// A statement failed. Returns: false if that is the end of the session.
    pub(super) fn is_survived(&mut self, error: &Error) -> bool {
        if !blockers::is_passing(error) {
            return false;
        }
        let now = Instant::now();
        // The server answered: the session has its shards.
        self.lease.on_answer(self.action_started);
        self.settle_waiting();
        let pause = self
            .waiting
            .backoff
            .get_or_insert_with(Backoff::new)
            .pause();
        self.retry_at = now + pause;
        let purpose = std::mem::take(&mut self.purpose);
        tracing::debug!(
            retry_in_ms = pause.as_millis(),
            "{}: {}",
            purpose.name(),
            describe(error)
        );
        if !matches!(purpose, Purpose::Other) && self.waiting.warnings.is_due(now) {
            let reason = error.as_db_error().map_or("", |error| error.message());
            self.waiting.to_name = Some((
                format!(
                    "deliveries wait: {} failed ({reason}) and is tried again",
                    purpose.name()
                ),
                Vec::new(),
            ));
        }
        self.make_up_for(purpose);
        true
    }

    fn make_up_for(&mut self, purpose: Purpose) {
        match purpose {
            Purpose::Settings => self.reload_settings = true,
            Purpose::Balance => self.balance_at = self.retry_at,
            Purpose::Promote => self.promote_at = self.retry_at,
            Purpose::Load(ids) => self.verifying.due.extend(ids),
            Purpose::Tests => {
                self.scheduler.on_claim_ended();
                self.scheduler.look_for_tests();
            }
            Purpose::Claim => {
                self.scheduler.on_claim_failed();
                self.doorbell.on_work();
            }
            // Some of the bells may be locked.
            Purpose::Release | Purpose::Arm | Purpose::Disarm => {
                self.doorbell.on_failed(self.shards.owned());
            }
            Purpose::Other => {}
        }
    }

    /// A statement succeeded for which others had to wait.
    pub(super) fn went_on(&mut self) {
        if matches!(self.purpose, Purpose::Claim | Purpose::Promote) {
            self.waiting.backoff = None;
        }
    }

    /// Due deliveries that somebody has locked: worth a warning once that lasts.
    pub(super) fn locked(&mut self, deliveries: Vec<Uuid>, now: Instant) {
        if deliveries.is_empty() {
            self.waiting.locked_since = None;
            return;
        }
        let since = *self.waiting.locked_since.get_or_insert(now);
        if now >= since + WORTH_WARNING && self.waiting.row_warnings.is_due(now) {
            let waits = "due deliveries wait, since their rows are locked".to_owned();
            self.waiting.to_name = Some((waits, deliveries));
        }
    }

    /// Asks who is in the way, if that is worth a warning.
    pub(super) fn name_blockers(&mut self, owner: &Arc<Owner>) -> Option<Action> {
        let (waits, deliveries) = self.waiting.to_name.take()?;
        self.purpose = Purpose::Other;
        let owner = owner.clone();
        Some(Box::pin(async move {
            let found = blockers::find(&owner.client, &deliveries, &[]).await;
            blockers::warn(&waits, &found);
            match found {
                Err(error) if !blockers::is_passing(&error) => Err(error),
                _ => Ok(Reply::Named),
            }
        }))
    }

    /// Looks for what nobody notified this sidecar of: other settings, other versions of subscriptions.
    pub(super) fn look_for_changes(&mut self, owner: &Arc<Owner>) -> Action {
        self.purpose = Purpose::Other;
        let concerned = self.scheduler.concerned();
        let (owner, subscriptions) = (owner.clone(), self.subscriptions.clone());
        Box::pin(async move {
            let settings = owner.settings().await?;
            let clock = owner.clock().await?;
            let (mut ids, mut versions) = (Vec::new(), Vec::new());
            for subscription in subscriptions.lock().await.all_of(&concerned) {
                ids.push(subscription.id);
                versions.push(subscription.version);
            }
            let subscriptions = match ids.is_empty() {
                true => Vec::new(),
                false => owner.changed(&ids, &versions).await?,
            };
            Ok(Reply::Changed {
                settings,
                subscriptions,
                clock,
            })
        })
    }
}
