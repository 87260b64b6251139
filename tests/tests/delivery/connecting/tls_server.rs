//! A PostgreSQL server with TLS, as far as its clients notice: not every server of the tests is built with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use webhooks_tests::database::Database;

const SSL_REQUEST: u32 = 80_877_103;
/// The first byte of a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whom the server lets in, by encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    All,
    EncryptedAlone,
    PlainAlone,
}

/// A certificate and its key.
pub struct Identity {
    pub certificate: rcgen::Certificate,
    pub key: KeyPair,
}

impl Identity {
    /// One that signs itself and says that it is an authority, as `openssl req -x509` makes it.
    pub fn own(common_name: &str, alternatives: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = parameters(common_name, alternatives);
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, key }
    }

    /// One that an authority made, and the authority.
    pub fn issued(common_name: &str) -> (Self, rcgen::Certificate) {
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = parameters("authority", &[]);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters(common_name, &[])
            .signed_by(&key, &issuer)
            .unwrap();
        (Self { certificate, key }, authority_certificate)
    }
}

fn parameters(common_name: &str, alternatives: &[&str]) -> CertificateParams {
    let alternatives: Vec<String> = alternatives.iter().map(|n| (*n).to_owned()).collect();
    let mut parameters = CertificateParams::new(alternatives).unwrap();
    parameters.distinguished_name = DistinguishedName::new();
    parameters
        .distinguished_name
        .push(DnType::CommonName, common_name);
    parameters
}

/// Lets clients in to the server of a database. It ends with the runtime.
pub struct TlsServer {
    address: SocketAddr,
    name: String,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    encrypted: AtomicU64,
    plain: AtomicU64,
}

struct Door {
    target: SocketAddr,
    accepts: Accepts,
    tls: TlsAcceptor,
    counts: Arc<Counts>,
}

impl TlsServer {
    /// `clients`: the authority that clients have to have a certificate of.
    pub async fn start(
        db: &Database,
        identity: &Identity,
        accepts: Accepts,
        clients: Option<&rcgen::Certificate>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = Arc::new(Counts::default());
        let door = Arc::new(Door {
            target: SocketAddr::from(([127, 0, 0, 1], db.cluster().port())),
            accepts,
            tls: acceptor(identity, clients),
            counts: counts.clone(),
        });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let door = door.clone();
                // Whoever breaks off has broken off.
                tokio::spawn(async move { door.meet(client).await });
            }
        });
        Self {
            address,
            name: db.name().to_owned(),
            counts,
        }
    }

    /// For a client that knows it by this name.
    pub fn url(&self, host: &str, more: &str) -> String {
        let (port, name) = (self.address.port(), &self.name);
        format!("host={host} hostaddr=127.0.0.1 port={port} user=sidecar dbname={name} {more}")
    }

    /// Sessions since the last call, with and without TLS.
    pub fn take_counts(&self) -> (u64, u64) {
        let take = |count: &AtomicU64| count.swap(0, SeqCst);
        (take(&self.counts.encrypted), take(&self.counts.plain))
    }
}

fn acceptor(identity: &Identity, clients: Option<&rcgen::Certificate>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.serialize_der()));
    let mut config = builder
        .with_single_cert(vec![identity.certificate.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

impl Door {
    async fn meet(&self, mut client: TcpStream) -> std::io::Result<()> {
        let mut first = [0];
        client.peek(&mut first).await?;
        if first[0] != TLS_HANDSHAKE {
            let startup = read_startup(&mut client).await?;
            if startup.1 != SSL_REQUEST {
                return self.let_in(client, startup, false).await;
            }
            client.write_all(b"S").await?;
        }
        let mut client = self.tls.accept(client).await?;
        let startup = read_startup(&mut client).await?;
        self.let_in(client, startup, true).await
    }

    async fn let_in<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut client: S,
        (length, code): (u32, u32),
        is_encrypted: bool,
    ) -> std::io::Result<()> {
        let unwanted = if is_encrypted {
            Accepts::PlainAlone
        } else {
            Accepts::EncryptedAlone
        };
        if self.accepts == unwanted {
            let body = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for host \"127.0.0.1\"\0\0";
            client.write_u8(b'E').await?;
            client.write_u32(4 + body.len() as u32).await?;
            client.write_all(body).await?;
            return client.shutdown().await;
        }
        let count = if is_encrypted {
            &self.counts.encrypted
        } else {
            &self.counts.plain
        };
        count.fetch_add(1, SeqCst);
        let mut server = TcpStream::connect(self.target).await?;
        server.write_u32(length).await?;
        server.write_u32(code).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await?;
        Ok(())
    }
}

/// Length and code: the rest follows.
async fn read_startup<S: AsyncRead + Unpin>(client: &mut S) -> std::io::Result<(u32, u32)> {
    Ok((client.read_u32().await?, client.read_u32().await?))
}
