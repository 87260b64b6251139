use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

use hyper::Version;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

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
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new([]).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let file = NamedTempFile::new().unwrap();
        let certificate = authority.self_signed(&authority_key).unwrap();
        std::fs::write(file.path(), certificate.pem()).unwrap();
        let issuer = Issuer::new(authority, authority_key);

        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        if version == Version::HTTP_2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(AtomicU64::new(0));
        tokio::spawn(serve(
            listener,
            TlsAcceptor::from(Arc::new(config)),
            Arc::clone(&requests),
        ));
        Self {
            address,
            authority: file,
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
