//! Endpoint verification: what goes to a receiver that has not agreed yet waits, without using up attempts, while it is
//! asked.

use super::Board;
use crate::model::{Subscription, Verification};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use uuid::Uuid;

/// Most receivers asked at once: those that hang must not take too many sockets.
const MAX_ASKED: usize = 64;
/// Who is not to be asked for longer is looked up again, in case that nobody told of a change.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

enum Asking {
    /// Not before this time; `None`: not as things are.
    Waits(Option<Instant>),
    /// In the queue.
    Due,
    UnderWay(AbortHandle),
    /// The answer is being recorded.
    Answered,
}

struct Entry {
    subscription: Arc<Subscription>,
    asking: Asking,
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Asking::UnderWay(task) = &self.asking {
            task.abort();
        }
    }
}

/// The receivers that have to agree first, of shards that are ours.
pub(super) struct Unverified {
    entries: HashMap<Uuid, Entry>,
    due: VecDeque<Uuid>,
    /// To be looked up again.
    stale: Vec<Uuid>,
    slots: Arc<Semaphore>,
}

impl Default for Unverified {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            due: VecDeque::new(),
            stale: Vec::new(),
            slots: Arc::new(Semaphore::new(MAX_ASKED)),
        }
    }
}

impl Unverified {
    pub(super) fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.entries.keys().copied()
    }

    pub(super) fn retain(&mut self, keep: impl Fn(Uuid, i16) -> bool) {
        self.entries
            .retain(|id, entry| keep(*id, entry.subscription.shard));
    }

    /// Returns when to look at it again; `None`: it is in the queue, or needs no look.
    fn wait(&mut self, subscription: &Arc<Subscription>, now: Instant) -> Option<Instant> {
        let Verification::Needed { ask_at, .. } = subscription.verification else {
            self.entries.remove(&subscription.id);
            return None;
        };
        if let Some(entry) = self.entries.get(&subscription.id)
            && entry.subscription.version == subscription.version
            && !matches!(entry.asking, Asking::Waits(_))
        {
            return None;
        }
        let is_due = ask_at.is_some_and(|at| at <= now);
        let entry = Entry {
            subscription: subscription.clone(),
            asking: if is_due {
                Asking::Due
            } else {
                Asking::Waits(ask_at)
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

    /// Its timer went off.
    pub(super) fn due(&mut self, id: Uuid, now: Instant) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        match entry.asking {
            Asking::Waits(Some(at)) if at <= now => {
                entry.asking = Asking::Due;
                self.due.push_back(id);
            }
            // Timers of what it was before, or of its breaker, may come early: a look-up too many does no harm.
            Asking::Waits(_) => self.stale.push(id),
            Asking::Due | Asking::UnderWay(_) | Asking::Answered => {}
        }
    }
}

impl Board {
    /// Holds back what goes to a receiver until it has agreed.
    pub(super) fn await_permission(&mut self, subscription: &Arc<Subscription>, now: Instant) {
        if let Some(at) = self.unverified.wait(subscription, now) {
            self.timers.insert((at, subscription.id));
        }
    }

    /// A subscription was loaded because its receiver may have to be asked. Of one that can't be, a claim says so if there
    /// is something to deliver.
    pub fn loaded(&mut self, subscription: &Arc<Subscription>, now: Instant) {
        match subscription.verification {
            Verification::Needed { ask_at: None, .. } => {
                self.unverified.entries.remove(&subscription.id);
            }
            _ => self.await_permission(subscription, now),
        }
    }

    /// Whether a receiver has to agree first, as far as is known here.
    pub fn awaits_permission(&self, subscription: Uuid) -> bool {
        self.unverified.entries.contains_key(&subscription)
    }

    /// The next receiver to ask, and the permit to do so. Say [`Self::asking`] of each.
    pub fn next_to_ask(&mut self) -> Option<(Arc<Subscription>, OwnedSemaphorePermit)> {
        if self.unverified.due.is_empty() {
            return None;
        }
        let permit = self.unverified.slots.clone().try_acquire_owned().ok()?;
        while let Some(id) = self.unverified.due.pop_front() {
            if let Some(entry) = self.unverified.entries.get(&id)
                && matches!(entry.asking, Asking::Due)
            {
                return Some((entry.subscription.clone(), permit));
            }
        }
        None
    }

    /// A receiver is being asked in this task.
    pub fn asking(&mut self, subscription: Uuid, task: AbortHandle) {
        if let Some(entry) = self.unverified.entries.get_mut(&subscription) {
            entry.asking = Asking::UnderWay(task);
        }
    }

    /// An answer came. False: it is not waited for any more.
    pub fn answered(&mut self, subscription: &Subscription) -> bool {
        let Some(entry) = self.unverified.entries.get_mut(&subscription.id) else {
            return false;
        };
        if entry.subscription.version != subscription.version
            || !matches!(entry.asking, Asking::UnderWay(_))
        {
            return false;
        }
        entry.asking = Asking::Answered;
        true
    }

    /// Whether the answer of this version's receiver is still to be recorded.
    pub fn is_answered(&self, subscription: &Subscription) -> bool {
        let entry = self.unverified.entries.get(&subscription.id);
        entry.is_some_and(|entry| {
            entry.subscription.version == subscription.version
                && matches!(entry.asking, Asking::Answered)
        })
    }

    /// Who asks, or who has to be asked, was changed: all of it is to be claimed and loaded anew.
    pub fn verification_changed(&mut self) {
        self.unverified.retain(|_, _| false);
        self.drop_waiting(|_| true);
        self.unsee_all();
        self.hungry = true;
    }

    /// Receivers that nobody spoke of for long: to be loaded again.
    pub fn take_stale(&mut self) -> Vec<Uuid> {
        std::mem::take(&mut self.unverified.stale)
    }
}
