//! Dispatch: which claimed delivery is sent next. Round robin over subscriptions, each within its own limits and
//! within its share of the slots, so that receivers that hang can't take the slots of those that answer.
//!
//! `room`: what a claim should bring; `seen`: where it may begin; `put_back`: what is let go; `parked`: what somebody has locked; `line`: one subscription;
//! `lanes`: order; `rate`: limits; `breaker`: failures; `throttle`: receivers that want less; `unverified`: receivers that have to agree first.

mod breaker;
mod lanes;
mod line;
mod parked;
mod put_back;
mod rate;
mod room;
mod seen;
mod throttle;
mod unverified;

use crate::model::{Attempt, BreakerChange, BreakerPolicy, Delivery, EndpointSignal, Verification};
use breaker::{Admission, Breakers, Failing};
use lanes::{Lanes, Place};
use line::Line;
use rate::RateLimits;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};
use throttle::{Answer, Throttles};
use tokio::task::AbortHandle;
use unverified::Unverified;
use uuid::Uuid;

pub use room::{MAX_CLAIM, MIN_CLAIM};

/// This part of the slots is left to newcomers.
const NEWCOMERS_PART: usize = 8;
/// Why a test is not made.
const WANTS_A_PAUSE: &str = "the receiver asked for a pause";
/// Payload bytes in flight beyond which a subscription gets one request at a time.
const MAX_BYTES_IN_FLIGHT: usize = 64 << 20;

enum State {
    Waiting,
    InFlight(AbortHandle),
    Recording,
    /// Recorded while a claim was under way, whose snapshot may still show it.
    Recorded,
    /// Its result waits, since somebody has locked its subscription's rows.
    Parked,
    /// Its result can't be recorded: held so that it is not sent over and over.
    Stuck,
}

impl State {
    /// Whether a request or its result is on the way.
    fn is_busy(&self) -> bool {
        matches!(self, Self::InFlight(_) | Self::Recording | Self::Parked)
    }
}

struct Held {
    shard: i16,
    /// In whose line it stands: see [`Delivery::line`].
    line: Uuid,
    /// The subscription that it tests.
    test_of: Option<Uuid>,
    lane: Option<i64>,
    size: usize,
    state: State,
    breaker: BreakerPolicy,
    max_in_flight: usize,
    /// It was sent before its subscription was changed, or while another owned its shard: that it fails says nothing
    /// of the receiver as it is now.
    is_outdated: bool,
    /// Its shard was lost after it was sent, or may have been: the next owner makes the same attempt.
    is_disowned: bool,
}

/// All deliveries that this sidecar holds.
pub struct Board {
    concurrency: usize,
    in_flight: usize,
    /// Attempts that ended within about the last second or two.
    pace: usize,
    /// The size of what waits, and of what is in flight or being recorded.
    bytes: usize,
    bytes_in_flight: usize,
    held: HashMap<Uuid, Held>,
    lines: HashMap<Uuid, Line>,
    /// Lines with something waiting and room in flight.
    ring: VecDeque<Uuid>,
    /// Newcomers' lines, each behind the id of the delivery that it came with, so that the last published is last: they take
    /// turns with the ring.
    newcomers: BTreeSet<(Uuid, Uuid)>,
    newcomer_was_last: bool,
    lanes: Lanes,
    rates: RateLimits,
    /// Since when each shard is owned.
    owned_since: HashMap<i16, Instant>,
    breakers: Breakers,
    throttles: Throttles,
    unverified: Unverified,
    /// When a line may send again, a breaker lets a probe through, a receiver's pause ends, or a receiver may be asked.
    timers: BTreeSet<(Instant, Uuid)>,
    /// Subscriptions that were changed or heard of since the last claim began: what it read of them is old.
    heard_of: HashSet<Uuid>,
    recorded: Vec<Uuid>,
    /// How many can't be recorded.
    stuck: usize,
    /// Subscriptions that a result disables, until that result (a delivery's) is recorded.
    disabling: HashMap<Uuid, Uuid>,
    /// How many results wait of each line, whose rows are locked: nothing more of it is taken.
    parked: HashMap<Uuid, usize>,
    /// A line with `more` has room again.
    hungry: bool,
    test_ended: bool,
    walks_are_slow: bool,
    /// The last line that a claim looked at, of those that do not walk.
    looked_until: Uuid,
    /// Claims so far, and when the last one began that was of more than newcomers or tests.
    claims: u64,
    last_claim: Option<Instant>,
}

impl Board {
    pub fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            in_flight: 0,
            pace: 0,
            bytes: 0,
            bytes_in_flight: 0,
            held: HashMap::new(),
            lines: HashMap::new(),
            ring: VecDeque::new(),
            newcomers: BTreeSet::new(),
            newcomer_was_last: false,
            lanes: Lanes::default(),
            rates: RateLimits::default(),
            owned_since: HashMap::new(),
            breakers: Breakers::default(),
            throttles: Throttles::default(),
            unverified: Unverified::default(),
            timers: BTreeSet::new(),
            heard_of: HashSet::new(),
            recorded: Vec::new(),
            stuck: 0,
            disabling: HashMap::new(),
            parked: HashMap::new(),
            hungry: false,
            test_ended: false,
            walks_are_slow: false,
            looked_until: Uuid::nil(),
            claims: 0,
            last_claim: None,
        }
    }

    /// What the database knows of a subscription's failures, when it is first met.
    pub fn adopt(&mut self, subscription: Uuid, failing: Failing) {
        if self.heard_of.contains(&subscription) {
            return;
        }
        if let Some(until) = failing.open_until {
            self.timers.insert((until, subscription));
        }
        self.breakers.adopt(subscription, failing);
    }

    /// These shards are ours from now on.
    pub fn acquired(&mut self, shards: &[i16], now: Instant) {
        self.owned_since
            .extend(shards.iter().map(|shard| (*shard, now)));
        self.forget_failures(|shard| shards.contains(&shard));
        self.unsee_all();
    }

    /// Forgets the failures of shards that are no longer ours, or were another's, and who was being asked there: the
    /// database knows better.
    pub fn forget_failures(&mut self, of_shard: impl Fn(i16) -> bool) {
        self.breakers.retain(|_, shard| !of_shard(shard));
        self.throttles.retain(|_, shard| !of_shard(shard));
        self.unverified.retain(|_, shard| !of_shard(shard));
        for held in self.held.values_mut().filter(|held| of_shard(held.shard)) {
            held.is_outdated = true;
        }
    }

    /// A subscription was changed: its failures are to be loaded again, and what waits of it too.
    pub fn changed(&mut self, subscription: Uuid) {
        self.breakers.retain(|id, _| id != subscription);
        self.throttles.retain(|id, _| id != subscription);
        self.unverified.retain(|id, _| id != subscription);
        self.heard_of.insert(subscription);
        let held = self.held.values_mut();
        for held in held.filter(|held| held.line == subscription) {
            held.is_outdated = true;
        }
        self.drop_waiting_of(subscription);
    }

    /// Very many subscriptions were changed.
    pub fn all_changed(&mut self) {
        self.forget_failures(|_| true);
        self.drop_waiting(|_| true);
        self.unsee_all();
        self.hungry = true;
    }

    /// Subscriptions that something is here or known of: their changes matter.
    pub fn concerned(&self) -> Vec<Uuid> {
        let concerned: HashSet<Uuid> = self
            .lines
            .iter()
            .filter(|(_, line)| line.held > 0)
            .map(|(id, _)| *id)
            .chain(self.breakers.failing())
            .chain(self.throttles.ids())
            .chain(self.unverified.ids())
            .collect();
        concerned.into_iter().collect()
    }

    /// Takes a claimed delivery, unless it is held already or its line takes no more. Returns whether it was new.
    pub fn offer(&mut self, delivery: Delivery, now: Instant) -> bool {
        let id = delivery.id;
        let (line_id, subscription) = (delivery.line(), delivery.subscription.clone());
        let in_order = delivery.lane.is_none() && !delivery.is_fresh;
        if self.held.contains_key(&id) {
            return false;
        }
        let must_agree = matches!(subscription.verification, Verification::Needed { .. });
        if must_agree {
            // It was changed since it was read: the next claim reads it anew.
            if self.heard_of.contains(&subscription.id) {
                self.hungry = true;
            } else {
                self.await_permission(&subscription, now);
            }
        }
        let waits = self.throttles.waits_until(subscription.id, now).is_some();
        let (share, free_bytes) = (self.share(), self.free_bytes());
        let line = self.lines.entry(line_id).or_default();
        line.max_in_flight = self
            .throttles
            .limit(subscription.id, subscription.max_in_flight);
        let admitted = match self.breakers.admission(line_id, now) {
            Admission::Free => !line.is_crowded(share, free_bytes),
            Admission::Probe => line.held == 0 || !delivery.is_sendable(now),
            Admission::Refused => false,
        };
        // What can't be sent any more is only recorded.
        let may_not = must_agree || waits && !delivery.is_test;
        let admitted = admitted && !(may_not && delivery.is_sendable(now));
        if !admitted || self.disabling.contains_key(&line_id) || self.parked.contains_key(&line_id)
        {
            line.more = true;
            self.unsee(line_id, id);
            return false;
        }
        let (size, shard, lane) = (delivery.size, delivery.shard, delivery.lane);
        let is_newcomer = delivery.is_fresh;
        let test_of = delivery.is_test.then_some(subscription.id);
        match lane.map(|lane| (line_id, lane)) {
            None => line.waiting.push_back(delivery),
            Some(lane) => match self.lanes.place(lane, delivery, self.claims) {
                Place::First(delivery) => line.waiting.push_back(delivery),
                Place::Behind => {}
                Place::Refused => {
                    line.more = true;
                    return false;
                }
            },
        }
        line.held += 1;
        line.bytes += size;
        line.is_ordered |= lane.is_some();
        self.bytes += size;
        let held = Held {
            shard,
            line: line_id,
            test_of,
            lane,
            size,
            state: State::Waiting,
            breaker: subscription.breaker,
            max_in_flight: subscription.max_in_flight,
            is_outdated: false,
            is_disowned: false,
        };
        self.held.insert(id, held);
        if in_order {
            self.see(line_id, id);
        }
        if let Some(line) = self.lines.get_mut(&line_id)
            && !line.in_ring
            && line.may_send()
        {
            line.in_ring = true;
            if is_newcomer {
                // The newest goes first: a burst to thousands must not hide what comes after it, whichever is claimed first.
                self.newcomers.insert((id, line_id));
            } else {
                self.ring.push_back(line_id);
            }
        }
        true
    }

    /// The claim brought all it might of this subscription: there may be more.
    pub fn more(&mut self, subscription: Uuid) {
        let share = self.share();
        if let Some(line) = self.lines.get_mut(&subscription) {
            line.more = true;
            self.hungry |= line.is_hungry(share);
        }
    }

    /// The next delivery to send; `None`: nothing may be sent now. Say [`Self::due`] before the first, and
    /// [`Self::started`] after each.
    pub fn next(&mut self, now: Instant) -> Option<Delivery> {
        for _ in 0..self.ring.len() + self.newcomers.len() {
            let free = self.concurrency.saturating_sub(self.in_flight);
            if free == 0 {
                return None;
            }
            let (id, is_newcomer) = self.next_in_turn()?;
            if !is_newcomer && free <= self.concurrency / NEWCOMERS_PART {
                self.ring.push_front(id);
                if self.newcomers.is_empty() {
                    return None;
                }
                continue;
            }
            let Some(line) = self.lines.get_mut(&id) else {
                continue;
            };
            if !line.may_send() {
                line.in_ring = false;
                continue;
            }
            // A first request is always made while a slot is free. Further ones leave a quarter of the slots to
            // lines that have none, take at most half of what is free, and keep to the bytes.
            let contended = free <= self.concurrency / 4
                || line.in_flight > free / 2
                || self.bytes_in_flight >= MAX_BYTES_IN_FLIGHT;
            if line.in_flight > 0 && contended {
                self.ring.push_back(id);
                continue;
            }
            if let Some(first) = line.waiting.front()
                && let Some(limit) = first.subscription.rate_limit
                && first.is_sendable(now)
                && !first.is_test
                && let since = self.owned_since.get(&first.shard).copied()
                && let Err(at) = self.rates.take(id, limit, since.unwrap_or(now), now)
            {
                line.in_ring = false;
                self.timers.insert((at, id));
                continue;
            }
            let mut delivery = line.waiting.pop_front()?;
            if delivery.is_test
                && delivery.message.is_ok()
                && self
                    .throttles
                    .waits_until(delivery.subscription.id, now)
                    .is_some()
            {
                // Somebody waits for its answer: that is one.
                delivery.message = Err(WANTS_A_PAUSE.to_owned());
            }
            line.in_flight += 1;
            self.in_flight += 1;
            line.bytes = line.bytes.saturating_sub(delivery.size);
            self.bytes -= delivery.size;
            self.bytes_in_flight += delivery.size;
            line.in_ring = line.may_send();
            if line.in_ring {
                self.ring.push_back(id);
            }
            return Some(delivery);
        }
        None
    }

    /// Newcomers and the others take turns. True: a newcomer.
    fn next_in_turn(&mut self) -> Option<(Uuid, bool)> {
        self.newcomer_was_last = !self.newcomer_was_last || self.ring.is_empty();
        let newcomer = self.newcomer_was_last.then(|| self.newcomers.pop_last());
        match newcomer.flatten() {
            Some((_, id)) => Some((id, true)),
            None => self.ring.pop_front().map(|id| (id, false)),
        }
    }

    /// When something may be sent or claimed again that may not now.
    pub fn next_timer(&self) -> Option<Instant> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Lets those go whose time has come.
    pub fn due(&mut self, now: Instant) {
        while let Some((at, id)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            let wait_ended = self.throttles.end_wait(id, now);
            if wait_ended || self.breakers.admission(id, now) == Admission::Probe {
                self.hungry = true;
                self.have_looked_at(id);
            }
            self.unverified.due(id, now);
            self.enter_ring(id);
        }
    }

    fn enter_ring(&mut self, id: Uuid) {
        if let Some(line) = self.lines.get_mut(&id)
            && !line.in_ring
            && line.may_send()
        {
            line.in_ring = true;
            self.ring.push_back(id);
        }
    }

    /// The attempt is under way in this task.
    pub fn started(&mut self, id: Uuid, task: AbortHandle) {
        if let Some(held) = self.held.get_mut(&id) {
            held.state = State::InFlight(task);
            held.is_disowned = false;
        }
    }

    /// The attempt ended; its result is to be recorded, with what it changed for the subscription. False: it was given
    /// up meanwhile, or failed and is no longer ours to say so: recorded, it could hide the success of the next owner's
    /// same attempt. That the receiver took it is true whoever says it.
    pub fn attempted(&mut self, attempt: &mut Attempt, now: Instant) -> bool {
        let Some(held) = self.held.get_mut(&attempt.delivery_id) else {
            return false;
        };
        if held.is_disowned && attempt.signal != EndpointSignal::Success {
            // The next owner may be this process.
            self.not_attempted(attempt.delivery_id);
            return false;
        }
        held.state = State::Recording;
        let (id, shard, lane, policy) = (held.line, held.shard, held.lane, held.breaker);
        if attempt.signal != EndpointSignal::None {
            self.heard_of.insert(id);
        }
        let answer = Answer {
            subscription: held.test_of.unwrap_or(id),
            shard,
            max_in_flight: held.max_in_flight,
            began: now.checked_sub(attempt.exchange.duration).unwrap_or(now),
        };
        let is_outdated = held.is_outdated;
        attempt.breaker = match attempt.signal {
            _ if attempt.is_test => None,
            EndpointSignal::Success if held.is_outdated => {
                let known = self.breakers.succeeded(id);
                known.or(Some(BreakerChange::Closed { was_open: false }))
            }
            EndpointSignal::Success => self.breakers.succeeded(id),
            EndpointSignal::Failure if held.is_outdated => None,
            EndpointSignal::Failure => self.breakers.failed(id, shard, policy, now),
            EndpointSignal::Busy | EndpointSignal::None => None,
        };
        if let Some(lane) = lane {
            if attempt.retry_after().is_some() {
                // It goes first, whenever that is.
                for behind in self.lanes.clear_behind((id, lane)) {
                    self.unhold(&behind);
                }
            } else if let Some(next) = self.lanes.next((id, lane))
                && let Some(line) = self.lines.get_mut(&id)
            {
                line.waiting.push_back(next);
            }
        }
        self.leave_flight(id, true);
        match attempt.breaker {
            Some(BreakerChange::Open { probe_in, .. }) => {
                self.timers.insert((now + probe_in, id));
                self.drop_waiting_of(id);
            }
            Some(BreakerChange::Closed { .. }) => self.hungry = true,
            Some(BreakerChange::Failing { .. } | BreakerChange::Throttled { .. }) | None => {}
        }
        // An answer from before the last change may be another receiver's, or the very one that somebody has looked after.
        if !is_outdated {
            match attempt.throttle {
                Some(wish) => {
                    let change = self.throttle(answer, wish, now);
                    attempt.breaker = attempt.breaker.or(change);
                }
                None if attempt.signal == EndpointSignal::Success => self.took(answer, now),
                None => {}
            }
        }
        true
    }

    /// The attempt was not made after all: the delivery, and what is behind it in its lane, stays in the database.
    pub fn not_attempted(&mut self, id: Uuid) {
        self.give_up(id);
        self.hungry = true;
    }

    /// For how long the subscription had nothing but failures.
    pub fn failing_for(&self, subscription: Uuid, now: Instant) -> Option<Duration> {
        self.breakers.failing_for(subscription, now)
    }

    /// The result of this delivery will disable its subscription: nothing more of it is taken until that is recorded.
    pub fn disabling(&mut self, id: Uuid, subscription: Uuid) {
        self.drop_waiting_of(subscription);
        self.disabling.entry(subscription).or_insert(id);
    }

    /// The result is recorded. `claiming`: a claim is under way that may bring it once more.
    pub fn recorded(&mut self, id: Uuid, claiming: bool) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let (subscription, lane) = (held.line, held.lane);
        self.bytes_in_flight -= std::mem::take(&mut held.size);
        let was_parked = matches!(held.state, State::Parked);
        if claiming {
            held.state = State::Recorded;
            self.recorded.push(id);
        } else {
            self.forget(id);
        }
        // While a lane is busy no claim brings more of it.
        let lane_ended = lane.is_some_and(|lane| self.lanes.released((subscription, lane)));
        self.hungry |= lane_ended;
        self.leave_line(subscription);
        if was_parked {
            self.unpark(subscription);
        }
    }

    /// The result is not written after all: the delivery stays in the database as it was.
    pub fn void(&mut self, id: Uuid, claiming: bool) {
        if let Some(held) = self.held.get(&id) {
            let subscription = held.line;
            self.recorded(id, claiming);
            self.unsee(subscription, id);
            self.hungry = true;
        }
    }

    fn leave_line(&mut self, subscription: Uuid) {
        let share = self.share();
        if let Some(line) = self.lines.get_mut(&subscription) {
            line.held = line.held.saturating_sub(1);
            self.hungry |= line.is_hungry(share);
        }
    }

    /// The result can't be recorded: the delivery is neither sent again nor waited for while this session lasts.
    pub fn refused(&mut self, id: Uuid) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let was_parked = matches!(held.state, State::Parked);
        held.state = State::Stuck;
        self.stuck += 1;
        self.bytes_in_flight -= std::mem::take(&mut held.size);
        let subscription = held.line;
        if was_parked {
            self.unpark(subscription);
        }
        if self.disabling.get(&subscription) == Some(&id) {
            self.disabling.remove(&subscription);
        }
        self.leave_line(subscription);
    }

    /// A claim is about to be made. `everything`: what was left behind will be seen.
    pub fn claiming(&mut self, everything: bool, now: Instant) {
        self.claiming_few();
        self.last_claim = Some(now);
        if everything {
            self.hungry = false;
            for line in self.lines.values_mut() {
                line.more = false;
            }
        }
    }

    /// A claim is about to be made of nothing but newcomers or tests.
    pub fn claiming_few(&mut self) {
        self.claims += 1;
        self.heard_of.clear();
    }

    /// The claim that was under way has been taken in.
    pub fn claim_ended(&mut self) {
        for id in std::mem::take(&mut self.recorded) {
            self.forget(id);
        }
    }

    /// No claim can bring a recorded delivery again, nor know less of its subscription than its result said.
    fn forget(&mut self, id: Uuid) {
        let Some(held) = self.held.remove(&id) else {
            return;
        };
        if self.disabling.get(&held.line) == Some(&id) {
            self.disabling.remove(&held.line);
            // It may have been enabled again meanwhile.
            self.hungry = true;
        }
        self.test_ended |= held.test_of.is_some();
    }

    /// Whether a test ended since this was asked: its subscription's next one may go.
    pub fn take_test_ended(&mut self) -> bool {
        std::mem::take(&mut self.test_ended)
    }

    /// Whether a subscription that had more in the database has room again; asking resets it.
    pub fn take_hunger(&mut self) -> bool {
        std::mem::take(&mut self.hungry)
    }

    fn leave_flight(&mut self, subscription: Uuid, counts: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.pace += usize::from(counts);
        if let Some(line) = self.lines.get_mut(&subscription) {
            line.in_flight = line.in_flight.saturating_sub(1);
            line.pace += usize::from(counts);
        }
        self.enter_ring(subscription);
    }

    /// Once a second: paces fade, and lines with nothing to remember go.
    pub fn tick(&mut self, now: Instant) {
        self.pace /= 2;
        self.lines.retain(|_, line| {
            line.pace /= 2;
            line.held > 0 || line.pace > 0
        });
        let lines = &self.lines;
        self.ring.retain(|id| lines.contains_key(id));
        self.newcomers.retain(|(_, id)| lines.contains_key(id));
        self.rates.tick(now);
        self.throttles.tick(now);
    }

    /// Deliveries of a shard that are in flight or being recorded.
    pub fn busy(&self, shard: i16) -> usize {
        self.held
            .values()
            .filter(|held| held.shard == shard && held.state.is_busy())
            .count()
    }

    /// Requests under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether nothing is in flight or being recorded, but for what somebody has locked.
    pub fn is_quiet(&self) -> bool {
        self.held
            .values()
            .all(|held| !held.state.is_busy() || matches!(held.state, State::Parked))
    }
}

#[cfg(test)]
mod tests;
