//! The engine: one task that owns all state and drives claim → send → record.
//!
//! On the owning session one statement runs at a time ([`Action`]), while attempts and recording go on beside it. In
//! files of their own: `claiming`, `sharing` shards with others, taking in `results`,
//! `verifying` receivers, `waiting` for locks of others, and the `drain` at the end.

mod claiming;
mod drain;
mod results;
mod sharing;
mod verifying;
mod waiting;

use super::backoff::Backoff;
use super::maintainer::Maintainer;
use super::recorder::Link;
use super::sender::Sender;
use super::session_health::{GaveUp, SessionHealth};
use crate::config::RunArgs;
use crate::model::{Attempt, Claimed, NotSent, Settings, Subscription};
use crate::postgres::Database;
use crate::postgres::balance::Balanced;
use crate::postgres::clock_skew::Sample;
use crate::postgres::maintain::maintain;
use crate::postgres::notification::Signal;
use crate::postgres::owner::{Owner, same_version};
use crate::postgres::promote::Promoted;
use crate::postgres::subscription_cache::Subscriptions;
use crate::postgres::trouble::Trouble;
use crate::schedule::Scheduler;
use crate::schedule::claim_planner::Scope;
use crate::schedule::doorbell::{Doorbell, Step};
use crate::schedule::lease::Lease;
use crate::schedule::shards::Shards;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::AbortHandle;
use tokio_postgres::{Error, Notification};
use tokio_util::task::TaskTracker;
use uuid::Uuid;
use verifying::Verifying;
use waiting::{Purpose, Waiting};

/// How often to send a heartbeat and look at the balance of shards. Short, so that one that joins is given its share
/// within seconds; one small statement each.
const BALANCE_INTERVAL: Duration = Duration::from_secs(2);
/// How often to look for changes of settings and subscriptions that nobody notified this sidecar of.
const CHANGES_INTERVAL: Duration = Duration::from_secs(10);
/// Longest time between looks at scheduled deliveries: how late one with deliver_after can be noticed.
const PROMOTE_INTERVAL: Duration = Duration::from_secs(2);
/// Shortest time between such looks when publishers ring.
const PROMOTE_PAUSE: Duration = Duration::from_millis(250);
/// Shortest time between them at all: retries that fall due one after another are made ready together.
const PROMOTE_STEP: Duration = Duration::from_millis(5);
/// A session that lasted so long was a good one: the next is tried for at once. What fails at once, on a read-only
/// server for example, does so within milliseconds.
const STABLE: Duration = Duration::from_secs(1);
/// How long recording may take after the last request at shutdown.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(15);

/// How a session ended.
enum End {
    Shutdown(Option<Arc<Owner>>),
    Lost(Trouble),
}

/// What a statement on the owning session answered.
enum Reply {
    Settings(Settings),
    Balanced(Balanced),
    Released(Vec<i16>),
    Promoted(Promoted),
    Claimed {
        claimed: Claimed,
        scope: Scope,
    },
    /// Subscriptions whose receivers may have to be asked.
    Loaded(Vec<Arc<Subscription>>),
    Armed(bool),
    Disarmed,
    /// Who is in the way was logged.
    Named,
    /// The settings, and the subscriptions that changed.
    Changed {
        settings: Settings,
        subscriptions: Vec<Uuid>,
        clock: Sample,
    },
}

type Action = BoxFuture<'static, Result<Reply, Error>>;

/// A request under way in its task, which is cut off when nothing waits for it any more.
struct Request(AbortHandle);

impl Drop for Request {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// All state. Its `tasks` are aborted when it is dropped, or end by themselves.
pub struct Engine {
    args: RunArgs,
    database: Database,
    sender: Sender,
    tasks: TaskTracker,
    subscriptions: Arc<Mutex<Subscriptions>>,
    /// Subscriptions that were changed or deleted since the last claim.
    changed: Vec<Uuid>,
    settings: Option<Arc<Settings>>,
    scheduler: Scheduler<Request>,
    shards: Shards,
    doorbell: Doorbell,
    /// Failures wait for it that ended while nobody knew who owned their shards.
    lease: Lease<Attempt>,
    recorder: Link,
    attempts_sender: UnboundedSender<Result<Attempt, NotSent>>,
    attempts: UnboundedReceiver<Result<Attempt, NotSent>>,
    verifying: Verifying,
    reload_settings: bool,
    /// Other settings are in force, and not known yet: what they forbid must not be sent.
    settings_are_stale: bool,
    reload_subscriptions: bool,
    /// The longest timeout_seconds that was warned of.
    longest_timeout: Duration,
    /// The shortest time that a statement took in this session.
    round_trip: Duration,
    balance_at: Instant,
    promote_at: Instant,
    last_promote: Instant,
    maintainer: Maintainer,
    tick_at: Instant,
    /// When the statement under way was started.
    action_started: Instant,
    announced: bool,
    health: SessionHealth,
    /// What the statement under way is for.
    purpose: Purpose,
    /// After a statement that had to give up: none but the heartbeat before this time.
    retry_at: Instant,
    waiting: Waiting,
    changes_at: Instant,
}

impl Engine {
    pub fn new(
        args: RunArgs,
        database: Database,
        sender: Sender,
        tasks: TaskTracker,
        recorder: Link,
    ) -> Self {
        let now = Instant::now();
        let (attempts_sender, attempts) = unbounded_channel();
        Self {
            scheduler: Scheduler::new(args.concurrency as usize, now),
            doorbell: Doorbell::new(args.poll_interval, now),
            lease: Lease::new(args.lease),
            maintainer: Maintainer::new(args.maintain_interval, now),
            health: SessionHealth::new(args.give_up_after, now),
            args,
            database,
            sender,
            tasks,
            subscriptions: Arc::default(),
            changed: Vec::new(),
            settings: None,
            shards: Shards::default(),
            recorder,
            attempts_sender,
            attempts,
            verifying: Verifying::new(),
            reload_settings: true,
            settings_are_stale: false,
            reload_subscriptions: false,
            longest_timeout: Duration::ZERO,
            round_trip: Duration::MAX,
            balance_at: now,
            promote_at: now,
            last_promote: now,
            tick_at: now,
            action_started: now,
            announced: false,
            purpose: Purpose::Other,
            retry_at: now,
            waiting: Waiting::default(),
            changes_at: now,
        }
    }

    /// Runs until `shutdown`: sends nothing more then, and ends when the recorder knows all results.
    ///
    /// # Errors
    /// There was no session with the database for longer than --give-up-after.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), GaveUp> {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut backoff = Backoff::new();
        loop {
            let began = Instant::now();
            match self.connected(shutdown.as_mut()).await {
                End::Shutdown(owner) => {
                    self.drain(owner).await;
                    return Ok(());
                }
                End::Lost(trouble) => {
                    self.lost(&trouble);
                    if let Some(gave_up) = self.health.gives_up(trouble, Instant::now()) {
                        self.drain(None).await;
                        return Err(gave_up);
                    }
                }
            }
            if began.elapsed() > STABLE {
                backoff = Backoff::new();
            }
            let pause = backoff.pause();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.events_only() => {}
                () = shutdown.as_mut() => {
                    self.drain(None).await;
                    return Ok(());
                }
            }
        }
    }

    /// Opens the owning session and works until it is lost or shutdown is requested.
    async fn connected(&mut self, mut shutdown: Pin<&mut impl Future<Output = ()>>) -> End {
        let database = self.database.clone();
        let lease = self.args.lease;
        let give_up_at = self.health.give_up_at();
        let mut opening = std::pin::pin!(Owner::open(&database, lease));
        let (owner, notifications) = loop {
            tokio::select! {
                opened = opening.as_mut() => match opened {
                    Ok(opened) => break opened,
                    Err(trouble) => return End::Lost(trouble),
                },
                () = tokio::time::sleep_until(give_up_at.unwrap_or_else(Instant::now).into()), if give_up_at.is_some() => {
                    return End::Lost(self.health.last_trouble());
                }
                () = self.event() => {}
                () = shutdown.as_mut() => return End::Shutdown(None),
            }
        };
        self.begin();
        self.health.set_clock(&owner.first_clock, Instant::now());
        self.work(Arc::new(owner), notifications, shutdown).await
    }

    /// A session begins: nothing is owned yet.
    fn begin(&mut self) {
        let now = Instant::now();
        self.shards = Shards::default();
        self.doorbell = Doorbell::new(self.args.poll_interval, now);
        self.reload_settings = true;
        self.balance_at = now;
        self.promote_at = now;
        self.scheduler.look_for_tests();
        self.round_trip = Duration::MAX;
        self.announced = false;
        self.retry_at = now;
        self.changes_at = now + CHANGES_INTERVAL;
    }

    /// A session ended: whatever was not sent yet is no longer ours to send.
    fn lost(&mut self, trouble: &Trouble) {
        self.scheduler.on_claim_ended();
        self.scheduler.release_waiting(|_| true);
        self.scheduler.forget_unrecordable(None);
        self.scheduler.forget_receivers(|_| true);
        self.scheduler.on_lease_lost();
        self.recorder.session_lost();
        self.shards = Shards::default();
        self.lease.on_lost();
        self.settle_waiting();
        let in_flight = self.scheduler.in_flight();
        self.health.complain(trouble, in_flight, Instant::now());
    }

    async fn work(
        &mut self,
        owner: Arc<Owner>,
        mut notifications: UnboundedReceiver<Notification>,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> End {
        let mut action: Option<Action> = None;
        loop {
            let now = Instant::now();
            self.tick(now);
            self.dispatch(now);
            self.ask(now);
            let mut wait_until = now + BALANCE_INTERVAL;
            if let Some(timer) = self.scheduler.next_timer() {
                wait_until = wait_until.min(timer);
            }
            if action.is_none() {
                match self.next_action(&owner, now) {
                    Ok(next) => {
                        self.action_started = now;
                        action = Some(next);
                    }
                    Err(until) => wait_until = wait_until.min(until),
                }
            }
            tokio::select! {
                reply = async { match action.as_mut() { Some(action) => action.await, None => std::future::pending().await } } => {
                    action = None;
                    // What the server told before its reply comes first.
                    while let Ok(notification) = notifications.try_recv() {
                        self.heard(&notification);
                    }
                    match reply {
                        Ok(reply) => {
                            self.went_on();
                            self.round_trip = self.round_trip.min(self.action_started.elapsed());
                            self.lease.on_answer(self.action_started);
                            self.settle_waiting();
                            if let Err(words) = self.take(reply).await {
                                return End::Lost(Trouble::permanent(format!("{}: {words}", owner.server)));
                            }
                        }
                        Err(error) if self.is_survived(&error) => {}
                        Err(error) => return End::Lost(Trouble::of(&error, &owner.server)),
                    }
                }
                notification = notifications.recv() => match notification {
                    Some(notification) => self.heard(&notification),
                    None => return End::Lost(Trouble::passing(format!("{}: the server ended the session", owner.server))),
                },
                () = self.event() => {}
                () = tokio::time::sleep_until(wait_until.into()) => {}
                () = shutdown.as_mut() => {
                    // What is under way on the session, arming or taking shards, has to be known to be undone.
                    if let Some(action) = action
                        && let Ok(Ok(reply)) = tokio::time::timeout(BALANCE_INTERVAL, action).await
                    {
                        let _ = self.take(reply).await;
                    }
                    return End::Shutdown(Some(owner));
                }
            }
            if action.is_some() && self.action_started.elapsed() > self.args.lease {
                return End::Lost(Trouble::passing(format!(
                    "{}: no answer from the database within {} s",
                    owner.server,
                    self.args.lease.as_secs()
                )));
            }
        }
    }

    /// The next statement for the owning session, or until when there is none.
    fn next_action(&mut self, owner: &Arc<Owner>, now: Instant) -> Result<Action, Instant> {
        if let Some(question) = self.name_blockers(owner) {
            return Ok(question);
        }
        let owner = owner.clone();
        if self.reload_settings && now >= self.retry_at {
            self.reload_settings = false;
            self.purpose = Purpose::Settings;
            return Ok(Box::pin(async move {
                Ok(Reply::Settings(owner.settings().await?))
            }));
        }
        if let Some(shards) = self.shards_to_release(now) {
            let armed = self.doorbell.on_disarming();
            self.purpose = Purpose::Release;
            return Ok(Box::pin(async move {
                if !armed.is_empty() {
                    owner.disarm(&armed).await?;
                }
                owner.release(&shards).await?;
                Ok(Reply::Released(shards))
            }));
        }
        if now >= self.balance_at {
            self.balance_at = now + BALANCE_INTERVAL;
            let owned = self.shards.owned();
            self.purpose = Purpose::Balance;
            return Ok(Box::pin(async move {
                Ok(Reply::Balanced(owner.balance(&owned).await?))
            }));
        }
        let active = self.shards.active();
        if active.is_empty() {
            return Err(self.balance_at);
        }
        if now < self.retry_at {
            return Err(self.retry_at.min(self.balance_at));
        }
        if now >= self.changes_at {
            self.changes_at = now + CHANGES_INTERVAL;
            return Ok(self.look_for_changes(&owner));
        }
        if now >= self.promote_at {
            self.purpose = Purpose::Promote;
            self.last_promote = now;
            self.promote_at = now + PROMOTE_INTERVAL;
            return Ok(Box::pin(async move {
                Ok(Reply::Promoted(owner.promote(&active).await?))
            }));
        }
        if self.scheduler.tests_at(now).is_none()
            && let Some(claim) = self.claim_tests(&owner, now)
        {
            return Ok(claim);
        }
        if let Some(load) = self.load_unverified(&owner) {
            return Ok(load);
        }
        self.scheduler.make_room(now);
        let plan = self.scheduler.next_claim(now, self.shards.at_start());
        match self.doorbell.next(now, &plan) {
            Step::Claim(scope) => Ok(self.claim(owner, scope, now)),
            Step::Arm => {
                self.doorbell.on_arming(&active);
                self.purpose = Purpose::Arm;
                Ok(Box::pin(async move {
                    Ok(Reply::Armed(owner.arm(&active).await?))
                }))
            }
            Step::Disarm => {
                self.purpose = Purpose::Disarm;
                let armed = self.doorbell.on_disarming();
                Ok(Box::pin(async move {
                    owner.disarm(&armed).await?;
                    Ok(Reply::Disarmed)
                }))
            }
            Step::Wait(until) => {
                let tests_at = self.scheduler.tests_at(now).unwrap_or(now);
                let until = until
                    .min(self.balance_at)
                    .min(self.promote_at)
                    .min(self.changes_at)
                    .min(tests_at);
                Err(until)
            }
        }
    }

    /// Takes in a reply. An error ends the session.
    async fn take(&mut self, reply: Reply) -> Result<(), String> {
        let now = Instant::now();
        match reply {
            Reply::Settings(settings) => {
                same_version(&settings.extension_version)?;
                self.reload_subscriptions = true;
                self.settings_are_stale = self.reload_settings;
                self.verification_settings(&settings);
                self.settings = Some(Arc::new(settings));
            }
            Reply::Balanced(balanced) => self.balanced(&balanced, now),
            Reply::Released(shards) => {
                self.shards.on_released(&shards);
                self.scheduler
                    .forget_receivers(|shard| shards.contains(&shard));
                self.doorbell.on_disarmed(now);
                tracing::info!(
                    ?shards,
                    owned = self.shards.owned().len(),
                    "released shards"
                );
            }
            Reply::Promoted(Promoted {
                ready,
                next,
                locked,
            }) => {
                if self.scheduler.on_promoted(&ready) {
                    self.doorbell.on_work();
                }
                // To go over very many locked rows takes its time, in which nothing is claimed.
                let least = match locked.is_empty() {
                    true => PROMOTE_STEP,
                    false => (now - self.action_started) * 10,
                };
                self.promote_at = now
                    + next
                        .unwrap_or(PROMOTE_INTERVAL)
                        .max(least)
                        .clamp(PROMOTE_STEP, PROMOTE_INTERVAL);
                self.locked(locked, now);
            }
            Reply::Claimed { claimed, scope } => self.claimed(claimed, scope, now),
            Reply::Loaded(subscriptions) => self.loaded(&subscriptions, now),
            Reply::Armed(success) => self.doorbell.on_armed(success, now),
            Reply::Disarmed => self.doorbell.on_disarmed(now),
            Reply::Named => {}
            Reply::Changed {
                settings,
                subscriptions,
                clock,
            } => {
                self.health.set_clock(&clock, now);
                if self
                    .settings
                    .as_ref()
                    .is_some_and(|s| s.digest != settings.digest)
                {
                    self.settings_changed();
                }
                for id in subscriptions {
                    self.subscription_changed(id);
                }
            }
        }
        Ok(())
    }

    fn heard(&mut self, notification: &Notification) {
        let now = Instant::now();
        match Signal::of(notification) {
            Some(Signal::Doorbell) => {
                self.doorbell.on_notify(now);
                self.promote_at = self.promote_at.min(self.last_promote + PROMOTE_PAUSE);
            }
            Some(Signal::Test) => self.scheduler.look_for_tests(),
            Some(Signal::Subscription(id)) => self.subscription_changed(id),
            Some(Signal::Verify(id)) => {
                self.subscription_changed(id);
                self.verifying.due.insert(id);
            }
            Some(Signal::Subscriptions) => {
                self.reload_subscriptions = true;
                self.scheduler.on_subscriptions_changed();
                self.doorbell.on_work();
            }
            Some(Signal::Settings) => self.settings_changed(),
            None => {}
        }
    }

    fn settings_changed(&mut self) {
        self.reload_settings = true;
        self.settings_are_stale = true;
    }

    fn subscription_changed(&mut self, id: Uuid) {
        if self.scheduler.awaits_permission(id) {
            self.verifying.due.insert(id);
        }
        self.changed.push(id);
        self.scheduler.on_subscription_changed(id);
        self.doorbell.on_work();
    }

    /// Sends what may be sent, as long as the shards are certainly still ours.
    fn dispatch(&mut self, now: Instant) {
        let Some(settings) = self.settings.clone() else {
            return;
        };
        if !self.lease.is_valid(now) || self.settings_are_stale {
            return;
        }
        while let Some(delivery) = self.scheduler.start_next(now) {
            let id = delivery.id;
            let (sender, settings, attempts) = (
                self.sender.clone(),
                settings.clone(),
                self.attempts_sender.clone(),
            );
            let task = self.tasks.spawn(async move {
                let attempt = sender.attempt(&delivery, &settings).await;
                // The engine may have ended; then the delivery is made again.
                let _ = attempts.send(attempt);
            });
            self.scheduler.on_started(id, Request(task.abort_handle()));
        }
    }

    fn tick(&mut self, now: Instant) {
        self.scheduler.on_timers(now);
        if now >= self.tick_at {
            self.tick_at = now + Duration::from_secs(1);
            self.scheduler.tick(now);
        }
        // One sidecar maintains: the one with the first shard.
        if self.maintainer.is_due(now) && self.shards.active().first() == Some(&0) {
            let database = self.database.clone();
            let task = self.tasks.spawn(async move {
                if let Err(error) = maintain(&database).await {
                    tracing::warn!("maintenance failed: {error}");
                }
            });
            self.maintainer.started(task, now);
        }
    }
}
