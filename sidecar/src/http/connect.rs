//! New connections: TCP behind the address policy, and TLS.

use super::connection::Connection;
use super::error::{SendError, connect_error, handshake_error};
use super::resolve::PolicyResolver;
use hyper::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;
use url::Url;

const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_RETRIES: u32 = 3;

/// Where a receiver is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    pub is_tls: bool,
    /// A name, or an address: that of version 6 in brackets.
    pub host: String,
    pub port: u16,
}

impl Origin {
    /// `None`: the URL has no host, or its scheme no port.
    pub fn of(url: &Url) -> Option<Self> {
        Some(Self {
            is_tls: url.scheme() == "https",
            host: url.host_str()?.to_owned(),
            port: url.port_or_known_default()?,
        })
    }
}

#[derive(Clone)]
pub struct Connector {
    resolver: PolicyResolver,
    tcp: HttpConnector<PolicyResolver>,
    tls: TlsConnector,
}

impl Connector {
    /// No proxies: nothing is connected to that was not asked for.
    pub fn new(resolver: PolicyResolver, mut tls: ClientConfig) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(resolver.clone());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_RETRIES));
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            resolver,
            tcp,
            tls: TlsConnector::from(Arc::new(tls)),
        }
    }

    /// Connects to a URL's host, within a timeout that all its addresses share.
    ///
    /// # Errors
    /// Any but those of a connection that was made.
    pub async fn connect(
        &self,
        url: &Url,
        origin: &Origin,
        timeout: Duration,
    ) -> Result<Connection, SendError> {
        self.resolver
            .check_literal(url)
            .map_err(|error| SendError::from(&error))?;
        let mut connection = match origin.is_tls {
            false => Connection::plain(self.tcp(origin, timeout).await?),
            true => {
                let name = origin.host.trim_start_matches('[').trim_end_matches(']');
                let name = ServerName::try_from(name.to_owned())
                    .map_err(|error| SendError::Tls(error.to_string()))?;
                let stream = self.tcp(origin, timeout).await?;
                let stream = self.tls.connect(name, stream).await;
                Connection::tls(stream.map_err(|error| handshake_error(&error))?)
            }
        };
        connection.outlast(timeout);
        Ok(connection)
    }

    async fn tcp(&self, origin: &Origin, timeout: Duration) -> Result<TcpStream, SendError> {
        let uri = format!("http://{}:{}/", origin.host, origin.port);
        let uri = Uri::try_from(uri).map_err(|error| SendError::Connect(error.to_string()))?;
        let mut tcp = self.tcp.clone();
        // A little more than the attempt has: the deadline of a single address is the attempt's.
        tcp.set_connect_timeout(Some(timeout + Duration::from_secs(1)));
        let stream = tcp.call(uri).await.map_err(|error| connect_error(&error))?;
        Ok(stream.into_inner())
    }
}
