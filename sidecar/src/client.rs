//! The pooled HTTP client, with bounds on what a receiver can make it hold.

use crate::args::RunArgs;
use crate::resolve::PolicyResolver;
use crate::tls;
use bytes::Bytes;
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::time::Duration;

pub type Client = legacy::Client<HttpsConnector<HttpConnector<PolicyResolver>>, Full<Bytes>>;

/// Most bytes of response headers, and most that are read of a body at once. Common servers send no more than 8 KiB;
/// 2,000 receivers that send them endlessly can take 128 MiB, not the 800 MiB of hyper's default (408 KiB).
const MAX_BUFFER: usize = 64 * 1024;
/// Most bytes of one HTTP/2 response under way, and of all those on one connection.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const KEEPALIVE: Duration = Duration::from_secs(15);
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// No redirects, no proxies, no decompression: nothing is connected to or unpacked that was not asked for.
///
/// # Errors
/// Unreadable certificates.
pub fn new(args: &RunArgs, resolver: PolicyResolver) -> anyhow::Result<Client> {
    let mut tcp = HttpConnector::new_with_resolver(resolver);
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE));
    tcp.set_keepalive_retries(Some(3));
    // Keepalive does not help while something is unacknowledged: without it a connection to a receiver that vanished
    // would be used again for a quarter of an hour.
    tcp.set_tcp_user_timeout(Some(USER_TIMEOUT));
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls::config(args.receiver_ca_file.as_deref())?)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp);
    Ok(legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(args.concurrency as usize)
        .timer(TokioTimer::new())
        .http2_keep_alive_interval(KEEPALIVE)
        .http2_keep_alive_timeout(KEEPALIVE)
        .http1_max_buf_size(MAX_BUFFER)
        .http2_max_header_list_size(MAX_BUFFER as u32)
        .http2_initial_stream_window_size(STREAM_WINDOW)
        .http2_initial_connection_window_size(CONNECTION_WINDOW)
        .build(connector))
}
