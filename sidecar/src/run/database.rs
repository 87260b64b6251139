//! One database: what is started for it, and in which order it ends.

use super::RunError;
use crate::clock::Clock;
use crate::config::RunArgs;
use crate::postgres::Database;
use crate::task_group::TaskGroup;
use crate::tasks::chores::Chores;
use crate::tasks::destinations::DatabaseDestinations;
use crate::tasks::engine::{Engine, FLUSH_TIMEOUT, Workers};
use crate::tasks::requests::Requests;
use crate::tasks::sender::Sender;
use crate::tasks::slots::DatabaseSlots;
use crate::tasks::verifier::Verifier;
use crate::tasks::{recorder, session};
use crate::telemetry::Telemetry;
use std::sync::Arc;
use std::time::Duration;

/// How long everything else may take to end after the last result is recorded: sessions say goodbye to the server, and
/// wait for nothing. One that takes longer still has an answer to come, which nobody wants any more.
pub(super) const END_TIMEOUT: Duration = Duration::from_millis(500);

/// What the deliveries of a database are made with.
pub(super) struct Means {
    pub(super) database: Database,
    /// All that is spawned is among them.
    pub(super) tasks: TaskGroup,
    pub(super) sender: Sender,
    pub(super) slots: DatabaseSlots,
    pub(super) destinations: DatabaseDestinations,
    pub(super) clock: Clock,
    pub(super) telemetry: Arc<Telemetry>,
}

/// Delivers until `shutdown`. Nothing that is spawned outlasts it: the engine ends first, and with it what it has
/// started; then the recorder, when it has recorded the last result; then the sessions and whatever else is among the
/// tasks. A recorder that fails ends the engine, whose results it could no longer record.
///
/// # Errors
/// A recorder that failed; the database being away is no error but waited out, unless --give-up-after says otherwise.
pub(super) async fn deliver(
    args: &RunArgs,
    means: Means,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let Means {
        database,
        tasks,
        sender,
        slots,
        destinations,
        clock,
        telemetry,
    } = means;
    let sender = sender.with_clock(clock.clone());
    let (link, mut recorder) = recorder::start(database.clone(), telemetry.clone(), &tasks);
    let workers = Workers {
        session: session::start(database.clone(), args.lease, &tasks),
        slots,
        destinations,
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
    let engine = Engine::new(args, workers, clock, telemetry);
    let (ended, recorded) = tokio::select! {
        ended = engine.run(shutdown) => {
            (ended, tokio::time::timeout(FLUSH_TIMEOUT, &mut recorder).await)
        }
        // It waits for the engine: one that ends first has panicked.
        recorded = &mut recorder => (Ok(()), Ok(recorded)),
    };
    recorder.abort();
    if tokio::time::timeout(END_TIMEOUT, tasks.ended())
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
