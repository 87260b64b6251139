//! Wiring: what is started, and in which order it ends. Each [`database`] is delivered from by itself; the [`fleet`]
//! has all of them, and what they share.

mod database;
mod fleet;

use crate::config::{ConfigError, NamedDatabase, ProcessEnvironment, RunArgs};
use crate::signals;
use crate::tasks::monitor::{self, Answers, MonitorError};
use crate::tasks::sender::{Sender, SenderError};
use crate::tasks::session_health::GaveUp;
use crate::tasks::span_export::{SpanExport, SpanExportError};
use fleet::Fleet;
use std::sync::Arc;
use tokio::task::JoinError;
use tokio_util::task::TaskTracker;
use webhooks_connection::conninfo::{self, Error};

/// Why the sidecar ends without being asked to, or not as it should.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Connection(#[from] Error),
    #[error(transparent)]
    Sender(#[from] SenderError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Spans(#[from] SpanExportError),
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    #[error(transparent)]
    GaveUp(#[from] GaveUp),
    #[error("SIGHUP can't be waited for: {0}")]
    Signal(std::io::Error),
    #[error("the last results could not be recorded in time; those deliveries will be made again")]
    ResultsLost,
    #[error("the recorder failed: {0}")]
    Recorder(JoinError),
    #[error("the engine panicked")]
    Panicked,
}

/// Delivers from these databases until `shutdown`, and from others whenever SIGHUP asks to read their file again. The
/// databases end first, and then what they share: at last the spans are exported.
///
/// # Errors
/// Unusable configuration, or a database that is the only one and could not be delivered from any more.
pub async fn run(
    args: RunArgs,
    databases: Vec<NamedDatabase>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let args = Arc::new(args);
    // Before anything may be asked for.
    let mut hangups = match args.database_url_file {
        Some(_) => Some(signals::reload().map_err(RunError::Signal)?),
        None => None,
    };
    let tasks = TaskTracker::new();
    let export = match args.collector(conninfo::variable)? {
        Some(collector) => Some(SpanExport::start(&collector, &tasks)?),
        None => None,
    };
    let spans = export.as_ref().map(SpanExport::spans).unwrap_or_default();
    let sender = Sender::new(&args, spans, tasks.clone())?;
    let answers = Arc::new(Answers::new(args.has_fleet()));
    // Until all else has ended: whoever asks meanwhile is told that it is not ready.
    let monitor = match args.metrics_listen {
        Some(address) => Some(monitor::start(address, answers.clone(), &tasks).await?),
        None => None,
    };
    let mut fleet = Fleet::new(args.clone(), sender, answers);
    fleet.set(databases)?;
    let mut shutdown = std::pin::pin!(shutdown);
    let ended = loop {
        tokio::select! {
            () = shutdown.as_mut() => break fleet.stop().await,
            ended = fleet.next_end() => if ended.is_err() || !args.has_fleet() {
                break ended.and(fleet.stop().await);
            },
            () = hangup(hangups.as_mut()) => read_again(&args, &mut fleet),
        }
    };
    drop((monitor, fleet));
    if let Some(export) = export {
        export.finish().await;
    }
    tasks.close();
    if tokio::time::timeout(database::END_TIMEOUT, tasks.wait())
        .await
        .is_err()
    {
        tracing::debug!(tasks = tasks.len(), "cut off at the end");
    }
    ended
}

/// Resolves at SIGHUP. Cancel-safe.
async fn hangup(signals: Option<&mut tokio::signal::unix::Signal>) {
    match signals {
        Some(signals) => drop(signals.recv().await),
        None => std::future::pending().await,
    }
}

/// Reads the file of databases again. One that can't be used changes nothing.
fn read_again(args: &RunArgs, fleet: &mut Fleet) {
    let warnings = args.connection_warnings(&ProcessEnvironment::current());
    warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    let changed = args.databases().and_then(|databases| fleet.set(databases));
    if let Err(error) = changed {
        tracing::error!("the databases are as they were before SIGHUP: {error}");
    }
}
