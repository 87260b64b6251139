//! What is known of names, and look-ups under way: one for each name, however many wait for it.

use super::answer::Answer;
use super::failure::LookupFailure;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Names that are remembered.
const MOST_NAMES: usize = 4096;
/// A look-up that takes so long is slow, whatever comes of it: nobody may answer for the name.
const PATIENCE: Duration = Duration::from_millis(500);

pub type Outcome = Result<Arc<[IpAddr]>, LookupFailure>;
type Flight = Shared<BoxFuture<'static, Outcome>>;

enum Entry {
    /// Being looked up, for as long as somebody waits for it.
    Flying {
        number: u64,
        flight: WeakShared<BoxFuture<'static, Outcome>>,
    },
    Known {
        outcome: Outcome,
        until: Instant,
        was_slow: bool,
    },
    /// The last look-up was slow, and was given up.
    Slow,
}

/// Bounds of look-ups at once. Slow ones have a share of their own, so that the others go on.
struct Slots {
    quick: Semaphore,
    slow: Semaphore,
}

impl Slots {
    /// Asks, unless the name was slow the last time, among the quick ones; after a while it goes on among the slow
    /// ones, or, if there is no room, starts anew there. These semaphores are never closed, which would be their error.
    async fn ask<F>(&self, watch: &mut Watch, look_up: impl Fn() -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        if !watch.is_slow {
            let quick = self.quick.acquire().await;
            let mut asking = pin!(look_up());
            if let Ok(answer) = tokio::time::timeout(PATIENCE, &mut asking).await {
                return answer;
            }
            watch.is_slow = true;
            if let Ok(_slow) = self.slow.try_acquire() {
                drop(quick);
                return asking.await;
            }
        }
        let _slow = self.slow.acquire().await;
        let asked = Instant::now();
        let answer = look_up().await;
        watch.is_slow = asked.elapsed() >= PATIENCE;
        answer
    }
}

#[derive(Default)]
struct Names {
    entries: HashMap<Arc<str>, Entry>,
    flights: u64,
}

pub struct Cache {
    names: Mutex<Names>,
    slots: Slots,
}

impl Cache {
    /// With so many look-ups at once, at the most.
    pub fn new(at_once: usize) -> Self {
        let slow = (at_once / 4).max(1);
        Self {
            names: Mutex::default(),
            slots: Slots {
                quick: Semaphore::new(at_once.saturating_sub(slow).max(1)),
                slow: Semaphore::new(slow),
            },
        }
    }

    /// What is known of a name, or what a look-up finds. It ends when nobody waits for it any more.
    pub async fn find<L, F>(self: &Arc<Self>, name: &str, look_up: L) -> Outcome
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let flight = {
            let mut names = self.lock();
            match names.look(name) {
                Seen::Known(outcome) => return outcome,
                Seen::Flying(flight) => flight,
                Seen::Nothing { was_slow } => self.start(&mut names, name, was_slow, look_up),
            }
        };
        flight.await
    }

    /// Forgets all names, since other servers or files may say something else.
    pub fn forget(&self) {
        self.lock().entries.clear();
    }

    fn start<L, F>(
        self: &Arc<Self>,
        names: &mut Names,
        name: &str,
        was_slow: bool,
        look_up: L,
    ) -> Flight
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Answer> + Send + 'static,
    {
        let name: Arc<str> = name.into();
        names.flights += 1;
        let number = names.flights;
        let watch = Watch {
            cache: Arc::clone(self),
            name: Arc::clone(&name),
            number,
            is_slow: was_slow,
            has_ended: false,
        };
        let flight = fly(watch, look_up).boxed().shared();
        if let Some(weak) = flight.downgrade() {
            names.make_room();
            let entry = Entry::Flying {
                number,
                flight: weak,
            };
            names.entries.insert(name, entry);
        }
        flight
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        // Nothing that is done under the lock leaves it half done.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Seen {
    Known(Outcome),
    Flying(Flight),
    Nothing { was_slow: bool },
}

impl Names {
    fn look(&self, name: &str) -> Seen {
        let was_slow = match self.entries.get(name) {
            Some(Entry::Known { outcome, until, .. }) if Instant::now() < *until => {
                return Seen::Known(outcome.clone());
            }
            Some(Entry::Flying { flight, .. }) => match flight.upgrade() {
                Some(flight) => return Seen::Flying(flight),
                None => false,
            },
            Some(Entry::Known { was_slow, .. }) => *was_slow,
            Some(Entry::Slow) => true,
            None => false,
        };
        Seen::Nothing { was_slow }
    }

    /// Look-ups under way stay: there are no more of them than of requests under way.
    fn make_room(&mut self) {
        if self.entries.len() < MOST_NAMES {
            return;
        }
        let now = Instant::now();
        let is_current = |entry: &Entry| match entry {
            Entry::Flying { .. } => true,
            Entry::Known { until, .. } => now < *until,
            Entry::Slow => false,
        };
        self.entries.retain(|_, entry| is_current(entry));
        if self.entries.len() >= MOST_NAMES {
            self.entries
                .retain(|_, entry| matches!(entry, Entry::Flying { .. }));
        }
    }

    /// Puts the end of a look-up in its place, unless another one took it.
    fn land(&mut self, name: &str, number: u64, ended: Option<Entry>) {
        let is_this =
            |entry: &Entry| matches!(entry, Entry::Flying { number: n, .. } if *n == number);
        if !self.entries.get(name).is_some_and(is_this) {
            return;
        }
        match ended {
            Some(entry) => self.entries.insert(name.into(), entry),
            None => self.entries.remove(name),
        };
    }
}

/// Sees that each look-up leaves what it found, also when it is given up.
struct Watch {
    cache: Arc<Cache>,
    name: Arc<str>,
    number: u64,
    /// It is slow, or the last one was.
    is_slow: bool,
    has_ended: bool,
}

impl Watch {
    fn land(&self, ended: Option<Entry>) {
        self.cache.lock().land(&self.name, self.number, ended);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.has_ended {
            self.land(self.is_slow.then_some(Entry::Slow));
        }
    }
}

async fn fly<F>(mut watch: Watch, look_up: impl Fn() -> F) -> Outcome
where
    F: Future<Output = Answer>,
{
    let cache = Arc::clone(&watch.cache);
    let (outcome, lifetime) = match cache.slots.ask(&mut watch, look_up).await {
        Ok(found) => (Ok(found.addresses.into()), found.lifetime),
        Err(failed) => (Err(failed.reason), failed.lifetime),
    };
    watch.has_ended = true;
    watch.land(Some(Entry::Known {
        outcome: Outcome::clone(&outcome),
        until: Instant::now() + lifetime,
        was_slow: watch.is_slow,
    }));
    outcome
}

#[cfg(test)]
mod tests;
