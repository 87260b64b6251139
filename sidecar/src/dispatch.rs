//! Dispatch: which claimed delivery is sent next. Round robin over subscriptions, each within its own limit and
//! within its share of the slots, so that receivers that hang can't take the slots of those that answer.

use crate::claim::Delivery;
use std::collections::{HashMap, VecDeque};
use tokio::task::AbortHandle;
use uuid::Uuid;

/// Deliveries held (waiting, in flight, or being recorded) per slot of concurrency.
const HELD_PER_SLOT: usize = 6;
/// Fewest rows worth a claim.
const MIN_CLAIM: usize = 32;
/// Most deliveries waiting here for one subscription beyond what is in flight.
const MAX_AHEAD: usize = 512;
/// Payload bytes waiting here at the most.
const MAX_BYTES: usize = 16 << 20;
/// Payload bytes in flight beyond which a subscription gets one request at a time.
const MAX_BYTES_IN_FLIGHT: usize = 64 << 20;

enum State {
    Waiting,
    InFlight(AbortHandle),
    Recording,
    /// Recorded while a claim was under way, whose snapshot may still show it.
    Recorded,
    /// Its result can't be recorded: held so that it is not sent over and over.
    Stuck,
}

impl State {
    /// Whether a request or its result is on the way.
    fn is_busy(&self) -> bool {
        matches!(self, Self::InFlight(_) | Self::Recording)
    }
}

struct Held {
    shard: i16,
    subscription: Uuid,
    size: usize,
    state: State,
}

/// One subscription's line.
#[derive(Default)]
struct Line {
    waiting: VecDeque<Delivery>,
    in_flight: usize,
    /// Held here in any state but `Recorded`.
    held: usize,
    /// The size of what waits.
    bytes: usize,
    max_in_flight: usize,
    /// Attempts that ended within about the last second: how far ahead it is worth claiming.
    pace: usize,
    /// The database has, or may have, more than there was room for.
    more: bool,
    in_ring: bool,
}

impl Line {
    fn limit(&self) -> usize {
        self.max_in_flight + self.pace.min(MAX_AHEAD)
    }

    /// Whether it takes no more: it has as many as are good for it or as its share allows, or half of the bytes left.
    fn is_full(&self, share: usize, free_bytes: usize) -> bool {
        self.held > 0 && (self.held >= self.limit().min(share) || self.bytes > free_bytes / 2)
    }

    /// Whether it is worth asking for more.
    fn is_hungry(&self, share: usize) -> bool {
        self.more && self.held * 2 <= self.limit().min(share)
    }
}

/// All deliveries that this sidecar holds.
pub struct Board {
    concurrency: usize,
    in_flight: usize,
    /// The size of what waits, and of what is in flight or being recorded.
    bytes: usize,
    bytes_in_flight: usize,
    held: HashMap<Uuid, Held>,
    lines: HashMap<Uuid, Line>,
    /// Lines with something waiting and room in flight.
    ring: VecDeque<Uuid>,
    recorded: Vec<Uuid>,
    /// How many can't be recorded.
    stuck: usize,
    /// Subscriptions that a result disables, until that result (a delivery's) is recorded.
    disabling: HashMap<Uuid, Uuid>,
    /// A line with `more` has room again.
    hungry: bool,
}

impl Board {
    pub fn new(concurrency: usize) -> Self {
        Self {
            concurrency,
            in_flight: 0,
            bytes: 0,
            bytes_in_flight: 0,
            held: HashMap::new(),
            lines: HashMap::new(),
            ring: VecDeque::new(),
            recorded: Vec::new(),
            stuck: 0,
            disabling: HashMap::new(),
            hungry: false,
        }
    }

    /// How many deliveries a claim may bring; 0: none now.
    pub fn room(&self) -> usize {
        let free = (self.capacity() + self.stuck).saturating_sub(self.held.len());
        if self.bytes >= MAX_BYTES || free < MIN_CLAIM.min(self.concurrency) {
            0
        } else {
            free
        }
    }

    fn capacity(&self) -> usize {
        self.concurrency * HELD_PER_SLOT
    }

    /// How many each line may hold: together three quarters of the capacity, so that new ones find room.
    fn share(&self) -> usize {
        (self.capacity() / 4 * 3 / self.lines.len().max(1)).max(1)
    }

    /// When lines have become so many that there is no room: puts back what waits in those that hold more than their
    /// share has become. Receivers that hang must not keep others' deliveries from being claimed.
    pub fn make_room(&mut self) {
        if self.room() > 0 {
            return;
        }
        let share = (self.capacity() / 2 / self.lines.len().max(1)).max(1);
        for line in self.lines.values_mut() {
            while line.held > share
                && let Some(delivery) = line.waiting.pop_back()
            {
                let size = self.held.remove(&delivery.id).map_or(0, |held| held.size);
                line.held -= 1;
                line.bytes = line.bytes.saturating_sub(size);
                line.more = true;
                self.bytes -= size;
            }
        }
    }

    fn free_bytes(&self) -> usize {
        MAX_BYTES.saturating_sub(self.bytes)
    }

    /// How many of one subscription a claim should bring.
    pub fn per_subscription(&self) -> usize {
        self.lines
            .values()
            .map(|line| line.limit())
            .max()
            .unwrap_or(0)
            .max(MIN_CLAIM)
    }

    /// Ids of all that is held: not to be claimed again.
    pub fn held_ids(&self) -> Vec<Uuid> {
        self.held.keys().copied().collect()
    }

    /// Subscriptions that take no more for now; each is asked for again when it has room.
    pub fn full(&mut self) -> Vec<Uuid> {
        let (share, free_bytes) = (self.share(), self.free_bytes());
        let disabling = &self.disabling;
        self.lines
            .iter_mut()
            .filter(|(id, line)| line.is_full(share, free_bytes) || disabling.contains_key(id))
            .map(|(id, line)| {
                line.more = true;
                *id
            })
            .collect()
    }

    /// Takes a claimed delivery, unless it is held already or its line is full. Returns whether it was new.
    pub fn offer(&mut self, delivery: Delivery) -> bool {
        if self.held.contains_key(&delivery.id) {
            return false;
        }
        let subscription = delivery.subscription.id;
        let (share, free_bytes) = (self.share(), self.free_bytes());
        let line = self.lines.entry(subscription).or_default();
        line.max_in_flight = delivery.subscription.max_in_flight;
        if line.is_full(share, free_bytes) || self.disabling.contains_key(&subscription) {
            line.more = true;
            return false;
        }
        line.held += 1;
        let size = delivery.size;
        line.bytes += size;
        self.bytes += size;
        self.held.insert(
            delivery.id,
            Held {
                shard: delivery.shard,
                subscription,
                size,
                state: State::Waiting,
            },
        );
        line.waiting.push_back(delivery);
        if !line.in_ring && line.in_flight < line.max_in_flight {
            line.in_ring = true;
            self.ring.push_back(subscription);
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

    /// The next delivery to send; `None`: nothing may be sent now. Say [`Self::started`] next.
    pub fn next(&mut self) -> Option<Delivery> {
        for _ in 0..self.ring.len() {
            let free = self.concurrency.saturating_sub(self.in_flight);
            if free == 0 {
                return None;
            }
            let id = self.ring.pop_front()?;
            let Some(line) = self.lines.get_mut(&id) else {
                continue;
            };
            if line.waiting.is_empty() || line.in_flight >= line.max_in_flight {
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
            let delivery = line.waiting.pop_front()?;
            line.in_flight += 1;
            self.in_flight += 1;
            line.bytes = line.bytes.saturating_sub(delivery.size);
            self.bytes -= delivery.size;
            self.bytes_in_flight += delivery.size;
            if line.waiting.is_empty() || line.in_flight >= line.max_in_flight {
                line.in_ring = false;
            } else {
                self.ring.push_back(id);
            }
            return Some(delivery);
        }
        None
    }

    /// The attempt is under way in this task.
    pub fn started(&mut self, id: Uuid, task: AbortHandle) {
        if let Some(held) = self.held.get_mut(&id) {
            held.state = State::InFlight(task);
        }
    }

    /// The attempt ended; its result is to be recorded. False: it was given up meanwhile.
    pub fn attempted(&mut self, id: Uuid) -> bool {
        let Some(held) = self.held.get_mut(&id) else {
            return false;
        };
        held.state = State::Recording;
        let subscription = held.subscription;
        self.leave_flight(subscription, true);
        true
    }

    /// The result of this delivery will disable its subscription: nothing more of it is taken until that is recorded.
    pub fn disabling(&mut self, id: Uuid, subscription: Uuid) {
        self.drop_waiting(|delivery| delivery.subscription.id == subscription);
        self.disabling.entry(subscription).or_insert(id);
    }

    /// The result is recorded. `claiming`: a claim is under way that may bring it once more.
    pub fn recorded(&mut self, id: Uuid, claiming: bool) {
        let Some(held) = self.held.get_mut(&id) else {
            return;
        };
        let subscription = held.subscription;
        self.bytes_in_flight -= std::mem::take(&mut held.size);
        if claiming {
            held.state = State::Recorded;
            self.recorded.push(id);
        } else {
            self.forget(id);
        }
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
        held.state = State::Stuck;
        self.stuck += 1;
        self.bytes_in_flight -= std::mem::take(&mut held.size);
        let subscription = held.subscription;
        if self.disabling.get(&subscription) == Some(&id) {
            self.disabling.remove(&subscription);
        }
        let share = self.share();
        if let Some(line) = self.lines.get_mut(&subscription) {
            line.held = line.held.saturating_sub(1);
            self.hungry |= line.is_hungry(share);
        }
    }

    /// Forgets what can't be recorded, of a shard that is given back or of all: its next owner has to see for itself.
    pub fn forget_stuck(&mut self, shard: Option<i16>) {
        self.held.retain(|_, held| {
            !matches!(held.state, State::Stuck) || shard.is_some_and(|shard| shard != held.shard)
        });
        let stuck = self
            .held
            .values()
            .filter(|held| matches!(held.state, State::Stuck));
        self.stuck = stuck.count();
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
        if self.disabling.get(&held.subscription) == Some(&id) {
            self.disabling.remove(&held.subscription);
            // It may have been enabled again meanwhile.
            self.hungry = true;
        }
    }

    /// Whether a subscription that had more in the database has room again; asking resets it.
    pub fn take_hunger(&mut self) -> bool {
        std::mem::take(&mut self.hungry)
    }

    /// A claim is about to ask for everything: what was left behind will be seen.
    pub fn asking(&mut self) {
        self.hungry = false;
        for line in self.lines.values_mut() {
            line.more = false;
        }
    }

    /// Drops what waits and matches: it stays in the database.
    pub fn drop_waiting(&mut self, matches: impl Fn(&Delivery) -> bool) {
        for line in self.lines.values_mut() {
            let (dropped, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(&mut line.waiting)
                .into_iter()
                .partition(&matches);
            line.waiting = kept;
            line.held -= dropped.len();
            for delivery in dropped {
                if let Some(held) = self.held.remove(&delivery.id) {
                    line.bytes = line.bytes.saturating_sub(held.size);
                    self.bytes -= held.size;
                }
            }
        }
    }

    /// Gives up the requests in flight of a shard, or of all; returns how many.
    pub fn abort(&mut self, shard: Option<i16>) -> usize {
        let aborted: Vec<(Uuid, Uuid)> = self
            .held
            .iter()
            .filter(|(_, held)| shard.is_none_or(|shard| held.shard == shard))
            .filter_map(|(id, held)| match &held.state {
                State::InFlight(task) => {
                    task.abort();
                    Some((*id, held.subscription))
                }
                _ => None,
            })
            .collect();
        for (id, subscription) in &aborted {
            self.bytes_in_flight -= self.held.remove(id).map_or(0, |held| held.size);
            if let Some(line) = self.lines.get_mut(subscription) {
                line.held = line.held.saturating_sub(1);
            }
            self.leave_flight(*subscription, false);
        }
        aborted.len()
    }

    fn leave_flight(&mut self, subscription: Uuid, counts: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        if let Some(line) = self.lines.get_mut(&subscription) {
            line.in_flight = line.in_flight.saturating_sub(1);
            line.pace += usize::from(counts);
            if !line.in_ring && !line.waiting.is_empty() {
                line.in_ring = true;
                self.ring.push_back(subscription);
            }
        }
    }

    /// Once a second: paces fade, and lines with nothing to remember go.
    pub fn tick(&mut self) {
        self.lines.retain(|_, line| {
            line.pace /= 2;
            line.held > 0 || line.pace > 0 || line.more
        });
        let lines = &self.lines;
        self.ring.retain(|id| lines.contains_key(id));
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

    /// Whether nothing is in flight or being recorded.
    pub fn is_quiet(&self) -> bool {
        self.held.values().all(|held| !held.state.is_busy())
    }
}

#[cfg(test)]
mod tests;
