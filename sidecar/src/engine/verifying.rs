//! Verifying: asking receivers whether they want deliveries, before the first and when somebody says so.

use super::{Action, Engine, Purpose, Reply, Request};
use crate::handshake::{self, Answer, News};
use crate::owner::{Owner, Settings};
use crate::permission::Permission;
use crate::subscriptions::Subscription;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

impl Engine {
    /// Loads the subscriptions whose receivers may have to be asked: without anything to deliver no claim brings them.
    pub(super) fn load_unverified(&mut self, owner: &Arc<Owner>) -> Option<Action> {
        self.to_verify.extend(self.scheduler.take_stale());
        let settings = self.settings.clone()?;
        if self.to_verify.is_empty() {
            return None;
        }
        let ids: Vec<Uuid> = self.to_verify.drain().collect();
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
            let (deliverer, settings, news) = (
                self.deliverer.clone(),
                settings.clone(),
                self.news_sender.clone(),
            );
            let task = tokio::spawn(async move {
                let answer = deliverer.ask(subscription, &settings).await;
                if let Some(answer) = answer {
                    let _ = news.send(News::Answered(answer));
                }
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
                    self.answers.retain(|older| older.subscription.id != id);
                    self.answers.push(answer);
                }
            }
            News::Locked(answers) => {
                for answer in answers {
                    // Unless there is a newer one, or none is waited for any more.
                    let is_newer = |a: &Answer| a.subscription.id == answer.subscription.id;
                    if self.scheduler.is_answered(&answer.subscription)
                        && !self.answers.iter().any(is_newer)
                    {
                        self.answers.push(answer);
                    }
                }
            }
            News::Recorded(ids) => {
                self.recording_answers = false;
                // Tests may have waited, too.
                self.scheduler.look_for_tests();
                for id in ids {
                    // Loaded anew, it is delivered to, or asked again in its time.
                    self.subscription_changed(id);
                    self.to_verify.insert(id);
                }
            }
        }
        if !self.recording_answers && !self.answers.is_empty() {
            self.recording_answers = true;
            let answers = std::mem::take(&mut self.answers);
            let (database, news) = (self.database.clone(), self.news_sender.clone());
            tokio::spawn(async move {
                let (recorded, locked) = handshake::record(&database, answers).await;
                let _ = news.send(News::Recorded(recorded));
                if !locked.is_empty() {
                    tokio::time::sleep(handshake::LOCKED_PAUSE).await;
                    let _ = news.send(News::Locked(locked));
                }
            });
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
