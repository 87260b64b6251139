use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, SignatureAlgorithm};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// A certificate and its key.
pub struct Certified {
    pub pem: String,
    certificate: CertificateDer<'static>,
    key: KeyPair,
}

impl Certified {
    /// Self-signed for localhost, as `openssl req -new -x509 -subj /CN=localhost` does it: an authority's, with the name in
    /// the common name alone.
    pub fn by_the_manual(algorithm: &'static SignatureAlgorithm) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "localhost");
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            pem: certificate.pem(),
            certificate: certificate.der().clone(),
            key,
        }
    }

    /// Serves HTTPS with it on the current runtime: 200 to everything.
    pub async fn serve(&self, demands: Demands) -> SocketAddr {
        let config = self.config(&demands);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config))));
        address
    }

    fn config(&self, demands: &Demands) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(demands.versions)
            .unwrap();
        let builder = if demands.client_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.certificate.clone()).unwrap();
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        builder
            .with_single_cert(vec![self.certificate.clone()], key)
            .unwrap()
    }
}

/// The certificate that a server asks of its clients.
pub struct Demands {
    pub versions: &'static [&'static SupportedProtocolVersion],
    pub client_certificate: bool,
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            let stream = match acceptor.accept(stream).into_fallible().await {
                Ok(stream) => stream,
                // A client that is refused reads why; a connection that is closed with its request unread would be reset.
                Err((_, mut refused)) => {
                    let _ = tokio::io::copy(&mut refused, &mut tokio::io::sink()).await;
                    return;
                }
            };
            let service =
                service_fn(|_| async { Ok::<_, Infallible>(hyper::Response::new(String::new())) });
            let server = http1::Builder::new();
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
