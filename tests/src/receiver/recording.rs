//! The receiver's memory: its scripts, and the requests that have arrived.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use uuid::Uuid;

use super::{Reply, Request};
use crate::progress::Progress;

/// How much of each request is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recording {
    /// Everything.
    Full,
    /// Event id and time of arrival: for latencies and ledgers of many requests.
    Arrivals,
    /// Only their number: for throughput.
    Count,
}

/// That an event arrived.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// `webhook-id`.
    pub event_id: Uuid,
    /// When the request was complete.
    pub at: Instant,
}

pub(super) type Script = dyn Fn(&Request) -> Reply + Send + Sync;

/// One path.
#[derive(Default)]
pub(super) struct Route {
    pub(super) script: Mutex<Option<Arc<Script>>>,
    pub(super) secret: Mutex<Option<String>>,
    pub(super) arrived: AtomicUsize,
    pub(super) in_flight: AtomicUsize,
    pub(super) peak_in_flight: AtomicUsize,
}

impl Route {
    /// Counts a request as under way until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> InFlight {
        let now = self.in_flight.fetch_add(1, SeqCst) + 1;
        self.peak_in_flight.fetch_max(now, SeqCst);
        InFlight(Arc::clone(self))
    }
}

pub(super) struct InFlight(Arc<Route>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, SeqCst);
    }
}

pub(super) struct State {
    pub(super) recording: Recording,
    pub(super) progress: Progress,
    pub(super) requests: Mutex<Vec<Request>>,
    pub(super) arrivals: Mutex<Vec<Arrival>>,
    pub(super) connections: AtomicU64,
    pub(super) bytes_sent: AtomicU64,
    routes: Mutex<HashMap<String, Arc<Route>>>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "State({} requests)", self.progress.count())
    }
}

impl State {
    pub(super) fn new(recording: Recording) -> Self {
        Self {
            recording,
            progress: Progress::new(),
            requests: Mutex::default(),
            arrivals: Mutex::default(),
            connections: AtomicU64::new(0),
            bytes_sent: AtomicU64::new(0),
            routes: Mutex::default(),
        }
    }

    pub(super) fn route(&self, path: &str) -> Arc<Route> {
        let mut routes = lock(&self.routes);
        if let Some(route) = routes.get(path) {
            return Arc::clone(route);
        }
        Arc::clone(routes.entry(path.to_owned()).or_default())
    }

    /// Keeps what is to be kept of a request, then wakes those who wait for it.
    pub(super) fn record(&self, request: &Request) {
        if self.recording == Recording::Full {
            lock(&self.requests).push(request.clone());
        }
        if self.recording != Recording::Count
            && let Some(event_id) = request.event_id()
        {
            let at = request.arrived;
            lock(&self.arrivals).push(Arrival { event_id, at });
        }
        self.progress.advance();
    }
}

/// Locks; a panic elsewhere is that test's failure, not this one's.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
