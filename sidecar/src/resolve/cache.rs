//! What is known of names, and look-ups under way: one for each name, however many wait for it.

use super::failure::LookupFailure;
use super::question::Answer;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};
use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Names that are remembered.
const MOST_NAMES: usize = 4096;
/// A look-up that was given up after so long is taken to be of a name that nobody answers for.
const SILENCE: Duration = Duration::from_millis(500);

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
    },
    /// The last look-up was given up before anything was heard.
    Silent,
}

/// Bounds of look-ups at once. Names that did not answer the last time have a share of them, so that the others go on.
struct Slots {
    all: Semaphore,
    silent: Semaphore,
}

impl Slots {
    /// An error is that of a closed semaphore: these are never closed.
    async fn take(&self, was_silent: bool) -> [Option<SemaphorePermit<'_>>; 2] {
        let silent = match was_silent {
            true => self.silent.acquire().await.ok(),
            false => None,
        };
        [silent, self.all.acquire().await.ok()]
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
        Self {
            names: Mutex::default(),
            slots: Slots {
                all: Semaphore::new(at_once),
                silent: Semaphore::new((at_once / 4).max(1)),
            },
        }
    }

    /// What is known of a name, or what a look-up finds. It ends when nobody waits for it any more.
    pub async fn find<F>(self: &Arc<Self>, name: &str, look_up: impl FnOnce() -> F) -> Outcome
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let flight = {
            let mut names = self.lock();
            match names.look(name) {
                Seen::Known(outcome) => return outcome,
                Seen::Flying(flight) => flight,
                Seen::Nothing { was_silent } => self.start(&mut names, name, was_silent, look_up()),
            }
        };
        flight.await
    }

    /// Forgets all names, since other servers or files may say something else.
    pub fn forget(&self) {
        self.lock().entries.clear();
    }

    fn start(
        self: &Arc<Self>,
        names: &mut Names,
        name: &str,
        was_silent: bool,
        look_up: impl Future<Output = Answer> + Send + 'static,
    ) -> Flight {
        let name: Arc<str> = name.into();
        names.flights += 1;
        let number = names.flights;
        let watch = Watch {
            cache: Arc::clone(self),
            name: Arc::clone(&name),
            number,
            was_silent,
            asked: None,
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
    Nothing { was_silent: bool },
}

impl Names {
    fn look(&self, name: &str) -> Seen {
        let was_silent = match self.entries.get(name) {
            Some(Entry::Known { outcome, until }) if Instant::now() < *until => {
                return Seen::Known(outcome.clone());
            }
            Some(Entry::Flying { flight, .. }) => match flight.upgrade() {
                Some(flight) => return Seen::Flying(flight),
                None => false,
            },
            Some(Entry::Known { outcome, .. }) => {
                outcome.as_ref().is_err_and(LookupFailure::is_silence)
            }
            Some(Entry::Silent) => true,
            None => false,
        };
        Seen::Nothing { was_silent }
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
            Entry::Silent => false,
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
    was_silent: bool,
    /// Since when servers are being asked.
    asked: Option<Instant>,
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
            let was_in_vain = self.asked.is_some_and(|since| since.elapsed() >= SILENCE);
            self.land((self.was_silent || was_in_vain).then_some(Entry::Silent));
        }
    }
}

async fn fly(mut watch: Watch, look_up: impl Future<Output = Answer>) -> Outcome {
    let cache = Arc::clone(&watch.cache);
    let _slot = cache.slots.take(watch.was_silent).await;
    watch.asked = Some(Instant::now());
    let (outcome, lifetime) = match look_up.await {
        Ok(found) => (Ok(found.addresses.into()), found.lifetime),
        Err(failed) => (Err(failed.reason), failed.lifetime),
    };
    watch.has_ended = true;
    watch.land(Some(Entry::Known {
        outcome: Outcome::clone(&outcome),
        until: Instant::now() + lifetime,
    }));
    outcome
}

#[cfg(test)]
mod tests;
