//! The way of a delivery through the machines: offered by a claim, sent, and recorded.

use super::breaker::Admission;
use super::buffer::{Held, Settled};
use super::fair_queue::Permit;
use super::fifo_lanes::Place;
use super::throttle::Answer;
use super::{MAX_IN_FLIGHT_BYTES, Scheduler};
use crate::model::{BreakerChange, Delivery, Destination, EndpointSignal, Verification};
use std::time::{Duration, Instant};
use uuid::Uuid;
use webhooks_core::retry::Throttle;

/// Why a test is not made.
const WANTS_A_PAUSE: &str = "the receiver asked for a pause";

/// An attempt that ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub delivery: Uuid,
    /// What it says of the endpoint.
    pub signal: EndpointSignal,
    /// How long it took.
    pub duration: Duration,
    /// It is to be tried again.
    pub is_retried: bool,
    /// What the receiver asked of all that goes to it.
    pub throttle: Option<Throttle>,
}

/// What becomes of the result of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempted {
    /// It is to be recorded, with what it changed for the subscription.
    ToRecord(Option<BreakerChange>),
    /// It was given up meanwhile, or failed after its shard was lost: recorded, it could hide the success of the next
    /// owner's same attempt.
    Discarded,
}

impl<R> Scheduler<R> {
    /// Takes a claimed delivery, unless it is held already or its queue takes no more. Returns whether it was new.
    pub fn offer(&mut self, delivery: Delivery, now: Instant) -> bool {
        let (id, queue_id) = (delivery.id, delivery.queue());
        if self.buffer.contains(id) {
            return false;
        }
        let subscription = &delivery.subscription;
        let must_agree = matches!(subscription.verification, Verification::Needed { .. });
        if must_agree {
            // It was changed since it was read: the next claim reads it anew.
            if self.outdated.contains(&subscription.id) {
                self.planner.want_more();
            } else {
                self.await_permission(subscription, now);
            }
        }
        let is_sendable = delivery.is_sendable(now);
        let is_paused = self.throttles.waits_until(subscription.id, now).is_some();
        let is_held_back = must_agree || is_paused && !delivery.is_test;
        let max_in_flight = self
            .throttles
            .limit(subscription.id, subscription.max_in_flight);
        let tenant = subscription.tenant_id;
        let held = Held {
            shard: delivery.shard,
            queue: queue_id,
            test_of: delivery.is_test.then_some(subscription.id),
            lane: delivery.lane,
            size: delivery.size,
            breaker: subscription.breaker,
            max_in_flight: subscription.max_in_flight,
            is_outdated: false,
            is_lease_lost: false,
            left_out_after: None,
            is_ready_again: false,
        };
        let (claim, is_fresh) = (self.planner.number(), delivery.is_fresh);
        let (share, free_bytes) = (self.queues.share(), self.free_bytes());
        let queue = self.queues.get_or_add(queue_id);
        queue.set_tenant(tenant);
        queue.set_max_in_flight(max_in_flight);
        let has_room = match self.breakers.admission(queue_id, now) {
            Admission::Free => !queue.is_crowded(share, free_bytes),
            Admission::Probe => queue.held() == 0 || !is_sendable,
            Admission::Refused => false,
        };
        // What can't be sent any more is only recorded.
        if !has_room || is_held_back && is_sendable || queue.is_suspended() {
            queue.has_more = true;
            queue.cursor.rewind(id, claim);
            return false;
        }
        match held.lane {
            None => queue.push(delivery),
            Some(lane) => match self.lanes.place((queue_id, lane), delivery, claim) {
                Place::First(delivery) => queue.push(delivery),
                Place::Behind => {}
                Place::Refused => {
                    queue.has_more = true;
                    return false;
                }
            },
        }
        queue.add(held.size, held.lane.is_some());
        if held.lane.is_none() && !is_fresh {
            queue.cursor.advance(id, claim);
        }
        self.buffer.add(id, held);
        match is_fresh {
            true => self.queues.enter_fresh(queue_id, id),
            false => self.queues.enter(queue_id),
        }
        true
    }

    /// Takes out the next delivery to send; `None`: nothing may be sent now. Say [`Self::on_timers`] before the first,
    /// and [`Self::on_started`] after each. `place` takes a place for it at its destination, unless that is crowded; a
    /// place that is taken for another one is to be given back.
    pub fn start_next(
        &mut self,
        now: Instant,
        mut place: impl FnMut(&Delivery) -> Result<(), Destination>,
    ) -> Option<Delivery> {
        let has_bytes = self.buffer.in_flight_bytes() < MAX_IN_FLIGHT_BYTES;
        let (rates, timers) = (&mut self.rates, &mut self.timers);
        let permit = |id, first: &Delivery| {
            // What is not sent costs nothing, and for a test somebody waits.
            if first.is_test || !first.is_sendable(now) {
                return Permit::Granted;
            }
            if let Err(destination) = place(first) {
                return Permit::Crowded(destination);
            }
            let Some(limit) = first.subscription.rate_limit else {
                return Permit::Granted;
            };
            match rates.take(id, first.shard, limit, now) {
                Ok(()) => Permit::Granted,
                Err(at) => {
                    timers.set(at, id);
                    Permit::Later
                }
            }
        };
        let mut delivery = self.queues.start_next(has_bytes, permit)?;
        if delivery.is_test && delivery.message.is_ok() {
            let receiver = delivery.subscription.id;
            if self.throttles.waits_until(receiver, now).is_some() {
                // Somebody waits for its answer: that is one.
                delivery.message = Err(WANTS_A_PAUSE.to_owned());
            }
        }
        Some(delivery)
    }

    /// The attempt is under way; its request is cut off when this is dropped.
    pub fn on_started(&mut self, id: Uuid, request: R) {
        self.buffer.on_started(id, request);
    }

    /// The attempt ended.
    pub fn on_attempted(&mut self, ended: &Ended, now: Instant) -> Attempted {
        let Some(held) = self.buffer.on_attempted(ended.delivery) else {
            return Attempted::Discarded;
        };
        // That the receiver took it is true whoever says it.
        if held.is_lease_lost && ended.signal != EndpointSignal::Success {
            // The next owner may be this process.
            self.on_not_sent(ended.delivery);
            return Attempted::Discarded;
        }
        if ended.is_retried || held.is_lease_lost {
            self.buffer
                .stays(ended.delivery, self.planner.last_complete());
        }
        let id = held.queue;
        if ended.signal != EndpointSignal::None {
            self.outdated.insert(id);
        }
        let change = self.breaker_change(ended.signal, &held, now);
        if let Some(lane) = held.lane {
            self.on_lane_ended((id, lane), ended.is_retried);
        }
        self.queues.end_request(id, true);
        match change {
            Some(BreakerChange::Open { probe_in, .. }) => {
                self.timers.set(now + probe_in, id);
                self.release_waiting_of(id);
            }
            Some(BreakerChange::Closed { .. }) => self.planner.want_more(),
            Some(BreakerChange::Failing { .. } | BreakerChange::Throttled { .. }) | None => {}
        }
        // An answer from before the last change may be another receiver's, or the very one that somebody has looked
        // after.
        if held.is_outdated {
            return Attempted::ToRecord(change);
        }
        let answer = Answer {
            subscription: held.test_of.unwrap_or(id),
            shard: held.shard,
            max_in_flight: held.max_in_flight,
            began: now.checked_sub(ended.duration).unwrap_or(now),
        };
        let throttled = match ended.throttle {
            Some(wish) => self.throttle(answer, wish, now),
            None => {
                if ended.signal == EndpointSignal::Success {
                    self.on_success(answer, now);
                }
                None
            }
        };
        Attempted::ToRecord(change.or(throttled))
    }

    fn breaker_change(
        &mut self,
        signal: EndpointSignal,
        held: &Held,
        now: Instant,
    ) -> Option<BreakerChange> {
        let id = held.queue;
        match signal {
            _ if held.test_of.is_some() => None,
            EndpointSignal::Success => {
                let known = self.breakers.on_success(id);
                let unknown = BreakerChange::Closed { was_open: false };
                known.or(held.is_outdated.then_some(unknown))
            }
            EndpointSignal::Failure if held.is_outdated => None,
            EndpointSignal::Failure => self.breakers.on_failure(id, held.shard, held.breaker, now),
            EndpointSignal::Busy | EndpointSignal::None => None,
        }
    }

    /// The attempt of the first of a lane ended: it goes first again, whenever that is, or the next one may.
    fn on_lane_ended(&mut self, lane: (Uuid, i64), is_retried: bool) {
        if is_retried {
            let behind = self.lanes.take_behind(lane);
            self.remove_all(&behind);
        } else if let Some(next) = self.lanes.next(lane)
            && let Some(queue) = self.queues.get_mut(lane.0)
        {
            queue.push(next);
        }
    }

    /// The receiver wants less: what waits here goes back until then. Returns what is to be recorded.
    fn throttle(&mut self, answer: Answer, wish: Throttle, now: Instant) -> Option<BreakerChange> {
        let news = self.throttles.on_wish(answer, wish, now);
        self.keep_to_limit(answer);
        if let Some(until) = self.throttles.waits_until(answer.subscription, now) {
            self.timers.set(until, answer.subscription);
            self.release_waiting_of(answer.subscription);
        }
        news.map(|wait| BreakerChange::Throttled { wait })
    }

    /// The receiver took a request.
    fn on_success(&mut self, answer: Answer, now: Instant) {
        if self.throttles.on_success(answer, now) {
            self.keep_to_limit(answer);
            self.queues.enter(answer.subscription);
            self.planner.want_more();
        }
    }

    fn keep_to_limit(&mut self, answer: Answer) {
        let limit = self
            .throttles
            .limit(answer.subscription, answer.max_in_flight);
        if let Some(queue) = self.queues.get_mut(answer.subscription) {
            queue.set_max_in_flight(limit);
        }
    }

    /// The attempt was not made after all: the delivery, and what is behind it in its lane, stays in the database.
    pub fn on_not_sent(&mut self, id: Uuid) {
        if self.give_up(id) {
            self.planner.want_more();
        }
    }

    /// The result of this delivery will disable its subscription: nothing more of it is taken until that is recorded.
    /// Returns whether it is the first to do so.
    pub fn on_disabling(&mut self, id: Uuid, subscription: Uuid) -> bool {
        self.release_waiting_of(subscription);
        self.queues.get_or_add(subscription).disable(id)
    }

    /// The result is recorded.
    pub fn on_recorded(&mut self, id: Uuid) {
        if let Some(Settled { held, was_locked }) = self.buffer.on_recorded(id) {
            self.recorded(id, held);
            self.leave(held.queue, was_locked);
        }
    }

    /// The result that could not be recorded is, after all.
    pub fn on_recorded_after_all(&mut self, id: Uuid) {
        if let Some(held) = self.buffer.on_recorded_after_all(id) {
            self.recorded(id, held);
        }
    }

    fn recorded(&mut self, id: Uuid, held: Held) {
        if self.planner.is_claiming() {
            self.buffer.keep_recorded(id);
        } else {
            self.forget(id);
        }
        // While a lane is busy no claim brings more of it.
        let lane = held.lane.map(|lane| (held.queue, lane));
        if lane.is_some_and(|lane| self.lanes.release(lane)) {
            self.planner.want_more();
        }
    }

    /// The result is discarded: the delivery stays in the database as it was.
    pub fn on_discarded(&mut self, id: Uuid) {
        if let Some(held) = self.buffer.get(id) {
            self.on_recorded(id);
            self.rewind(held.queue, id);
            self.planner.want_more();
        }
    }

    /// The result can't be recorded while another transaction has locked what it changes. It counts against its own
    /// subscription alone: nothing more of it is sent, and the room for others is as before.
    pub fn on_locked(&mut self, id: Uuid) {
        if let Some(held) = self.buffer.on_locked(id) {
            self.queues.lock_result(held.queue);
            self.release_waiting_of(held.queue);
        }
    }

    /// The result can't be recorded so far: the delivery is neither sent again nor waited for while this session lasts.
    pub fn on_unrecordable(&mut self, id: Uuid) {
        let Some(Settled { held, was_locked }) = self.buffer.on_unrecordable(id) else {
            return;
        };
        if let Some(queue) = self.queues.get_mut(held.queue) {
            queue.end_disabling(id);
        }
        self.leave(held.queue, was_locked);
    }

    fn leave(&mut self, queue: Uuid, was_locked: bool) {
        let wants_more = self.queues.leave(queue);
        let is_unlocked = was_locked && self.queues.unlock_result(queue);
        if wants_more || is_unlocked {
            self.planner.want_more();
        }
    }

    /// No claim can bring a recorded delivery again, nor know less of its subscription than its result said.
    pub(super) fn forget(&mut self, id: Uuid) {
        let Some(held) = self.buffer.remove(id) else {
            return;
        };
        let was_left_out = held
            .left_out_after
            .is_some_and(|claim| claim < self.planner.number());
        if held.is_ready_again {
            self.rewind(held.queue, id);
        }
        if held.is_ready_again || was_left_out {
            self.planner.want_more();
        }
        let queue = self.queues.get_mut(held.queue);
        if queue.is_some_and(|queue| queue.end_disabling(id)) {
            // It may have been enabled again meanwhile.
            self.planner.want_more();
        }
        if held.test_of.is_some() {
            self.planner.look_for_tests();
        }
    }
}
