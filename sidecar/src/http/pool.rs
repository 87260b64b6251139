//! Connections that are kept for the next request. Each is of one subscription: tenants share none, and what a receiver
//! does to one subscription's connection no other feels.

use super::connect::Origin;
use super::connection::Connection;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

/// An idle connection is closed after so long: before most receivers do it, which say so when they do it earlier.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Most idle connections of one subscription.
const MAX_IDLE_PER_KEY: usize = 32;
/// How often idle connections are looked at, while there are any.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);
/// How many of them are asked then whether the receiver has closed them: each is a system call under the lock. Those
/// that are to be used are asked in any case.
const ASKED_PER_SWEEP: usize = 64;

/// Who may use a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    pub subscription_id: Uuid,
    pub origin: Origin,
}

pub struct Pool {
    /// Connections in use and idle ones are no more than this, unless so many are in use.
    capacity: usize,
    state: Mutex<State>,
    tasks: TaskTracker,
}

#[derive(Default)]
struct State {
    in_use: usize,
    /// By key, those used last at the end.
    idle: HashMap<Key, VecDeque<Idle>>,
    /// All idle ones by age.
    by_age: BTreeMap<u64, Key>,
    next_age: u64,
    /// Which ones the next sweep asks first.
    next_asked: u64,
    /// While there are idle ones.
    sweep: Option<AbortHandle>,
}

struct Idle {
    age: u64,
    connection: Connection,
    until: Instant,
}

/// The room of a connection that is in use.
pub struct Slot {
    pool: Arc<Pool>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.pool.lock().in_use -= 1;
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if let Some(sweep) = &self.lock().sweep {
            sweep.abort();
        }
    }
}

impl Pool {
    /// What looks after idle connections is among `tasks`, and ends with the pool.
    pub fn new(capacity: usize, tasks: TaskTracker) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            state: Mutex::default(),
            tasks,
        })
    }

    /// A kept connection that the receiver has not closed, if there is one, and room for one in any case: the oldest
    /// idle one is closed for it.
    pub fn take(self: &Arc<Self>, key: &Key) -> (Slot, Option<Connection>) {
        let mut closed = Vec::new();
        let mut state = self.lock();
        state.in_use += 1;
        let mut found = None;
        while let Some(mut idle) = state.pop_newest(key) {
            if Instant::now() < idle.until && idle.connection.is_quiet() {
                found = Some(idle.connection);
                break;
            }
            closed.push(idle);
        }
        closed.extend(state.shrink_to(self.capacity));
        drop(state);
        close(closed);
        let slot = Slot { pool: self.clone() };
        (slot, found)
    }

    /// Keeps a connection, for no longer than the receiver says that it does.
    pub fn put(
        self: &Arc<Self>,
        slot: Slot,
        key: Key,
        connection: Connection,
        receiver_keeps: Option<Duration>,
    ) {
        // Some time passes until a request arrives there.
        let margin = |keeps: Duration| keeps.saturating_sub(Duration::from_secs(1)).max(keeps / 2);
        let keeps = receiver_keeps.map_or(IDLE_TIMEOUT, |keeps| margin(keeps).min(IDLE_TIMEOUT));
        drop(slot);
        let mut state = self.lock();
        let age = state.next_age;
        state.next_age += 1;
        let idle = Idle {
            age,
            until: connection.may_be_used_until().min(Instant::now() + keeps),
            connection,
        };
        state.by_age.insert(age, key.clone());
        let of_key = state.idle.entry(key).or_default();
        of_key.push_back(idle);
        let surplus = match of_key.len() > MAX_IDLE_PER_KEY {
            true => of_key.pop_front(),
            false => None,
        };
        if let Some(idle) = &surplus {
            state.by_age.remove(&idle.age);
        }
        let mut closed: Vec<Idle> = surplus.into_iter().collect();
        closed.extend(state.shrink_to(self.capacity));
        if state.sweep.is_none() {
            let sweep = self.tasks.spawn(sweep(Arc::downgrade(self)));
            state.sweep = Some(sweep.abort_handle());
        }
        drop(state);
        close(closed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics is done with it half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pop_newest(&mut self, key: &Key) -> Option<Idle> {
        let of_key = self.idle.get_mut(key)?;
        let idle = of_key.pop_back();
        if of_key.is_empty() {
            self.idle.remove(key);
        }
        self.by_age.remove(&idle.as_ref()?.age);
        idle
    }

    /// Takes the oldest out until no more than so many are there.
    fn shrink_to(&mut self, capacity: usize) -> Vec<Idle> {
        let mut closed = Vec::new();
        while self.in_use + self.by_age.len() > capacity
            && let Some((_, key)) = self.by_age.pop_first()
            && let Some(of_key) = self.idle.get_mut(&key)
        {
            closed.extend(of_key.pop_front());
            if of_key.is_empty() {
                self.idle.remove(&key);
            }
        }
        closed
    }

    /// Takes those out whose time is over and, of some at a time, those that the receiver has closed.
    fn take_ended(&mut self, now: Instant) -> Vec<Idle> {
        let asked: HashSet<u64> = self
            .by_age
            .range(self.next_asked..)
            .map(|(age, _)| *age)
            .take(ASKED_PER_SWEEP)
            .collect();
        self.next_asked = match asked.len() < ASKED_PER_SWEEP {
            true => 0,
            false => asked.iter().max().map_or(0, |last| last + 1),
        };
        let mut closed = Vec::new();
        let by_age = &mut self.by_age;
        self.idle.retain(|_, of_key| {
            let is_over = |idle: &mut Idle| {
                now >= idle.until || asked.contains(&idle.age) && !idle.connection.is_quiet()
            };
            let mut at = 0;
            while at < of_key.len() {
                match of_key.get_mut(at).is_some_and(is_over) {
                    true => closed.extend(of_key.remove(at)),
                    false => at += 1,
                }
            }
            !of_key.is_empty()
        });
        for idle in &closed {
            by_age.remove(&idle.age);
        }
        closed
    }
}

/// Not under the lock.
fn close(idle: Vec<Idle>) {
    for idle in idle {
        idle.connection.close();
    }
}

/// Ends with the last idle connection.
async fn sweep(pool: Weak<Pool>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        let mut state = pool.lock();
        let ended = state.take_ended(Instant::now());
        let is_over = state.by_age.is_empty();
        if is_over {
            state.sweep = None;
        }
        drop(state);
        close(ended);
        if is_over {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::{TcpListener, TcpStream};

    fn key() -> Key {
        Key {
            subscription_id: Uuid::nil(),
            origin: Origin {
                is_tls: false,
                host: "127.0.0.1".to_owned(),
                port: 80,
            },
        }
    }

    #[tokio::test]
    async fn sweeps_find_all_that_receivers_have_closed_some_at_a_time() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = Pool::new(1000, TaskTracker::new());
        let count = 2 * ASKED_PER_SWEEP + 1;
        for n in 0..count {
            let stream = TcpStream::connect(listener.local_addr().unwrap());
            let connection = Connection::plain(stream.await.unwrap());
            // It closes at once.
            drop(listener.accept().await.unwrap());
            let key = Key {
                subscription_id: Uuid::from_u128(n as u128),
                ..key()
            };
            let (slot, _) = pool.take(&key);
            pool.put(slot, key, connection, None);
        }
        let mut state = pool.lock();
        let left: Vec<usize> = std::iter::from_fn(|| {
            let ended = state.take_ended(Instant::now());
            drop(ended);
            Some(state.by_age.len())
        })
        .take(3)
        .collect();
        assert_eq!(left, [ASKED_PER_SWEEP + 1, 1, 0]);
        assert!(state.idle.is_empty());
    }

    #[tokio::test]
    async fn a_connection_is_not_kept_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let pool = Pool::new(4, TaskTracker::new());
        for (is_old, is_kept) in [(false, true), (true, false)] {
            let stream = TcpStream::connect(listener.local_addr().unwrap());
            let mut connection = Connection::plain(stream.await.unwrap());
            let _receiver = listener.accept().await.unwrap();
            if is_old {
                connection.grow_old();
            }
            let (slot, kept) = pool.take(&key());
            assert!(kept.is_none());
            pool.put(slot, key(), connection, None);
            let (_slot, kept) = pool.take(&key());
            assert_eq!(kept.is_some(), is_kept);
        }
    }
}
