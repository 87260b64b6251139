//! The delivery buffer: every delivery that is in memory, and how far it has come.
//!
//! ```text
//!     add               on_started               on_attempted
//!   -------> Waiting --------------> InFlight ----------------> Recording
//!               |                       |                          |
//!               | remove                | remove                   |  on_locked
//!               v                       v                          +------------> Locked
//!            (gone)                  (gone)                        |                |
//!                                                                  +----------------+
//!                                                                  |
//!                                                                  |  on_recorded                 remove
//!                                                                  +--------------> Recorded ----------> (gone)
//!                                                                  |  on_unrecordable             remove
//!                                                                  +--------------> Unrecordable ------> (gone)
//! ```
//! What is gone, but for a delivery whose result is recorded, stays in the database as it was. A recorded one is kept
//! while a claim is under way, whose snapshot may still show it as it was before.

use crate::model::BreakerPolicy;
use std::collections::HashMap;
use uuid::Uuid;

/// How far a delivery has come.
enum State<R> {
    /// In its subscription's queue, or behind others in its lane.
    Waiting,
    /// Its request is under way, and is cut off when this is dropped.
    InFlight(R),
    Recording,
    /// Its result waits, since another transaction has locked its subscription's rows.
    Locked,
    Recorded,
    /// Its result can't be recorded: it is kept so that it is not sent over and over.
    Unrecordable,
}

impl<R> State<R> {
    /// Whether a request or its result is on the way.
    fn is_busy(&self) -> bool {
        matches!(self, Self::InFlight(_) | Self::Recording | Self::Locked)
    }
}

/// What has to be known of a delivery wherever it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) shard: i16,
    /// In which queue it is: see [`Delivery::queue`](crate::model::Delivery::queue).
    pub(super) queue: Uuid,
    /// The subscription that it tests.
    pub(super) test_of: Option<Uuid>,
    pub(super) lane: Option<i64>,
    /// Memory that it costs, in bytes.
    pub(super) size: usize,
    pub(super) breaker: BreakerPolicy,
    pub(super) max_in_flight: usize,
    /// It was sent before its subscription was changed, or while another owned its shard: that it fails says nothing
    /// of the receiver as it is now.
    pub(super) is_outdated: bool,
    /// Its shard was lost after it was sent, or may have been: the next owner makes the same attempt.
    pub(super) is_lease_lost: bool,
    /// The delivery may stay in the queue once its result is recorded, and claims later than this one left it out
    /// because it was here.
    pub(super) left_out_after: Option<u64>,
    /// It became ready again before its result was known to be recorded.
    pub(super) is_ready_again: bool,
}

struct Entry<R> {
    held: Held,
    state: State<R>,
}

/// What entries sum up to, by state.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    waiting_bytes: usize,
    in_flight_bytes: usize,
    locked: usize,
    unrecordable: usize,
}

impl Sums {
    /// The sum that an entry counts for, and how much.
    fn of<R>(&mut self, entry: &Entry<R>) -> Option<(&mut usize, usize)> {
        match entry.state {
            State::Waiting => Some((&mut self.waiting_bytes, entry.held.size)),
            State::InFlight(_) | State::Recording => {
                Some((&mut self.in_flight_bytes, entry.held.size))
            }
            State::Locked => Some((&mut self.locked, 1)),
            State::Unrecordable => Some((&mut self.unrecordable, 1)),
            State::Recorded => None,
        }
    }

    fn add<R>(&mut self, entry: &Entry<R>) {
        if let Some((sum, part)) = self.of(entry) {
            *sum += part;
        }
    }

    fn subtract<R>(&mut self, entry: &Entry<R>) {
        if let Some((sum, part)) = self.of(entry) {
            *sum -= part;
        }
    }
}

/// A delivery whose result is recorded or never will be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled {
    pub(super) held: Held,
    pub(super) was_locked: bool,
}

/// All deliveries in memory. `R` stands for a request under way.
pub(super) struct DeliveryBuffer<R> {
    entries: HashMap<Uuid, Entry<R>>,
    sums: Sums,
    /// Recorded since the claim under way began.
    recorded: Vec<Uuid>,
}

impl<R> Default for DeliveryBuffer<R> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            sums: Sums::default(),
            recorded: Vec::new(),
        }
    }
}

impl<R> DeliveryBuffer<R> {
    pub(super) fn contains(&self, id: Uuid) -> bool {
        self.entries.contains_key(&id)
    }

    pub(super) fn get(&self, id: Uuid) -> Option<Held> {
        self.entries.get(&id).map(|entry| entry.held)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Uuid, &Held)> {
        self.entries.iter().map(|(id, entry)| (*id, &entry.held))
    }

    /// A delivery was claimed.
    pub(super) fn add(&mut self, id: Uuid, held: Held) {
        let entry = Entry {
            held,
            state: State::Waiting,
        };
        self.sums.add(&entry);
        self.entries.insert(id, entry);
    }

    /// Takes the entry to another state, if it is in one of those that lead there.
    fn enter(
        &mut self,
        id: Uuid,
        leads_there: impl Fn(&State<R>) -> bool,
        state: State<R>,
    ) -> Option<(&mut Held, State<R>)> {
        let entry = self.entries.get_mut(&id)?;
        if !leads_there(&entry.state) {
            return None;
        }
        self.sums.subtract(entry);
        let before = std::mem::replace(&mut entry.state, state);
        self.sums.add(entry);
        Some((&mut entry.held, before))
    }

    /// Its request is under way.
    pub(super) fn on_started(&mut self, id: Uuid, request: R) {
        let is_waiting = |state: &State<R>| matches!(state, State::Waiting);
        if let Some((held, _)) = self.enter(id, is_waiting, State::InFlight(request)) {
            held.is_lease_lost = false;
        }
    }

    /// Its request ended. `None`: it was given up before.
    pub(super) fn on_attempted(&mut self, id: Uuid) -> Option<Held> {
        let is_in_flight = |state: &State<R>| matches!(state, State::InFlight(_));
        let (held, _) = self.enter(id, is_in_flight, State::Recording)?;
        Some(*held)
    }

    /// Its result can't be recorded while its subscription's rows are locked. `None`: that is known, or over.
    pub(super) fn on_locked(&mut self, id: Uuid) -> Option<Held> {
        let is_recording = |state: &State<R>| matches!(state, State::Recording);
        let (held, _) = self.enter(id, is_recording, State::Locked)?;
        Some(*held)
    }

    /// Its result is recorded.
    pub(super) fn on_recorded(&mut self, id: Uuid) -> Option<Settled> {
        self.settle(id, State::Recorded)
    }

    /// Its result can't be recorded.
    pub(super) fn on_unrecordable(&mut self, id: Uuid) -> Option<Settled> {
        self.settle(id, State::Unrecordable)
    }

    fn settle(&mut self, id: Uuid, state: State<R>) -> Option<Settled> {
        let has_result = |state: &State<R>| matches!(state, State::Recording | State::Locked);
        let (held, before) = self.enter(id, has_result, state)?;
        Some(Settled {
            held: *held,
            was_locked: matches!(before, State::Locked),
        })
    }

    /// Keeps a recorded delivery until the claim under way has ended.
    pub(super) fn keep_recorded(&mut self, id: Uuid) {
        self.recorded.push(id);
    }

    /// Recorded deliveries that were kept for the claim that ended.
    pub(super) fn take_recorded(&mut self) -> Vec<Uuid> {
        std::mem::take(&mut self.recorded)
    }

    /// Its result is on the way to the database, where the delivery may stay: claims later than this one leave it out.
    pub(super) fn stays(&mut self, id: Uuid, claim: u64) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.held.left_out_after = Some(claim);
        }
    }

    /// The delivery is ready in the database, whatever is known here.
    pub(super) fn on_ready_again(&mut self, id: Uuid) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.held.is_ready_again = true;
        }
    }

    /// Removes a delivery, if its request is under way or its result is being recorded.
    pub(super) fn give_up(&mut self, id: Uuid) -> Option<Held> {
        let entry = self.entries.get(&id)?;
        match entry.state {
            State::InFlight(_) | State::Recording => self.remove(id),
            State::Waiting | State::Locked | State::Recorded | State::Unrecordable => None,
        }
    }

    /// Removes a delivery.
    pub(super) fn remove(&mut self, id: Uuid) -> Option<Held> {
        let entry = self.entries.remove(&id)?;
        self.sums.subtract(&entry);
        Some(entry.held)
    }

    /// The receivers of these deliveries may have become others since they were sent.
    pub(super) fn set_outdated(&mut self, which: impl Fn(&Held) -> bool) {
        for entry in self.entries.values_mut() {
            entry.held.is_outdated |= which(&entry.held);
        }
    }

    /// The shards were lost, or may have been: whatever is under way, their next owner makes anew.
    pub(super) fn on_lease_lost(&mut self) {
        for entry in self.entries.values_mut() {
            entry.held.is_lease_lost = true;
        }
    }

    /// Deliveries whose request is under way, of a shard or of all.
    pub(super) fn in_flight(&self, shard: Option<i16>) -> Vec<Uuid> {
        self.select(shard, |state| matches!(state, State::InFlight(_)))
    }

    /// Deliveries whose result can't be recorded, of a shard or of all.
    pub(super) fn unrecordable(&self, shard: Option<i16>) -> Vec<Uuid> {
        self.select(shard, |state| matches!(state, State::Unrecordable))
    }

    fn select(&self, shard: Option<i16>, is: impl Fn(&State<R>) -> bool) -> Vec<Uuid> {
        self.entries
            .iter()
            .filter(|(_, entry)| shard.is_none_or(|shard| entry.held.shard == shard))
            .filter(|(_, entry)| is(&entry.state))
            .map(|(id, _)| *id)
            .collect()
    }

    /// How many deliveries of a shard are in flight or being recorded.
    pub(super) fn busy(&self, shard: i16) -> usize {
        let of_shard = self.entries.values().filter(|e| e.held.shard == shard);
        of_shard.filter(|entry| entry.state.is_busy()).count()
    }

    /// Whether nothing is in flight or being recorded, but for what is locked.
    pub(super) fn is_quiet(&self) -> bool {
        self.entries
            .values()
            .all(|entry| !entry.state.is_busy() || matches!(entry.state, State::Locked))
    }

    /// How many deliveries there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many deliveries take room: not those that can't be recorded, now or at all. Where no result can, not all is
    /// sent nevertheless.
    pub(super) fn taking_room(&self, capacity: usize) -> usize {
        self.entries.len() - self.sums.unrecordable.min(capacity) - self.sums.locked
    }

    /// The size of what waits.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.sums.waiting_bytes
    }

    /// The size of what is in flight or being recorded.
    pub(super) fn in_flight_bytes(&self) -> usize {
        self.sums.in_flight_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::time::Duration;

    const ID: Uuid = Uuid::from_u128(1);
    const SIZE: usize = 100;

    fn held() -> Held {
        Held {
            shard: 1,
            queue: ID,
            test_of: None,
            lane: None,
            size: SIZE,
            breaker: BreakerPolicy {
                threshold: 0,
                cooldown: Duration::ZERO,
            },
            max_in_flight: 1,
            is_outdated: false,
            is_lease_lost: false,
            left_out_after: None,
            is_ready_again: false,
        }
    }

    /// What may happen to a delivery.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Started,
        Attempted,
        Locked,
        Recorded,
        Unrecordable,
    }
    use Event::{Attempted, Locked, Recorded, Started, Unrecordable};
    const EVENTS: [Event; 5] = [Started, Attempted, Locked, Recorded, Unrecordable];

    /// Returns whether the event is one of the state that the delivery is in.
    fn on(buffer: &mut DeliveryBuffer<Arc<()>>, id: Uuid, event: Event) -> bool {
        let state = |buffer: &DeliveryBuffer<_>| {
            let entry = buffer.entries.get(&id);
            entry.map(|entry| std::mem::discriminant(&entry.state))
        };
        let before = state(buffer);
        match event {
            Started => buffer.on_started(id, Arc::default()),
            Attempted => _ = buffer.on_attempted(id),
            Locked => _ = buffer.on_locked(id),
            Recorded => _ = buffer.on_recorded(id),
            Unrecordable => _ = buffer.on_unrecordable(id),
        }
        state(buffer) != before
    }

    #[test]
    fn each_state_has_its_events() {
        for (reached_by, accepted) in [
            (&[][..], &[Started][..]),
            (&[Started], &[Attempted]),
            (&[Started, Attempted], &[Locked, Recorded, Unrecordable]),
            (&[Started, Attempted, Locked], &[Recorded, Unrecordable]),
            (&[Started, Attempted, Recorded], &[]),
            (&[Started, Attempted, Unrecordable], &[]),
        ] {
            for event in EVENTS {
                let mut buffer = DeliveryBuffer::default();
                buffer.add(ID, held());
                assert!(reached_by.iter().all(|event| on(&mut buffer, ID, *event)));
                let is_accepted = accepted
                    .iter()
                    .any(|one| std::mem::discriminant(one) == std::mem::discriminant(&event));
                assert_eq!(
                    on(&mut buffer, ID, event),
                    is_accepted,
                    "{event:?} after {reached_by:?}"
                );
            }
        }
    }

    #[test]
    fn each_state_counts_for_what_it_is() {
        for (events, waiting, in_flight, taking_room, busy, is_quiet) in [
            (&[][..], SIZE, 0, 1, 0, true),
            (&[Started], 0, SIZE, 1, 1, false),
            (&[Started, Attempted], 0, SIZE, 1, 1, false),
            (&[Started, Attempted, Locked], 0, 0, 0, 1, true),
            (&[Started, Attempted, Recorded], 0, 0, 1, 0, true),
            (&[Started, Attempted, Locked, Recorded], 0, 0, 1, 0, true),
            (&[Started, Attempted, Unrecordable], 0, 0, 0, 0, true),
        ] {
            let mut buffer = DeliveryBuffer::default();
            buffer.add(ID, held());
            assert!(events.iter().all(|event| on(&mut buffer, ID, *event)));
            assert_eq!(buffer.waiting_bytes(), waiting, "{events:?}");
            assert_eq!(buffer.in_flight_bytes(), in_flight, "{events:?}");
            assert_eq!(buffer.taking_room(10), taking_room, "{events:?}");
            assert_eq!((buffer.busy(1), buffer.busy(2)), (busy, 0), "{events:?}");
            assert_eq!(buffer.is_quiet(), is_quiet, "{events:?}");
        }
    }

    #[test]
    fn a_request_is_cut_off_when_its_delivery_is_removed() {
        let (mut buffer, request) = (DeliveryBuffer::default(), Arc::new(()));
        buffer.add(ID, held());
        buffer.on_started(ID, request.clone());
        assert_eq!(Arc::strong_count(&request), 2);
        assert_eq!(buffer.in_flight(Some(1)), [ID]);
        assert!(buffer.in_flight(Some(2)).is_empty());
        buffer.remove(ID);
        assert_eq!(Arc::strong_count(&request), 1);
    }

    #[test]
    fn only_what_is_under_way_is_given_up() {
        for (events, is_given_up) in [
            (&[][..], false),
            (&[Started], true),
            (&[Started, Attempted], true),
            (&[Started, Attempted, Locked], false),
            (&[Started, Attempted, Recorded], false),
            (&[Started, Attempted, Unrecordable], false),
        ] {
            let mut buffer = DeliveryBuffer::default();
            buffer.add(ID, held());
            assert!(events.iter().all(|event| on(&mut buffer, ID, *event)));
            assert_eq!(buffer.give_up(ID).is_some(), is_given_up, "{events:?}");
            assert_eq!(buffer.contains(ID), !is_given_up, "{events:?}");
        }
    }

    #[test]
    fn a_lost_lease_is_over_when_a_delivery_is_sent_anew() {
        let mut buffer = DeliveryBuffer::default();
        buffer.add(ID, held());
        buffer.on_lease_lost();
        buffer.on_started(ID, ());
        assert!(
            buffer
                .on_attempted(ID)
                .is_some_and(|held| !held.is_lease_lost)
        );
        buffer.on_lease_lost();
        buffer.set_outdated(|held| held.shard == 1);
        let held = buffer.get(ID).unwrap();
        assert!(held.is_lease_lost && held.is_outdated);
    }

    #[test]
    fn where_no_result_can_be_recorded_not_all_is_sent() {
        let mut buffer = DeliveryBuffer::default();
        for id in 0..30 {
            let id = Uuid::from_u128(id);
            buffer.add(id, held());
            for event in [Started, Attempted, Unrecordable] {
                on(&mut buffer, id, event);
            }
        }
        assert_eq!(buffer.taking_room(20), 10);
        assert_eq!(buffer.unrecordable(None).len(), 30);
    }

    proptest! {
        /// Whatever happens to whichever delivery: the sums are those of the entries.
        #[test]
        fn sums_are_those_of_the_entries(
            steps in prop::collection::vec((0_u128..8, 0_usize..7, 0_usize..1000), 1..200),
        ) {
            let mut buffer = DeliveryBuffer::default();
            for (number, step, size) in steps {
                let id = Uuid::from_u128(number);
                match EVENTS.get(step) {
                    Some(event) => {
                        on(&mut buffer, id, *event);
                    }
                    None if step == 5 => {
                        buffer.remove(id);
                    }
                    None => {
                        if !buffer.contains(id) {
                            buffer.add(id, Held { size, ..held() });
                        }
                    }
                }
                let mut sums = Sums::default();
                for entry in buffer.entries.values() {
                    sums.add(entry);
                }
                prop_assert_eq!(&buffer.sums, &sums);
            }
        }
    }
}
