//! Wiring: what is started, and in which order it ends.

use crate::config::connection::conninfo;
use crate::config::{ConfigError, RunArgs};
use crate::postgres::Database;
use crate::tasks::chores::Chores;
use crate::tasks::engine::{Engine, FLUSH_TIMEOUT, Workers};
use crate::tasks::monitor::{self, MonitorError};
use crate::tasks::requests::Requests;
use crate::tasks::sender::{Sender, SenderError};
use crate::tasks::session_health::GaveUp;
use crate::tasks::span_export::{SpanExport, SpanExportError};
use crate::tasks::verifier::Verifier;
use crate::tasks::{recorder, session};
use crate::telemetry::Telemetry;
use std::time::Duration;
use tokio::task::JoinError;
use tokio_util::task::TaskTracker;

/// How long everything else may take to end after the last result is recorded: sessions say goodbye to the server, and
/// wait for nothing. One that takes longer still has an answer to come, which nobody wants any more.
const END_TIMEOUT: Duration = Duration::from_millis(500);

/// Why the sidecar ends without being asked to, or not as it should.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
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
    #[error("the last results could not be recorded in time; those deliveries will be made again")]
    ResultsLost,
    #[error("the recorder failed: {0}")]
    Recorder(JoinError),
}

/// Runs until `shutdown`. Nothing that is spawned outlasts it: the engine ends first, and with it what it has started;
/// then the recorder, when it has recorded the last result; then the export of spans; then the sessions and whatever else is among `tasks`. A
/// recorder that fails ends the engine, whose results it could no longer record.
///
/// # Errors
/// Unusable configuration, or a recorder that failed; the database being away is no error but waited out, unless
/// --give-up-after says otherwise.
pub async fn run(
    args: RunArgs,
    database: Database,
    tasks: TaskTracker,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let export = match args.collector(conninfo::variable)? {
        Some(collector) => Some(SpanExport::start(&collector, &tasks)?),
        None => None,
    };
    let spans = export.as_ref().map(SpanExport::spans).unwrap_or_default();
    let sender = Sender::new(&args, spans, tasks.clone())?;
    let telemetry = Telemetry::new(&database.settings().database, args.lease);
    // Until all else has ended: whoever asks meanwhile is told that it is not ready.
    let _monitor = match args.metrics_listen {
        Some(address) => Some(monitor::start(address, telemetry.clone(), &tasks).await?),
        None => None,
    };
    let (link, mut recorder) = recorder::start(database.clone(), telemetry.clone(), &tasks);
    let workers = Workers {
        session: session::start(database.clone(), args.lease, &tasks),
        requests: Requests::new(sender.clone(), tasks.clone()),
        recorder: link,
        verifier: Verifier::new(sender, database.clone(), tasks.clone()),
        chores: Chores::new(
            &database,
            args.maintain_interval,
            args.metrics_listen.is_some(),
            &telemetry,
            &tasks,
        ),
    };
    let engine = Engine::new(&args, workers, telemetry);
    let (ended, recorded) = tokio::select! {
        ended = engine.run(shutdown) => {
            (ended, tokio::time::timeout(FLUSH_TIMEOUT, &mut recorder).await)
        }
        // It waits for the engine: one that ends first has panicked.
        recorded = &mut recorder => (Ok(()), Ok(recorded)),
    };
    recorder.abort();
    if let Some(export) = export {
        export.finish().await;
    }
    tasks.close();
    if tokio::time::timeout(END_TIMEOUT, tasks.wait())
        .await
        .is_err()
    {
        tracing::debug!(tasks = tasks.len(), "cut off at the end");
    }
    ended?;
    match recorded {
        Ok(recorded) => recorded.map_err(RunError::Recorder)?,
        Err(_) => return Err(RunError::ResultsLost),
    }
    tracing::info!("stopped");
    Ok(())
}
