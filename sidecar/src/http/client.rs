//! The client: one request and its answer, on a connection that was kept or a new one.

use super::connect::{Connector, Origin};
use super::connection::Connection;
use super::error::SendError;
use super::exchange::{Ended, exchange};
use super::pool::{Key, Pool, Slot};
use super::reply::Reply;
use super::resolve::PolicyResolver;
use super::wire::Outgoing;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::task::TaskTracker;
use url::Url;
use uuid::Uuid;

/// Makes requests, with the connections that it keeps.
#[derive(Clone)]
pub struct Client {
    connector: Connector,
    pool: Arc<Pool>,
}

/// A request, and for whom it is made.
pub struct Call<'c> {
    pub subscription_id: Uuid,
    pub url: &'c Url,
    pub outgoing: Outgoing,
    /// How long everything may take. The caller holds to it; here it is told to the kernel.
    pub timeout: Duration,
}

impl Client {
    /// Has about so many connections at most, idle ones included. What looks after these is among `tasks`.
    pub fn new(
        resolver: PolicyResolver,
        tls: ClientConfig,
        capacity: usize,
        tasks: TaskTracker,
    ) -> Self {
        Self {
            connector: Connector::new(resolver, tls),
            pool: Pool::new(capacity, tasks),
        }
    }

    /// Makes a request. `reply` holds what came also after an error, or when this is not waited for to its end.
    ///
    /// A kept connection may be one that the receiver is just closing. A request that gets no byte of an answer there
    /// goes out once more on a new connection, at once.
    ///
    /// # Errors
    /// There is no answer, or not all of its body.
    pub async fn send(&self, call: &Call<'_>, reply: &mut Reply) -> Result<(), SendError> {
        let origin = Origin::of(call.url)
            .ok_or_else(|| SendError::Connect("the URL has no host".to_owned()))?;
        let key = Key {
            subscription_id: call.subscription_id,
            origin,
        };
        let (slot, kept) = self.pool.take(&key);
        if let Some(mut connection) = kept {
            connection.outlast(call.timeout);
            let ended = exchange(&mut connection, &call.outgoing, reply).await;
            let reason = match ended {
                // Also when a reset came after it: the request met a socket that was closed.
                _ if reply.is_end_of_idle_connection() => {
                    "the receiver had timed out the idle connection (HTTP status 408)".to_owned()
                }
                Err(error) if !reply.has_begun() => error.to_string(),
                ended => return self.finish(ended, slot, key, connection, reply),
            };
            tracing::debug!(
                subscription_id = %call.subscription_id, reason,
                "a kept connection was closed: the request is sent again on a new one"
            );
            reply.restart();
        }
        let mut connection = self
            .connector
            .connect(call.url, &key.origin, call.timeout)
            .await?;
        let ended = exchange(&mut connection, &call.outgoing, reply).await;
        self.finish(ended, slot, key, connection, reply)
    }

    fn finish(
        &self,
        ended: Result<Ended, SendError>,
        slot: Slot,
        key: Key,
        connection: Connection,
        reply: &Reply,
    ) -> Result<(), SendError> {
        match ended? {
            Ended::Reusable => {
                let receiver_keeps = reply.head().and_then(|head| head.idle_timeout);
                self.pool.put(slot, key, connection, receiver_keeps);
            }
            Ended::Used => connection.close(),
        }
        Ok(())
    }
}
