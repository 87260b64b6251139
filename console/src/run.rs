//! Wiring: what is started, and in which order it ends.

use crate::api;
use crate::config::{self, RunArgs};
use crate::database::{Database, TokenUses};
use crate::http::jwt::Verifier;
use crate::http::server;
use crate::pages::{Brand, Site};
use crate::shutdown;
use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Runs until a signal: then no connection is accepted any more, requests under way finish, and the last uses of tokens
/// are noted.
///
/// # Errors
/// Unusable configuration, a logo that can't be used, an address that can't be listened at. The database being away is no error: requests are
/// answered with status 503 until it is back.
pub async fn run(args: RunArgs) -> anyhow::Result<()> {
    let shutdown = shutdown::requested();
    let (connection, tls) = config::connection(&args)?;
    let database = Database::new(connection, tls, &args)?;
    let site = Site::new(&args.pages)?;
    Brand::new(&args.pages)?.set();
    let verifier = Verifier::new(&args.jwt)?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("--listen={}", args.listen))?;
    if let Err(problem) = database.check().await {
        tracing::warn!("{problem}");
    }
    let ended = CancellationToken::new();
    let uses = tokio::spawn(TokenUses::note(database.clone(), ended.clone()));
    tracing::info!(address = %listener.local_addr()?, "listening");
    server::serve(
        listener,
        api::router(database, site, verifier),
        shutdown,
        args.drain_timeout,
        args.behind_proxy,
    )
    .await;
    ended.cancel();
    uses.await?;
    tracing::info!("stopped");
    Ok(())
}
