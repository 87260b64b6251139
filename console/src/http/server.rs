//! Connections: so many at once, each with time limits, and their end.

use super::client_address::ClientAddress;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_service::Service;

/// Connections at once; more wait to be accepted.
const CONNECTIONS: usize = 1024;
/// How long the head of a request may take to arrive, and a connection to be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// After an error of the listener, such as that no file can be opened.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Answers until `shutdown`; then requests under way have `drain` to finish.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
    is_behind_proxy: bool,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
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
        let router = router.clone();
        let service =
            service_fn(move |request| answer(router.clone(), request, peer, is_behind_proxy));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(64 << 10)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("a connection ended: {error}");
            }
            drop(place);
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
