use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use hyper::Version;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;

/// An HTTPS server, certified for localhost (not for 127.0.0.1) by an authority that nobody knows. It answers 200, and
/// 200 KiB.
pub struct TlsReceiver {
    pub address: SocketAddr,
    /// PEM file with the authority's certificate.
    pub authority: NamedTempFile,
    requests: Arc<AtomicU64>,
}

impl TlsReceiver {
    /// Starts it on the current runtime. It speaks HTTP/1.1.
    pub async fn start() -> Self {
        Self::start_offering(Version::HTTP_11).await
    }

    /// Starts it on the current runtime. It speaks HTTP/2 or HTTP/1.1, and nothing else.
    pub async fn start_offering(version: Version) -> Self {
        let certificate = Certificate::for_localhost();
        let protocols: &[&str] = match version {
            Version::HTTP_2 => &["h2"],
            _ => &[],
        };
        let acceptor = certificate.acceptor_offering(protocols);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        tokio::spawn(serve(listener, acceptor, Arc::clone(&requests)));
        Self {
            address,
            authority: certificate.authority,
            requests,
        }
    }

    /// How many requests came.
    pub fn count(&self) -> u64 {
        self.requests.load(SeqCst)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, requests: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, requests) = (acceptor.clone(), Arc::clone(&requests));
        tokio::spawn(async move {
            // A client that refuses the certificate ends the handshake: the test looks at what it says.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(|_| {
                requests.fetch_add(1, SeqCst);
                async { Ok::<_, Infallible>(hyper::Response::new("x".repeat(200 * 1024))) }
            });
            let http_2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            let io = TokioIo::new(stream);
            let _ = if http_2 {
                let server = http2::Builder::new(TokioExecutor::new());
                server.serve_connection(io, service).await
            } else {
                let server = http1::Builder::new();
                server.serve_connection(io, service).await
            };
        });
    }
}
