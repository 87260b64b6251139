//! Connections: so many at once, and so many of one address, each with time limits, and their end.

use super::client_address::ClientAddress;
use super::stall::Stalling;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_service::Service;

/// After an error of the listener, such as that no file can be opened.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How much connections may take.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Connections at once; more wait to be accepted.
    pub connections: usize,
    /// Connections at once of one address (of IPv6: of 64 bits); more are closed. A proxy is one address: it has them all.
    pub of_an_address: usize,
    /// How long the head of a request may take to arrive, and a connection to be idle.
    pub head: Duration,
    /// How long a client may take nothing of an answer.
    pub stall: Duration,
}

impl Limits {
    pub const USUAL: Self = Self {
        connections: 1024,
        of_an_address: 256,
        head: Duration::from_secs(30),
        stall: Duration::from_secs(30),
    };
}

/// Connections of each address.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of them. It is counted until it is dropped.
struct Counted {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// `None`: there are as many already as there may be.
    fn add(&self, address: IpAddr, most: usize) -> Option<Counted> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Counted {
            addresses: self.clone(),
            address,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self
            .addresses
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                all.remove(&self.address);
            }
        }
    }
}

/// Answers until `shutdown`; then requests under way have `drain` to finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
    is_behind_proxy: bool,
) {
    let room = Arc::new(Semaphore::new(limits.connections));
    let addresses = Addresses::default();
    let of_an_address = match is_behind_proxy {
        true => limits.connections,
        false => limits.of_an_address,
    };
    let graceful = GracefulShutdown::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            let place = room.clone().acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip()),
            Err(error) => {
                tracing::warn!("can't accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(counted) = addresses.add(ClientAddress(peer).network(), of_an_address) else {
            tracing::debug!(%peer, "a connection too many of this address is closed");
            continue;
        };
        let router = router.clone();
        let service =
            service_fn(move |request| answer(router.clone(), request, peer, is_behind_proxy));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(Stalling::new(stream, limits.stall)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
            drop((place, counted));
        });
    }
    drop(listener);
    if tokio::time::timeout(drain, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests were cut off after {} s", drain.as_secs());
    }
}

/// A router is ready at any time.
async fn answer(
    mut router: Router,
    request: hyper::Request<Incoming>,
    peer: IpAddr,
    is_behind_proxy: bool,
) -> Result<axum::response::Response, Infallible> {
    let mut request = request.map(Body::new);
    let address = ClientAddress::new(peer, request.headers(), is_behind_proxy);
    request.extensions_mut().insert(address);
    router.call(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use std::net::{Ipv4Addr, SocketAddr};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpSocket, TcpStream};

    /// More than the buffers of a connection hold.
    const LARGE: usize = 32 << 20;
    const PATIENCE: Duration = Duration::from_secs(30);

    /// A server with one place, in which each connection has a second.
    async fn start(connections: usize, of_an_address: usize) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/large", get(|| async { "x".repeat(LARGE) }));
        let limits = Limits {
            connections,
            of_an_address,
            head: Duration::from_secs(1),
            stall: Duration::from_secs(1),
        };
        let never = std::future::pending();
        tokio::spawn(serve(listener, router, limits, never, PATIENCE, false));
        address
    }

    async fn get_from(source: [u8; 4], address: SocketAddr) -> std::io::Result<String> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        let mut stream = socket.connect(address).await?;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await?;
        let mut answer = String::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer));
        read.await.unwrap()?;
        Ok(answer)
    }

    #[tokio::test]
    async fn who_does_not_read_loses_the_place() {
        let address = start(1, 1).await;
        let mut stalled = TcpStream::connect(address).await.unwrap();
        let request = b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n";
        stalled.write_all(request).await.unwrap();
        let answer = get_from([127, 0, 0, 2], address).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        let mut rest = Vec::new();
        // What was sent is there, and no more comes.
        let read = tokio::time::timeout(PATIENCE, stalled.read_to_end(&mut rest)).await;
        assert!(read.is_ok() && rest.len() < LARGE, "{}", rest.len());
    }

    #[tokio::test]
    async fn who_sends_no_head_loses_the_place() {
        for begun in [&b""[..], b"GET / HTTP/1.1\r\nx: "] {
            let address = start(1, 1).await;
            let mut slow = TcpStream::connect(address).await.unwrap();
            slow.write_all(begun).await.unwrap();
            let (mut reads, mut writes) = slow.into_split();
            // Byte by byte, for ever.
            tokio::spawn(async move {
                while !begun.is_empty() && writes.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                std::future::pending::<()>().await;
            });
            let answer = get_from([127, 0, 0, 2], address).await.unwrap();
            assert!(answer.ends_with("here"), "{answer}");
            let mut rest = Vec::new();
            let ended = tokio::time::timeout(PATIENCE, reads.read_to_end(&mut rest)).await;
            assert!(ended.is_ok());
        }
    }

    #[tokio::test]
    async fn an_address_has_a_share_of_the_places() {
        let address = start(64, 4).await;
        let mut idle = Vec::new();
        for _ in 0..32 {
            idle.push(TcpStream::connect(address).await.unwrap());
        }
        let answer = get_from([127, 0, 0, 2], address).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
        // One too many is closed.
        let answer = get_from([127, 0, 0, 1], address).await;
        assert!(answer.is_err() || answer.is_ok_and(|text| text.is_empty()));
    }
}
