//! HTTP servers with one habit each, as the world has them, down to the socket: [`Receiver`](crate::receiver::Receiver)
//! is the one that does all that HTTP allows.

mod answers_early;
mod closes_connections;
mod floods;
mod keeps_requests;
mod socket;
mod stops_reading;

pub use answers_early::answers_early;
pub use closes_connections::{Closing, closes_connections};
pub use floods::floods;
pub use keeps_requests::keeps_requests;
pub use socket::{Conversation, OK};
pub use stops_reading::stops_reading;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::sync::watch;

/// A server on 127.0.0.1, on a thread of its own; dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
    /// Its end tells the server's thread to end.
    _running: watch::Sender<()>,
}

/// The requests and connections that a server saw.
#[derive(Debug, Default)]
pub struct Seen {
    connections: AtomicU64,
    heads: Mutex<Vec<String>>,
}

impl Server {
    /// Starts a server that treats each connection so, and closes it after that.
    ///
    /// # Errors
    /// When no socket or thread can be had.
    pub fn start<F>(habit: impl Fn(Conversation) -> F + Send + 'static) -> Result<Self>
    where
        F: Future<Output = std::io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening on 127.0.0.1")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (running, mut ended) = watch::channel(());
        let seen = Arc::new(Seen::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let server = {
            let seen = Arc::clone(&seen);
            async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                    return;
                };
                loop {
                    let accepted = tokio::select! {
                        accepted = listener.accept() => accepted,
                        _ = ended.changed() => return,
                    };
                    if let Ok((stream, _)) = accepted {
                        seen.connections.fetch_add(1, SeqCst);
                        // The client may break it: the tests look at the other side.
                        tokio::spawn(habit(Conversation::new(stream, Arc::clone(&seen))));
                    }
                }
            }
        };
        std::thread::Builder::new()
            .name("server".into())
            .spawn(move || runtime.block_on(server))?;
        Ok(Self {
            address,
            seen,
            _running: running,
        })
    }

    /// URL of a path here.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.seen.connections.load(SeqCst)
    }

    /// The heads of requests so far, as they came.
    #[must_use]
    pub fn heads(&self) -> Vec<String> {
        self.seen.heads().clone()
    }
}

impl Seen {
    fn heads(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
