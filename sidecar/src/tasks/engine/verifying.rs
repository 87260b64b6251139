//! Verifying: asking receivers whether they want deliveries, before the first and when somebody says so.

use super::super::verifier::{self, News};
use super::{Action, Engine, Purpose, Reply, Request};
use crate::model::{Answer, Permission, Settings, Subscription};
use crate::postgres::owner::Owner;
use futures_util::FutureExt;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use uuid::Uuid;

/// Before a receiver is asked again when asking came to nothing: at once, it would be tried over and over.
const NOT_ASKED_PAUSE: Duration = Duration::from_secs(5);

/// What is to be asked, and what was answered.
pub(super) struct Verifying {
    news_sender: UnboundedSender<News>,
    pub(super) news: UnboundedReceiver<News>,
    /// Subscriptions that are to be loaded, since their receivers may have to be asked.
    pub(super) due: HashSet<Uuid>,
    /// Answers that wait for others to be recorded.
    answers: Vec<Answer>,
    is_recording: bool,
}

impl Verifying {
    pub(super) fn new() -> Self {
        let (news_sender, news) = unbounded_channel();
        Self {
            news_sender,
            news,
            due: HashSet::new(),
            answers: Vec::new(),
            is_recording: false,
        }
    }
}

impl Engine {
    /// Loads the subscriptions whose receivers may have to be asked: without anything to deliver no claim brings them.
    pub(super) fn load_unverified(&mut self, owner: &Arc<Owner>) -> Option<Action> {
        self.verifying.due.extend(self.scheduler.take_stale());
        let settings = self.settings.clone()?;
        if self.verifying.due.is_empty() {
            return None;
        }
        let ids: Vec<Uuid> = self.verifying.due.drain().collect();
        self.purpose = Purpose::Load(ids.clone());
        let (owner, subscriptions) = (owner.clone(), self.subscriptions.clone());
        Some(Box::pin(async move {
            let mut subscriptions = subscriptions.lock().await;
            let loaded = subscriptions.reload(&owner, &settings, &ids).await?;
            Ok(Reply::Loaded(loaded))
        }))
    }

    pub(super) fn loaded(&mut self, subscriptions: &[Arc<Subscription>], now: Instant) {
        let active = self.shards.active();
        for subscription in subscriptions {
            // The others are other sidecars' to ask.
            if active.contains(&subscription.shard) {
                self.scheduler.on_loaded(subscription, now);
            }
        }
    }

    /// Asks who may be asked, as long as the shards are certainly still ours.
    pub(super) fn ask(&mut self, now: Instant) {
        let Some(settings) = self.settings.clone() else {
            return;
        };
        if !self.lease.is_valid(now) || self.settings_are_stale {
            return;
        }
        while let Some(subscription) = self.scheduler.start_asking() {
            let id = subscription.id;
            let (sender, settings, news) = (
                self.sender.clone(),
                settings.clone(),
                self.verifying.news_sender.clone(),
            );
            let task = self.tasks.spawn(async move {
                let asked = AssertUnwindSafe(sender.ask(subscription, &settings)).catch_unwind();
                let answer = asked.await.unwrap_or_else(|_| {
                    tracing::error!(
                        subscription_id = %id,
                        "asking a receiver whether it wants deliveries panicked; it will be asked again"
                    );
                    None
                });
                let told = match answer {
                    Some(answer) => News::Answered(answer),
                    None => {
                        tokio::time::sleep(NOT_ASKED_PAUSE).await;
                        News::NotAsked(id)
                    }
                };
                // The engine may have ended; then the shard's next owner asks.
                let _ = news.send(told);
            });
            self.scheduler.on_asking(id, Request(task.abort_handle()));
        }
    }

    pub(super) fn heard_of_receiver(&mut self, news: News) {
        match news {
            News::Answered(answer) => {
                if self.scheduler.on_answered(&answer.subscription) {
                    log(&answer);
                    // One of each in a batch: an older one is of an older version.
                    let id = answer.subscription.id;
                    self.verifying
                        .answers
                        .retain(|older| older.subscription.id != id);
                    self.verifying.answers.push(answer);
                }
            }
            News::NotAsked(id) => {
                if self.scheduler.on_not_asked(id) {
                    self.verifying.due.insert(id);
                }
            }
            News::Locked(answers) => {
                for answer in answers {
                    // Unless there is a newer one, or none is waited for any more.
                    let is_newer = |a: &Answer| a.subscription.id == answer.subscription.id;
                    if self.scheduler.is_answered(&answer.subscription)
                        && !self.verifying.answers.iter().any(is_newer)
                    {
                        self.verifying.answers.push(answer);
                    }
                }
            }
            News::Recorded(ids) => {
                self.verifying.is_recording = false;
                // Tests may have waited, too.
                self.scheduler.look_for_tests();
                for id in ids {
                    // Loaded anew, it is delivered to, or asked again in its time.
                    self.subscription_changed(id);
                    self.verifying.due.insert(id);
                }
            }
        }
        if !self.verifying.is_recording && !self.verifying.answers.is_empty() {
            self.verifying.is_recording = true;
            let answers = std::mem::take(&mut self.verifying.answers);
            let (database, news) = (self.database.clone(), self.verifying.news_sender.clone());
            self.tasks.spawn(verifier::record(database, answers, news));
        }
    }

    /// Other settings are in force: what was claimed under the old ones is claimed anew.
    pub(super) fn verification_settings(&mut self, new: &Settings) {
        let is_changed = self.settings.as_ref().is_some_and(|old| {
            (&old.endpoint_verification, &old.verification_origin)
                != (&new.endpoint_verification, &new.verification_origin)
        });
        if is_changed {
            self.scheduler.on_verification_changed();
        }
    }
}

fn log(answer: &Answer) {
    let subscription_id = answer.subscription.id;
    match &answer.permission {
        Ok(Permission::Given(allowed_rate_per_minute)) => {
            tracing::info!(%subscription_id, allowed_rate_per_minute, "verified: the receiver agrees to deliveries");
        }
        Ok(Permission::Refused(reason)) | Err(reason) => {
            tracing::warn!(%subscription_id, reason, "not verified: deliveries wait");
        }
    }
}
