//! Verifying: asking receivers whether they want deliveries, before the first and when somebody says so.

use super::super::verifier::News;
use super::Engine;
use crate::model::{Answer, Permission, Subscription};
use std::sync::Arc;
use std::time::Instant;

impl Engine {
    /// Has subscriptions loaded whose receivers may have to be asked: without anything to deliver no claim brings them.
    pub(super) fn look_up_stale(&mut self) {
        let stale = self.scheduler.take_stale();
        self.workers.verifier.due.extend(stale);
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

    /// Asks who may be asked.
    pub(super) fn ask(&mut self, now: Instant) {
        let Some(settings) = self.may_send(now) else {
            return;
        };
        while let Some(subscription) = self.scheduler.start_asking() {
            let id = subscription.id;
            let request = self.workers.verifier.ask(subscription, settings.clone());
            self.scheduler.on_asking(id, request);
        }
    }

    pub(super) fn heard_of_receiver(&mut self, news: News) {
        let verifier = &mut self.workers.verifier;
        match news {
            News::Answered(answer) => {
                if self.scheduler.on_answered(&answer.subscription) {
                    log(&answer);
                    verifier.on_answered(answer);
                }
            }
            News::NotAsked(id) => {
                if self.scheduler.on_not_asked(id) {
                    verifier.due.insert(id);
                }
            }
            News::Locked(answers) => {
                for answer in answers {
                    // Unless none is waited for any more.
                    if self.scheduler.is_answered(&answer.subscription) {
                        verifier.on_locked(answer);
                    }
                }
            }
            News::Recorded(ids) => {
                verifier.on_recorded();
                verifier.due.extend(&ids);
                // Tests may have waited, too.
                self.scheduler.look_for_tests();
                for id in ids {
                    // Loaded anew, it is delivered to, or asked again in its time.
                    self.subscription_changed(id);
                }
            }
        }
        self.workers.verifier.record_next();
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
