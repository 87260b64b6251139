//! Wiring: what is started, and in which order it ends.

use crate::config::RunArgs;
use crate::database::{Database, note_token_uses};
use crate::http::jwt::Verifier;
use crate::http::rate_limit::RateLimits;
use crate::http::server::{self, Limits};
use crate::pages::{Brand, Site};
use crate::router::router;
use crate::shutdown;
use crate::telemetry::{self, Metrics};
use anyhow::Context;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Runs until a signal: then no connection is accepted any more, requests under way finish, and the last uses of tokens
/// are noted.
///
/// # Errors
/// Unusable configuration, a logo that can't be used, an address that can't be listened at. The database being away is no
/// error: requests are answered with status 503 until it is back.
pub async fn run(args: RunArgs) -> anyhow::Result<()> {
    let shutdown = shutdown::requested();
    let settings = args.connection()?;
    for warning in args.connection_warnings().iter().chain(&settings.warnings) {
        tracing::warn!("{warning}");
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        servers = settings.servers(),
        database = settings.database,
        role = settings.user,
        sslmode = settings.tls.mode.name(),
        "starting"
    );
    let database = Database::new(settings, &args)?;
    let site = Site::new(&args.pages)?;
    Brand::new(&args.pages)?.set();
    let verifier = Verifier::new(&args.jwt)?;
    let metrics = Arc::new(Metrics::new()?);
    let listener = listen("--listen", args.listen).await?;
    let ended = CancellationToken::new();
    let until_ended = ended.clone().cancelled_owned();
    let beside = TaskTracker::new();
    if let Some(address) = args.metrics_listen {
        let listener = listen("--metrics-listen", address).await?;
        let address = listener.local_addr()?;
        let scraped = telemetry::router(metrics.clone(), database.clone());
        beside.spawn(server::serve(
            listener,
            scraped,
            Limits::USUAL,
            until_ended,
            args.drain_timeout,
            false,
        ));
        tracing::info!(%address, "metrics can be scraped");
    }
    if let Err(problem) = database.check().await {
        tracing::warn!("{problem}");
    }
    beside.spawn(note_token_uses(database.clone(), ended.clone()));
    beside.close();
    let limits = NonZeroU32::new(args.rate_limit).map(RateLimits::new);
    tracing::info!(address = %listener.local_addr()?, "listening");
    server::serve(
        listener,
        router(database, site, verifier, metrics, limits),
        Limits::USUAL,
        shutdown,
        args.drain_timeout,
        args.behind_proxy,
    )
    .await;
    ended.cancel();
    beside.wait().await;
    tracing::info!("stopped");
    Ok(())
}

/// # Errors
/// Names the flag.
async fn listen(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).await;
    listener.with_context(|| format!("{flag}={address}"))
}
