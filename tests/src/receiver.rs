//! An HTTP/1.1 server that records what it gets and answers as told, however badly.
//!
//! It runs on a thread of its own, so a blocked test does not slow it, and listens on 127.0.0.1 at a port of the
//! kernel's choice. hyper parses every request (so a malformed one is an error here too) and writes the well-formed
//! answers; the ill-formed ones of [`Reply::raw`] are written to the socket past it, on the same connection.

mod connection;
mod recording;
mod reply;
mod request;
mod serve;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::watch;

pub use recording::{Arrival, Recording};
pub use reply::{Raw, Reply};
pub use request::{Request, Signatures};

use crate::environment::raise_file_limit;
use recording::{State, lock};

/// The server; dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    /// Its end tells the server's thread to end.
    _running: watch::Sender<()>,
}

impl Receiver {
    /// Starts a receiver that records everything and answers 200.
    ///
    /// # Errors
    /// When no socket or thread can be had.
    pub fn start() -> Result<Self> {
        Self::start_with(Recording::Full)
    }

    /// Starts a receiver that keeps as much of each request as told.
    ///
    /// # Errors
    /// When no socket or thread can be had.
    pub fn start_with(recording: Recording) -> Result<Self> {
        raise_file_limit();
        let listener = TcpListener::bind("127.0.0.1:0").context("listening on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(recording));
        let (running, ended) = watch::channel(());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let server = serve::run(listener, Arc::clone(&state), ended);
        std::thread::Builder::new()
            .name("receiver".into())
            // Dropping the runtime with the closure ends every connection.
            .spawn(move || runtime.block_on(server))?;
        Ok(Self {
            address,
            state,
            _running: running,
        })
    }

    /// URL of a path (`/hook`) here.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers every request to a path like this.
    pub fn on(&self, path: &str, reply: Reply) {
        self.on_request(path, move |_| reply.clone());
    }

    /// Answers the requests to a path with these replies in turn; the last one is repeated.
    pub fn on_sequence(&self, path: &str, replies: impl IntoIterator<Item = Reply>) {
        let replies: Vec<_> = replies.into_iter().collect();
        let next = std::sync::atomic::AtomicUsize::new(0);
        self.on_request(path, move |_| {
            let turn = next.fetch_add(1, SeqCst);
            replies
                .get(turn)
                .or(replies.last())
                .cloned()
                .unwrap_or_default()
        });
    }

    /// Answers the requests to a path as a closure decides.
    pub fn on_request(
        &self,
        path: &str,
        script: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) {
        *lock(&self.state.route(path).script) = Some(Arc::new(script));
    }

    /// Verifies the signatures of requests to a path: see [`Request::signatures`].
    pub fn verify(&self, path: &str, secret: &str) {
        *lock(&self.state.route(path).secret) = Some(secret.to_owned());
    }

    /// How many requests have arrived in full, on all paths.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.state.progress.count()
    }

    /// The requests so far, in order of arrival (none unless recording is [`Recording::Full`]).
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.recorded().clone()
    }

    /// The requests to one path so far.
    #[must_use]
    pub fn requests_to(&self, path: &str) -> Vec<Request> {
        let recorded = self.recorded();
        recorded
            .iter()
            .filter(|r| r.path == path)
            .cloned()
            .collect()
    }

    /// Event ids and times of arrival so far (none when only counting).
    #[must_use]
    pub fn arrivals(&self) -> Vec<Arrival> {
        lock(&self.state.arrivals).clone()
    }

    /// Waits for the n-th request (on all paths).
    ///
    /// Returns: the requests so far.
    ///
    /// # Errors
    /// When they have not arrived within [`PATIENCE`](crate::PATIENCE).
    pub async fn wait_for(&self, n: u64) -> Result<Vec<Request>> {
        self.wait_for_within(n, crate::PATIENCE).await
    }

    /// As [`wait_for`](Self::wait_for), with a time-out.
    ///
    /// # Errors
    /// When they have not arrived within `timeout`.
    pub async fn wait_for_within(&self, n: u64, timeout: Duration) -> Result<Vec<Request>> {
        let reached = || (self.count() >= n).then_some(());
        self.state
            .progress
            .wait(
                timeout,
                reached,
                |_| n,
                || format!("{n} requests; {}", self.summary()),
            )
            .await?;
        Ok(self.requests())
    }

    /// Waits until the requests so far satisfy a condition; asked again at each arrival.
    ///
    /// Returns: the requests so far.
    ///
    /// # Errors
    /// When they do not within `timeout`.
    pub async fn wait_until(
        &self,
        timeout: Duration,
        mut condition: impl FnMut(&[Request]) -> bool,
    ) -> Result<Vec<Request>> {
        let check = || {
            let recorded = self.recorded();
            condition(&recorded).then(|| recorded.clone())
        };
        self.state
            .progress
            .wait(timeout, check, |n| n + 1, || self.summary())
            .await
    }

    /// Requests being answered right now, on a path.
    #[must_use]
    pub fn in_flight(&self, path: &str) -> usize {
        self.state.route(path).in_flight.load(SeqCst)
    }

    /// The most requests that were being answered at once, on a path.
    #[must_use]
    pub fn peak_in_flight(&self, path: &str) -> usize {
        self.state.route(path).peak_in_flight.load(SeqCst)
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(SeqCst)
    }

    /// Bytes of scripted bodies and raw answers handed to the kernel so far: how much of an endless one was read,
    /// give or take the socket buffers.
    #[must_use]
    pub fn bytes_sent(&self) -> u64 {
        self.state.bytes_sent.load(SeqCst)
    }

    fn recorded(&self) -> MutexGuard<'_, Vec<Request>> {
        lock(&self.state.requests)
    }

    fn summary(&self) -> String {
        let mut per_path: HashMap<String, usize> = HashMap::new();
        for request in self.recorded().iter() {
            *per_path.entry(request.path.clone()).or_default() += 1;
        }
        format!("{} arrived; by path: {per_path:?}", self.count())
    }
}
