//! Endpoint verification: what goes to a receiver that has not agreed yet waits, without using up attempts, while it is
//! asked.
//!
//! ```text
//!              its time has come         on_asking             on_answered
//!   Waiting ----------------------> Due ------------> Asking ---------------> Answered
//!      |                             |                   |                       |
//!      | no time is known, and it    |                   |                       |
//!      v was long ago                v                   v                       v
//!    stale: it is loaded again     (gone: it was changed, it has agreed, or its shard is another sidecar's)
//! ```
//! One that was not asked after all ([`EndpointVerification::on_not_asked`]) is gone, too, until it is loaded again.

use crate::model::{Subscription, Verification};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Most receivers asked at once: those that hang must not take too many sockets.
const MAX_ASKED: usize = 64;
/// A receiver that is not to be asked for longer is looked up again, in case that no notification told of a change.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

enum State<R> {
    /// Not before this time; `None`: not as things are.
    Waiting(Option<Instant>),
    /// In the queue.
    Due,
    /// The request is cut off when it is dropped, and takes one of the slots.
    Asking { _request: R, _slot: Slot },
    /// The answer is being recorded.
    Answered,
}

/// Its clones are counted.
type Slot = Arc<()>;

struct Entry<R> {
    subscription: Arc<Subscription>,
    state: State<R>,
}

/// The receivers that have to agree first, of shards that are owned.
pub(super) struct EndpointVerification<R> {
    entries: HashMap<Uuid, Entry<R>>,
    due: VecDeque<Uuid>,
    /// To be looked up again.
    stale: Vec<Uuid>,
    slot: Slot,
}

impl<R> Default for EndpointVerification<R> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            due: VecDeque::new(),
            stale: Vec::new(),
            slot: Slot::default(),
        }
    }
}

impl<R> EndpointVerification<R> {
    /// Receivers that have not agreed yet, as far as is known here.
    pub(super) fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.entries.keys().copied()
    }

    pub(super) fn contains(&self, subscription: Uuid) -> bool {
        self.entries.contains_key(&subscription)
    }

    /// Forgets those for which `keep` is false, and cuts off their requests.
    pub(super) fn retain(&mut self, keep: impl Fn(Uuid, i16) -> bool) {
        self.entries
            .retain(|id, entry| keep(*id, entry.subscription.shard));
    }

    /// A subscription was loaded. Returns when to look at it again; `None`: it is due, or needs no look.
    pub(super) fn on_loaded(
        &mut self,
        subscription: &Arc<Subscription>,
        now: Instant,
    ) -> Option<Instant> {
        let Verification::Needed { ask_at, .. } = subscription.verification else {
            self.entries.remove(&subscription.id);
            return None;
        };
        if let Some(entry) = self.entries.get(&subscription.id)
            && entry.subscription.version == subscription.version
            && !matches!(entry.state, State::Waiting(_))
        {
            return None;
        }
        let is_due = ask_at.is_some_and(|at| at <= now);
        let entry = Entry {
            subscription: subscription.clone(),
            state: match is_due {
                true => State::Due,
                false => State::Waiting(ask_at),
            },
        };
        self.entries.insert(subscription.id, entry);
        if is_due {
            self.due.push_back(subscription.id);
            return None;
        }
        let look_again = now + LOOK_AGAIN;
        Some(ask_at.map_or(look_again, |at| at.min(look_again)))
    }

    /// Its receiver can't be asked, and needs not be held back by that.
    pub(super) fn forget(&mut self, subscription: Uuid) {
        self.entries.remove(&subscription);
    }

    /// A timer of the subscription went off.
    pub(super) fn on_timer(&mut self, id: Uuid, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match entry.state {
            State::Waiting(Some(at)) if at <= now => {
                entry.state = State::Due;
                self.due.push_back(id);
            }
            // Timers of what it was before, or of its breaker, may come early: a look-up too many does no harm.
            State::Waiting(_) => self.stale.push(id),
            State::Due | State::Asking { .. } | State::Answered => {}
        }
    }

    /// Takes out the next receiver to ask. Say [`Self::on_asking`] of each.
    pub(super) fn start_next(&mut self) -> Option<Arc<Subscription>> {
        if self.due.is_empty() || Arc::strong_count(&self.slot) > MAX_ASKED {
            return None;
        }
        while let Some(id) = self.due.pop_front() {
            if let Some(entry) = self.entries.get(&id)
                && matches!(entry.state, State::Due)
            {
                return Some(entry.subscription.clone());
            }
        }
        None
    }

    /// A receiver is being asked by this request.
    pub(super) fn on_asking(&mut self, subscription: Uuid, request: R) {
        if let Some(entry) = self.entries.get_mut(&subscription) {
            entry.state = State::Asking {
                _request: request,
                _slot: self.slot.clone(),
            };
        }
    }

    /// An answer came. False: it is not waited for any more.
    pub(super) fn on_answered(&mut self, subscription: &Subscription) -> bool {
        let Some(entry) = self.entries.get_mut(&subscription.id) else {
            return false;
        };
        if entry.subscription.version != subscription.version
            || !matches!(entry.state, State::Asking { .. })
        {
            return false;
        }
        entry.state = State::Answered;
        true
    }

    /// A receiver was not asked after all: it is forgotten, and is to be loaded again. False: it is not being asked.
    pub(super) fn on_not_asked(&mut self, id: Uuid) -> bool {
        let entry = self.entries.get(&id);
        let is_asking = entry.is_some_and(|entry| matches!(entry.state, State::Asking { .. }));
        if is_asking {
            self.entries.remove(&id);
        }
        is_asking
    }

    /// Whether the answer of this version's receiver is still to be recorded.
    pub(super) fn is_answered(&self, subscription: &Subscription) -> bool {
        let entry = self.entries.get(&subscription.id);
        entry.is_some_and(|entry| {
            entry.subscription.version == subscription.version
                && matches!(entry.state, State::Answered)
        })
    }

    /// Receivers that no notification told of for long: to be loaded again.
    pub(super) fn take_stale(&mut self) -> Vec<Uuid> {
        std::mem::take(&mut self.stale)
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{subscription, unverified};
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// A request under way: while this is not dropped.
    type Request = Arc<()>;

    /// Asks all that may be asked now.
    fn asked(machine: &mut EndpointVerification<Request>, request: &Request) -> Vec<u128> {
        std::iter::from_fn(|| {
            let subscription = machine.start_next()?;
            machine.on_asking(subscription.id, request.clone());
            Some(subscription.id.as_u128())
        })
        .collect()
    }

    fn under_way(request: &Request) -> usize {
        Arc::strong_count(request) - 1
    }

    #[test]
    fn a_receiver_is_asked_once_and_its_answer_is_waited_for_once() {
        let (mut machine, now) = (EndpointVerification::default(), Instant::now());
        let request = Request::default();
        let one = unverified(1, 1, Some(now));
        for _ in 0..2 {
            assert_eq!(machine.on_loaded(&one, now), None);
        }
        assert_eq!(asked(&mut machine, &request), [1]);
        assert_eq!(machine.on_loaded(&one, now), None);
        assert_eq!(asked(&mut machine, &request), [0; 0], "under way");
        assert!(machine.on_answered(&one));
        assert_eq!(under_way(&request), 0);
        assert!(!machine.on_answered(&one), "once");
        assert!(machine.is_answered(&one));
        // It has agreed.
        machine.on_loaded(&subscription(1, 20), now);
        assert!(!machine.contains(one.id) && !machine.is_answered(&one));
    }

    #[test]
    fn a_receiver_is_asked_when_its_time_has_come_and_looked_up_now_and_then() {
        let (mut machine, now) = (EndpointVerification::default(), Instant::now());
        let request = Request::default();
        let soon = now + Duration::from_secs(5);
        let look_again = now + LOOK_AGAIN;
        for (number, ask_at, timer) in [
            (1, Some(soon), soon),
            (2, Some(now + Duration::from_secs(86_400)), look_again),
            (3, None, look_again),
        ] {
            let next = machine.on_loaded(&unverified(number, 1, ask_at), now);
            assert_eq!(next, Some(timer));
        }
        assert_eq!(asked(&mut machine, &request), [0; 0]);
        machine.on_timer(Uuid::from_u128(1), soon);
        assert_eq!(asked(&mut machine, &request), [1]);
        for number in 1..=3 {
            machine.on_timer(Uuid::from_u128(number), look_again);
        }
        assert_eq!(machine.take_stale(), [2, 3].map(Uuid::from_u128));
        assert_eq!(asked(&mut machine, &request), [0; 0]);
    }

    #[test]
    fn a_receiver_that_was_not_asked_takes_no_slot_and_is_asked_when_it_is_loaded_again() {
        let (mut machine, now) = (EndpointVerification::default(), Instant::now());
        let request = Request::default();
        let one = unverified(1, 1, Some(now));
        machine.on_loaded(&one, now);
        assert!(!machine.on_not_asked(one.id), "it is not being asked yet");
        assert_eq!(asked(&mut machine, &request), [1]);
        assert!(machine.on_not_asked(one.id));
        assert_eq!(under_way(&request), 0);
        assert!(!machine.contains(one.id) && !machine.on_answered(&one));
        assert!(!machine.on_not_asked(one.id), "once");
        machine.on_loaded(&one, now);
        assert_eq!(asked(&mut machine, &request), [1]);
        assert!(machine.on_answered(&one));
        assert!(
            !machine.on_not_asked(one.id),
            "its answer is being recorded"
        );
    }

    #[test]
    fn a_change_or_a_lost_shard_cuts_the_request_off() {
        let (mut machine, now) = (EndpointVerification::default(), Instant::now());
        let request = Request::default();
        let (old, new) = (unverified(1, 1, Some(now)), unverified(1, 2, Some(now)));
        machine.on_loaded(&old, now);
        assert_eq!(asked(&mut machine, &request), [1]);
        machine.on_loaded(&new, now);
        assert_eq!(under_way(&request), 0);
        assert_eq!(asked(&mut machine, &request), [1]);
        assert!(!machine.on_answered(&old), "that of the old version");
        machine.retain(|_, shard| shard != new.shard);
        assert_eq!(under_way(&request), 0);
        assert!(!machine.on_answered(&new));
    }

    proptest! {
        /// However many are loaded, changed and answered: so many are asked at once and no more, and all in the end.
        #[test]
        fn so_many_are_asked_at_once_and_no_more(
            steps in prop::collection::vec((0_u8..3, 1_u128..200), 1..400),
        ) {
            let (mut machine, now) = (EndpointVerification::default(), Instant::now());
            let request = Request::default();
            let mut waiting = HashSet::new();
            for (step, number) in steps {
                let one = unverified(number, 1, Some(now));
                match step {
                    0 => {
                        machine.on_loaded(&one, now);
                        waiting.insert(number);
                    }
                    1 => {
                        machine.retain(|id, _| id != one.id);
                        waiting.remove(&number);
                    }
                    _ => {
                        if machine.on_answered(&one) {
                            machine.forget(one.id);
                            prop_assert!(waiting.remove(&number));
                        }
                    }
                }
                for asked in asked(&mut machine, &request) {
                    prop_assert!(waiting.contains(&asked));
                }
                prop_assert_eq!(under_way(&request), waiting.len().min(MAX_ASKED));
            }
        }
    }
}
