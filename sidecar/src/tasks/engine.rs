//! The engine: one task that owns all state and drives claim → send → record. Events come in, and commands go out: to
//! the session, one at a time, and to requests, the recorder and the verifier beside it.
//!
//! In files of their own: the `commands` for the session, taking in what was `claiming`ed, `sharing` shards with
//! others, taking in `results`, `verifying` receivers, and the `drain` at the end.

mod claiming;
mod commands;
mod drain;
mod results;
mod sharing;
mod verifying;

use super::chores::Chores;
use super::delivery_log::DeliveryLog;
use super::destinations::DatabaseDestinations;
use super::recorder;
use super::requests::{Request, Requests};
use super::session::{self, Event, Reply, Timing};
use super::session_health::{GaveUp, SessionHealth};
use super::slots::DatabaseSlots;
use super::verifier::Verifier;
use crate::clock::Clock;
use crate::config::RunArgs;
use crate::model::{Attempt, Delivery, Destination, Settings};
use crate::postgres::notification::Signal;
use crate::postgres::trouble::Trouble;
use crate::schedule::Scheduler;
use crate::schedule::agenda::{Agenda, BALANCE_INTERVAL};
use crate::schedule::doorbell::Doorbell;
use crate::schedule::lease::Lease;
use crate::schedule::shards::Shards;
use crate::telemetry::Telemetry;
use drain::DrainTimeout;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

pub use drain::FLUSH_TIMEOUT;

/// What the engine makes work.
pub struct Workers {
    pub session: session::Link,
    pub slots: DatabaseSlots,
    pub destinations: DatabaseDestinations,
    pub requests: Requests,
    pub recorder: recorder::Link,
    pub verifier: Verifier,
    pub chores: Chores,
}

/// All state.
pub struct Engine {
    workers: Workers,
    health: SessionHealth,
    /// Of the session: what it is asked next, what it owns, and whether it can be woken.
    agenda: Agenda,
    shards: Shards,
    doorbell: Doorbell,
    /// Failures wait for it that ended while nobody knew who owned their shards.
    lease: Lease<Attempt>,
    scheduler: Scheduler<Request>,
    /// `None`: there was no session yet.
    settings: Option<Arc<Settings>>,
    drain_timeout: DrainTimeout,
    telemetry: Arc<Telemetry>,
    log: DeliveryLog,
}

impl Engine {
    /// `clock` is set by the database's.
    pub fn new(args: &RunArgs, workers: Workers, clock: Clock, telemetry: Arc<Telemetry>) -> Self {
        let now = Instant::now();
        Self {
            workers,
            health: SessionHealth::new(args.give_up_after, clock, now),
            agenda: Agenda::new(now),
            shards: Shards::default(),
            doorbell: Doorbell::new(args.poll_interval, now),
            lease: Lease::new(args.lease),
            scheduler: Scheduler::new(args.concurrency as usize, now),
            settings: None,
            drain_timeout: DrainTimeout::new(args.drain_timeout),
            telemetry,
            log: DeliveryLog::new(now),
        }
    }

    /// Runs until `shutdown`: sends nothing more then, and ends when the recorder knows all results.
    ///
    /// # Errors
    /// There was no session with the database for longer than --give-up-after.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), GaveUp> {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let now = Instant::now();
            if !self.workers.session.is_open()
                && let Some(gave_up) = self.health.gives_up(now)
            {
                self.drain().await;
                return Err(gave_up);
            }
            let until = self.start_what_is_due(now);
            tokio::select! {
                () = self.event() => {}
                () = tokio::time::sleep_until(until.into()) => {}
                () = shutdown.as_mut() => {
                    self.drain().await;
                    return Ok(());
                }
            }
        }
    }

    /// Sends, asks and commands what is due. Returns when something else will be, unless something happens before.
    fn start_what_is_due(&mut self, now: Instant) -> Instant {
        self.scheduler.on_timers(now);
        self.scheduler.tick(now);
        self.send(now);
        self.ask(now);
        if self.does_chores() {
            self.workers.chores.do_what_is_due(now);
        }
        self.observe(now);
        let mut until = now + BALANCE_INTERVAL;
        if !self.workers.session.is_open() {
            until = self.health.give_up_at().map_or(until, |at| at.min(until));
        }
        if self.workers.session.is_idle() {
            match self.next_command(now) {
                Ok(command) => self.workers.session.execute(command),
                Err(at) => until = until.min(at),
            }
        }
        self.scheduler
            .next_timer()
            .map_or(until, |at| at.min(until))
    }

    /// One sidecar does them: the one with the first shard.
    fn does_chores(&self) -> bool {
        self.shards.active().first() == Some(&0)
    }

    /// Says how it is, once a second.
    fn observe(&mut self, now: Instant) {
        let Telemetry { metrics, health } = &*self.telemetry;
        if !health.on_round(now) {
            return;
        }
        let crowded = self.scheduler.crowded();
        let crowded_count = crowded.len();
        let (held, in_flight) = (self.scheduler.held_count(), self.scheduler.in_flight());
        self.log.sum_up(held, in_flight, now);
        let owned = self.shards.owned().len();
        health.on_owned(owned);
        for (gauge, n) in [
            (&metrics.shards_owned, owned),
            (&metrics.requests_in_flight, in_flight),
            (&metrics.request_slots, self.workers.slots.usable()),
            (&metrics.deliveries_held, held),
            (&metrics.breakers_open, self.scheduler.open_breakers()),
            (&metrics.receivers_paused, self.scheduler.paused(now)),
            (&metrics.destinations_crowded, crowded_count),
        ] {
            gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
        }
        metrics.clock_skew.set(self.health.clock_ahead());
        if metrics.queue.asked.get() > 0.0 && !self.does_chores() {
            metrics.on_observed(None);
        }
        // Those that were let in may have had nothing to send, or no slot: then no request of theirs ends, and lets the
        // next ones in.
        self.let_in(crowded);
    }

    /// Sends what may be sent.
    fn send(&mut self, now: Instant) {
        let Some(settings) = self.may_send(now) else {
            self.workers.slots.want_no_more();
            return;
        };
        self.let_in(self.workers.destinations.take_freed());
        let Workers {
            slots,
            destinations,
            requests,
            ..
        } = &self.workers;
        self.scheduler.set_usable_slots(slots.usable());
        while self.scheduler.wants_slots() {
            let Some(slot) = slots.take() else {
                return;
            };
            let mut taken = None;
            let place = |delivery: &Delivery| {
                taken = Some((delivery.id, destinations.take(delivery)?));
                Ok(())
            };
            let Some(delivery) = self.scheduler.start_next(now, place) else {
                break;
            };
            let id = delivery.id;
            let place = taken.filter(|(of, _)| *of == id).map(|(_, place)| place);
            let request = requests.start(delivery, settings.clone(), (slot, place));
            self.scheduler.on_started(id, request);
        }
        slots.want_no_more();
    }

    /// Has what waits for destinations tried again for which there is room.
    fn let_in(&mut self, freed: impl IntoIterator<Item = Destination>) {
        let destinations = &self.workers.destinations;
        for destination in freed {
            let places = destinations.free(&destination);
            if !self.scheduler.on_room_at(&destination, places) {
                destinations.wait_no_more(&destination);
            }
        }
    }

    /// The settings to send with, as long as the shards are certainly still ours and nobody changed these settings:
    /// what the new ones forbid must not be sent.
    fn may_send(&self, now: Instant) -> Option<Arc<Settings>> {
        let is_allowed = self.lease.is_valid(now) && self.agenda.are_settings_current();
        self.settings.clone().filter(|_| is_allowed)
    }

    /// Takes in one event. Cancel-safe.
    async fn event(&mut self) {
        tokio::select! {
            event = self.workers.session.event() => self.session_event(event),
            ended = self.workers.requests.ended.recv() => {
                if let Some(ended) = ended {
                    self.ended(ended);
                    while let Ok(ended) = self.workers.requests.ended.try_recv() {
                        self.ended(ended);
                    }
                }
            }
            flushed = self.workers.recorder.flushed.recv() => match flushed {
                Some(flushed) => self.flushed(flushed),
                None => std::future::pending().await,
            },
            () = self.workers.slots.freed() => {}
            () = self.workers.destinations.freed() => {}
            news = self.workers.verifier.news.recv() => {
                if let Some(news) = news {
                    self.heard_of_receiver(news);
                }
            }
        }
    }

    fn session_event(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Opened { settings, clock } => {
                // Nothing is owned yet.
                self.shards = Shards::default();
                self.doorbell.on_opened(now);
                self.agenda = Agenda::new(now);
                self.scheduler.look_for_tests();
                self.health.set_clock(&clock, now);
                self.settings_read(settings);
            }
            Event::Heard(signal) => self.heard(signal, now),
            Event::Answered { reply, timing } => {
                self.answered(timing.asked);
                self.take(reply, &timing, now);
            }
            Event::Failed {
                command,
                asked,
                retry_in,
            } => {
                self.answered(asked);
                self.failed(command, now + retry_in);
            }
            Event::Lost(trouble) => self.lost(&trouble, now),
        }
    }

    /// The server answered what it was asked then: the session had its shards.
    fn answered(&mut self, asked: Instant) {
        self.lease.on_answer(asked);
        self.telemetry.health.on_answer(Instant::now());
        self.settle_waiting();
    }

    /// A session ended: whatever was not sent yet is no longer ours to send.
    fn lost(&mut self, trouble: &Trouble, now: Instant) {
        self.telemetry.health.on_session_lost();
        let lost = &self.telemetry.metrics.sessions_lost;
        lost.with_label_values(&["owner"]).inc();
        self.scheduler.on_claim_ended();
        self.scheduler.release_waiting(|_| true);
        self.scheduler.forget_unrecordable(None);
        self.scheduler.forget_receivers(|_| true);
        self.scheduler.on_lease_lost();
        self.workers.recorder.session_lost();
        self.shards = Shards::default();
        self.lease.on_lost();
        self.settle_waiting();
        let in_flight = self.scheduler.in_flight();
        self.health.complain(trouble, in_flight, now);
    }

    /// Takes in a reply.
    fn take(&mut self, reply: Reply, timing: &Timing, now: Instant) {
        match reply {
            Reply::Settings(settings) => {
                self.agenda.on_settings_read();
                self.settings_read(settings);
            }
            Reply::Released(shards) => self.released(&shards, now),
            Reply::Balanced(balanced) => self.balanced(&balanced, now),
            Reply::Changes {
                are_settings_changed,
                subscriptions,
                clock,
            } => {
                self.health.set_clock(&clock, now);
                if are_settings_changed {
                    self.agenda.on_settings_changed();
                }
                for id in subscriptions {
                    self.subscription_changed(id);
                }
            }
            Reply::Promoted(promoted) => {
                if self.scheduler.on_promoted(&promoted.ready) {
                    self.doorbell.on_work();
                }
                let are_some_locked = !promoted.locked.is_empty();
                self.agenda
                    .on_promoted(promoted.next, timing.took, are_some_locked, now);
            }
            Reply::Loaded(subscriptions) => self.loaded(&subscriptions, now),
            Reply::Claimed { scope, claimed } => self.claimed(claimed, scope, timing, now),
            Reply::Armed(success) => self.doorbell.on_armed(success, now),
            Reply::Left => {}
        }
    }

    fn heard(&mut self, signal: Signal, now: Instant) {
        match signal {
            Signal::Doorbell => {
                self.doorbell.on_notify(now);
                self.agenda.on_notify();
            }
            Signal::Test => self.scheduler.look_for_tests(),
            Signal::Subscription(id) => self.subscription_changed(id),
            Signal::Verify(id) => {
                self.subscription_changed(id);
                self.workers.verifier.due.insert(id);
            }
            Signal::Subscriptions => {
                self.scheduler.on_subscriptions_changed();
                self.doorbell.on_work();
            }
            Signal::Settings => self.agenda.on_settings_changed(),
        }
    }

    fn subscription_changed(&mut self, id: Uuid) {
        if self.scheduler.awaits_permission(id) {
            self.workers.verifier.due.insert(id);
        }
        self.scheduler.on_subscription_changed(id);
        self.doorbell.on_work();
    }

    /// These settings are in force. If receivers have to be asked in another way, what was claimed is claimed anew.
    fn settings_read(&mut self, new: Arc<Settings>) {
        let is_changed = self.settings.as_ref().is_some_and(|old| {
            (&old.endpoint_verification, &old.verification_origin)
                != (&new.endpoint_verification, &new.verification_origin)
        });
        if is_changed {
            self.scheduler.on_verification_changed();
        }
        self.settings = Some(new);
    }
}
