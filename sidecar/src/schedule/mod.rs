//! Scheduling: which deliveries to claim, which to send next, when to sleep, and which shards to keep. All of it is
//! pure: no I/O and no clock, so that every function that depends on time takes `now`.
//!
//! A machine changes its state when an event is reported (`on_…`), or when something is begun that was asked for
//! (`start_…`). Questions (`next…`) change nothing, and answer with what to do or with a time before which nothing is
//! to be done.
//!
//! ```text
//!    on notify                a claim's rows
//!        |                          |
//!        v                          v
//!    doorbell                 may it be taken?     breaker, throttle, endpoint_verification, room
//!        |                          |
//!        | when                     v
//!        +-----> claim        it waits             subscription_queue, fifo_lanes, scan_cursor
//!        ^                          |
//!        | what                     v
//!    claim_planner            is it its turn?      fair_queue, rate_limit
//!        ^                          |
//!        | room                     v
//!        |                    it is sent
//!        |                          |
//!        |                          v
//!        |                    does it count?       lease
//!        |                          |
//!        |                          v
//!    buffer <---------------- it is recorded
//! ```
//!
//! # Layout
//! Each of these files holds one machine, whose states are drawn at its top:
//! - [`agenda`], [`shards`], [`doorbell`], [`claim_planner`], [`lease`]: of the session with the database
//! - `buffer`, `fair_queue`, `tenant_slots`, `crowded`, `subscription_queue`, `fifo_lanes`, `scan_cursor`: of deliveries
//! - `breaker`, `throttle`, `rate_limit`, `endpoint_verification`: of receivers
//!
//! The [`Scheduler`] routes events to those of deliveries and receivers: along the way of a delivery in `deliveries`,
//! around claims in `claims`, back to the database in `release`.

pub mod agenda;
mod breaker;
mod buffer;
pub mod claim_planner;
mod claims;
mod crowded;
mod deliveries;
pub mod doorbell;
mod endpoint_verification;
mod fair_queue;
mod fifo_lanes;
pub mod lease;
mod rate_limit;
mod release;
mod scan_cursor;
pub mod shards;
mod subscription_queue;
mod tenant_slots;
mod throttle;
mod timers;

use crate::model::{Destination, Receiver, Subscription, Verification};
use breaker::{Admission, Breakers};
use buffer::DeliveryBuffer;
use claim_planner::ClaimPlanner;
use endpoint_verification::EndpointVerification;
use fair_queue::FairQueue;
use fifo_lanes::FifoLanes;
use rate_limit::RateLimits;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use throttle::Throttles;
use timers::Timers;
use uuid::Uuid;

pub use deliveries::{Attempted, Ended};

/// Payload bytes waiting here at the most.
const MAX_WAITING_BYTES: usize = 16 << 20;
/// Payload bytes in flight beyond which a subscription gets one request at a time.
const MAX_IN_FLIGHT_BYTES: usize = 64 << 20;

/// How often what is remembered fades.
const TICK: Duration = Duration::from_secs(1);

/// All deliveries in memory, and what is known of their receivers. `R` stands for a request under way, which is cut off
/// when it is dropped.
pub struct Scheduler<R> {
    buffer: DeliveryBuffer<R>,
    queues: FairQueue,
    lanes: FifoLanes,
    rates: RateLimits,
    breakers: Breakers,
    throttles: Throttles,
    verification: EndpointVerification<R>,
    planner: ClaimPlanner,
    timers: Timers,
    tick_at: Instant,
    /// Subscriptions that were changed or heard of since the last claim began: what it read of them is old.
    outdated: HashSet<Uuid>,
}

impl<R> Scheduler<R> {
    /// `slots`: requests that may be under way at once.
    pub fn new(slots: usize, now: Instant) -> Self {
        Self {
            buffer: DeliveryBuffer::default(),
            queues: FairQueue::new(slots),
            lanes: FifoLanes::default(),
            rates: RateLimits::default(),
            breakers: Breakers::default(),
            throttles: Throttles::default(),
            verification: EndpointVerification::default(),
            planner: ClaimPlanner::new(now),
            timers: Timers::default(),
            tick_at: now,
            outdated: HashSet::new(),
        }
    }

    /// Of the slots so many may be used from now on.
    pub fn set_usable_slots(&mut self, slots: usize) {
        self.queues.set_usable(slots);
    }

    /// Whether a delivery waits for a slot.
    pub fn wants_slots(&self) -> bool {
        self.queues.wants_slots()
    }

    /// These shards are owned from now on. Who owned them before knew more of their receivers, and left it in the
    /// database; what it left ready is not known.
    pub fn on_acquired(&mut self, shards: &[i16], now: Instant) {
        self.rates.on_acquired(shards, now);
        self.forget_receivers(|shard| shards.contains(&shard));
        self.reset_cursors();
    }

    /// Forgets what is known of the receivers of shards that are no longer owned, or were another's, and cuts off the
    /// requests that ask them: the database knows better.
    pub fn forget_receivers(&mut self, of_shard: impl Fn(i16) -> bool) {
        self.breakers.retain(|_, shard| !of_shard(shard));
        self.throttles.retain(|_, shard| !of_shard(shard));
        self.verification.retain(|_, shard| !of_shard(shard));
        self.buffer.set_outdated(|held| of_shard(held.shard));
    }

    /// A subscription was changed: its failures are to be loaded again, and what waits of it too.
    pub fn on_subscription_changed(&mut self, subscription: Uuid) {
        self.breakers.retain(|id, _| id != subscription);
        self.throttles.retain(|id, _| id != subscription);
        self.verification.retain(|id, _| id != subscription);
        self.outdated.insert(subscription);
        self.buffer.set_outdated(|held| held.queue == subscription);
        self.release_waiting_of(subscription);
    }

    /// Very many subscriptions were changed.
    pub fn on_subscriptions_changed(&mut self) {
        self.forget_receivers(|_| true);
        self.claim_anew();
    }

    /// Another origin asks receivers, or other receivers have to be asked: all of it is to be claimed and loaded anew.
    pub fn on_verification_changed(&mut self) {
        self.verification.retain(|_, _| false);
        self.claim_anew();
    }

    fn claim_anew(&mut self) {
        self.release_waiting(|_| true);
        self.reset_cursors();
        self.planner.want_more();
    }

    /// What the database knows of receivers, when their subscriptions are first met.
    pub fn on_receivers_loaded(&mut self, receivers: Vec<Receiver>, now: Instant) {
        for receiver in receivers {
            let (id, shard) = (receiver.subscription, receiver.shard);
            if self.outdated.contains(&id) {
                continue;
            }
            if let Some(series) = receiver.failures {
                if let Some(until) = series.open_until {
                    self.timers.set(until, id);
                }
                self.breakers.on_loaded(id, shard, &series);
            }
            if let Some(until) = receiver.waits_until {
                self.timers.set(until, id);
                self.throttles.on_loaded(id, shard, until, now);
            }
        }
    }

    /// Subscriptions that something is here or known of: their changes matter.
    pub fn concerned(&self) -> Vec<Uuid> {
        let concerned: HashSet<Uuid> = self
            .queues
            .iter()
            .filter(|(_, queue)| queue.held() > 0)
            .map(|(id, _)| id)
            .chain(self.breakers.failing())
            .chain(self.throttles.ids())
            .chain(self.verification.ids())
            .collect();
        concerned.into_iter().collect()
    }

    /// For how long the subscription had nothing but failures.
    pub fn failing_for(&self, subscription: Uuid, now: Instant) -> Option<Duration> {
        self.breakers.failing_for(subscription, now)
    }

    /// When something may be sent or claimed again that may not now.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Once a second, what is remembered for a while fades.
    pub fn tick(&mut self, now: Instant) {
        if now >= self.tick_at {
            self.tick_at = now + TICK;
            self.queues.tick();
            self.rates.tick(now);
            self.throttles.tick(now);
        }
    }

    /// Lets those go whose time has come.
    pub fn on_timers(&mut self, now: Instant) {
        while let Some(id) = self.timers.take_due(now) {
            let has_wait_ended = self.throttles.end_wait(id, now);
            if has_wait_ended || self.breakers.admission(id, now) == Admission::Probe {
                self.planner.want_more();
                self.have_read(id);
            }
            self.verification.on_timer(id, now);
            self.queues.enter(id);
        }
    }

    /// Holds back what goes to a receiver until it has agreed.
    fn await_permission(&mut self, subscription: &Arc<Subscription>, now: Instant) {
        if let Some(at) = self.verification.on_loaded(subscription, now) {
            self.timers.set(at, subscription.id);
        }
    }

    /// A subscription was loaded because its receiver may have to be asked. Of one that can't be, a claim says so if
    /// there is something to deliver.
    pub fn on_loaded(&mut self, subscription: &Arc<Subscription>, now: Instant) {
        match subscription.verification {
            Verification::Needed { ask_at: None, .. } => self.verification.forget(subscription.id),
            _ => self.await_permission(subscription, now),
        }
    }

    /// Whether a receiver has to agree first, as far as is known here.
    pub fn awaits_permission(&self, subscription: Uuid) -> bool {
        self.verification.contains(subscription)
    }

    /// Takes out the next receiver to ask. Say [`Self::on_asking`] of each.
    pub fn start_asking(&mut self) -> Option<Arc<Subscription>> {
        self.verification.start_next()
    }

    /// A receiver is being asked by this request, which is cut off when it is dropped.
    pub fn on_asking(&mut self, subscription: Uuid, request: R) {
        self.verification.on_asking(subscription, request);
    }

    /// A receiver answered. False: that is not waited for any more.
    pub fn on_answered(&mut self, subscription: &Subscription) -> bool {
        self.verification.on_answered(subscription)
    }

    /// A receiver was not asked after all: it is to be loaded again. False: that is not waited for any more.
    pub fn on_not_asked(&mut self, subscription: Uuid) -> bool {
        self.verification.on_not_asked(subscription)
    }

    /// Whether the answer of this version's receiver is still to be recorded.
    pub fn is_answered(&self, subscription: &Subscription) -> bool {
        self.verification.is_answered(subscription)
    }

    /// Receivers that no notification told of for long: to be loaded again.
    pub fn take_stale(&mut self) -> Vec<Uuid> {
        self.verification.take_stale()
    }

    /// Deliveries of a shard that are in flight or being recorded.
    pub fn busy(&self, shard: i16) -> usize {
        self.buffer.busy(shard)
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.queues.in_flight()
    }

    /// So many further requests may go to a destination. Returns whether more wait for it.
    pub fn on_room_at(&mut self, destination: &Destination, places: usize) -> bool {
        self.queues.on_room_at(destination, places)
    }

    /// Destinations that deliveries wait for.
    pub fn crowded(&self) -> Vec<Destination> {
        self.queues.crowded().cloned().collect()
    }

    /// Deliveries in memory.
    pub fn held_count(&self) -> usize {
        self.buffer.len()
    }

    /// Subscriptions whose breaker is open.
    pub fn open_breakers(&self) -> usize {
        self.breakers.open().count()
    }

    /// Subscriptions whose receiver asked for a pause that is not over.
    pub fn paused(&self, now: Instant) -> usize {
        self.throttles.waiting(now).count()
    }

    /// Whether nothing is in flight or being recorded, but for what is locked.
    pub fn is_quiet(&self) -> bool {
        self.buffer.is_quiet()
    }
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
