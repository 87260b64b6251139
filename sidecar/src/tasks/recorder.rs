//! The recorder: results back to SQL, in batches that grow by themselves: while one statement runs, the next gathers.
//!
//! What somebody has locked is left for later (`locked`), so that only results of that subscription wait; what the server
//! refuses is tried again (`refused`).

mod locked;
mod refused;

use super::backoff::Backoff;
use super::complaint::Complaint;
use super::late::count_late;
use super::warnings::{WORTH_WARNING, Warnings};
use crate::model::{Attempt, EndpointSignal};
use crate::postgres::Database;
use crate::postgres::blockers;
use crate::postgres::record::RecordSession;
use crate::postgres::trouble::{SessionError, describe};
use crate::task_group::TaskGroup;
use crate::telemetry::Telemetry;
use locked::Locked;
use refused::Refused;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

/// Most results in one statement.
const MAX_BATCH: usize = 512;
/// Statements keep this distance: each costs the server as much as a dozen results do.
const DISTANCE: Duration = Duration::from_millis(5);
/// A statement that takes longer counts as a lost connection; the server cancels it a little earlier.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(35);
/// A statement that was under way when the session that owns the shards was lost counts as lost, too, after this time: its
/// answer may have been on the way, or what ended the one session has silenced the other.
const AFTER_LOSS: Duration = Duration::from_secs(1);
/// The error of a result whose response the server does not take.
const UNRECORDED: &str = "the response could not be recorded; see the sidecar's log";

/// Deliveries whose results were written, or never will be.
#[derive(Default)]
pub struct Flushed {
    pub recorded: Vec<Uuid>,
    /// The server takes neither their result nor its bare outcome. To send them again would change nothing but
    /// burden the receiver: they are recorded once the server takes them, or made anew by the next session or owner of
    /// their shard.
    pub unrecordable: Vec<Uuid>,
    /// What was unrecordable is recorded after all.
    pub recorded_after_all: Vec<Uuid>,
    /// Failures that were not written before the session that owned their shards was lost: the next owner makes the
    /// same attempts, and these would hide their success.
    pub discarded: Vec<Uuid>,
    /// Their results wait, since somebody has locked their subscription or what belongs to it.
    pub locked: Vec<Uuid>,
}

impl Flushed {
    fn forget_locked_that_ended(&mut self) {
        if !self.locked.is_empty() {
            let ended = [&self.recorded, &self.unrecordable, &self.discarded];
            let ended: HashSet<Uuid> = ended.into_iter().flatten().copied().collect();
            self.locked.retain(|id| !ended.contains(id));
        }
    }
}

/// The engine's end of a recorder.
pub struct Link {
    results: UnboundedSender<Attempt>,
    pub flushed: UnboundedReceiver<Flushed>,
    telemetry: Arc<Telemetry>,
    /// How many sessions were lost: what was answered before the last one was is not ours to call a failure.
    lost_sessions: watch::Sender<u64>,
}

impl Link {
    /// Has a result recorded.
    pub fn record(&self, mut attempt: Attempt) {
        attempt.session = *self.lost_sessions.borrow();
        self.telemetry.metrics.results_unrecorded.inc();
        // The recorder outlives the engine.
        let _ = self.results.send(attempt);
    }

    /// The session that owned the shards is lost, or a shard with results that can't be recorded is released.
    pub fn session_lost(&self) {
        self.lost_sessions.send_modify(|lost| *lost += 1);
    }
}

/// Starts a recorder, which is among `tasks`. It ends when its link is dropped and nothing waits.
pub fn start(
    database: Database,
    telemetry: Arc<Telemetry>,
    tasks: &TaskGroup,
) -> (Link, JoinHandle<()>) {
    let (results, results_receiver) = unbounded_channel();
    let (flushed_sender, flushed) = unbounded_channel();
    let (lost_sessions, lost_sessions_receiver) = watch::channel(0);
    let recorder = tasks.spawn(run(
        database,
        telemetry.clone(),
        results_receiver,
        flushed_sender,
        lost_sessions_receiver,
    ));
    let link = Link {
        results,
        telemetry,
        flushed,
        lost_sessions,
    };
    (link, recorder)
}

/// Records until `results` closes and nothing waits, then ends. Reports each batch to `flushed`.
async fn run(
    database: Database,
    telemetry: Arc<Telemetry>,
    mut results: UnboundedReceiver<Attempt>,
    flushed: UnboundedSender<Flushed>,
    lost_sessions: watch::Receiver<u64>,
) {
    let mut recorder = Recorder {
        telemetry: telemetry.clone(),
        database,
        session: None,
        lost_sessions,
        locked: Locked::default(),
        refused: Refused::default(),
        warnings: Warnings::default(),
        row_warnings: Warnings::default(),
        complaint: Complaint::default(),
    };
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut last = Instant::now();
    let mut is_open = true;
    while is_open || !recorder.locked.is_empty() {
        let next_try = recorder.locked.next_try();
        let next_try = next_try
            .into_iter()
            .chain(recorder.refused.next_try())
            .min();
        tokio::select! {
            received = results.recv_many(&mut batch, MAX_BATCH), if is_open => is_open = received > 0,
            () = tokio::time::sleep_until(next_try.unwrap_or_else(Instant::now)), if next_try.is_some() => {}
        }
        tokio::time::sleep_until(last + DISTANCE).await;
        last = Instant::now();
        while batch.len() < MAX_BATCH
            && let Ok(attempt) = results.try_recv()
        {
            batch.push(attempt);
        }
        let mut done = Flushed {
            locked: recorder.locked.hold(&mut batch, last),
            ..Flushed::default()
        };
        if !batch.is_empty() {
            telemetry
                .health
                .on_unrecorded(Some(std::time::Instant::now()));
            recorder.settle(&mut batch, &mut done).await;
            telemetry.health.on_unrecorded(None);
        }
        if next_try.is_some() || !done.locked.is_empty() {
            recorder.try_again(&mut done).await;
        }
        recorder.try_refused(&mut done).await;
        done.forget_locked_that_ended();
        let ended = done.recorded.len() + done.unrecordable.len() + done.discarded.len();
        let ended = i64::try_from(ended).unwrap_or(i64::MAX);
        telemetry.metrics.results_unrecorded.sub(ended);
        // The engine may have ended first; the results are safe.
        let _ = flushed.send(done);
    }
}

struct Recorder {
    telemetry: Arc<Telemetry>,
    database: Database,
    session: Option<Open>,
    lost_sessions: watch::Receiver<u64>,
    locked: Locked,
    refused: Refused,
    /// Of tables that are locked, and of rows.
    warnings: Warnings,
    row_warnings: Warnings,
    /// Of the session.
    complaint: Complaint,
}

/// A session, and how many sessions had been lost when it was opened.
struct Open {
    session: RecordSession,
    lost_sessions: u64,
}

enum Failure {
    /// The connection or the server: try again.
    Passing(String),
    /// These results: the server will not take them.
    Refused(String),
    /// Somebody has locked what they change.
    Locked(String),
}

impl Failure {
    fn of(error: &tokio_postgres::Error) -> Self {
        let words = describe(error);
        if blockers::is_passing(error) {
            return Self::Locked(words);
        }
        // Its values, or a row that it changes: one that is damaged, or that a trigger lets nobody change.
        let is_about_rows = |code: &SqlState| {
            ["22", "23", "44", "54", "55", "P0", "XX"].contains(&&code.code()[..2])
        };
        match error.code() {
            Some(code) if is_about_rows(code) => Self::Refused(words),
            _ => Self::Passing(words),
        }
    }
}

impl Failure {
    /// Names the server, where that is what is the matter.
    fn at(self, server: &str) -> Self {
        match self {
            Self::Passing(words) => Self::Passing(format!("{server}: {words}")),
            other => other,
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Connect(error) => Self::Passing(error.to_string()),
            SessionError::Statement(error) => Self::of(&error),
            silent @ SessionError::Silent(_) => Self::Passing(silent.to_string()),
        }
    }
}

/// Why a batch is not written.
enum Unwritten {
    Refused(String),
    Locked(String),
}

impl Recorder {
    /// Writes a batch, which is empty then, and says what became of it.
    async fn settle(&mut self, batch: &mut Vec<Attempt>, done: &mut Flushed) {
        self.discard_failures(batch, done);
        #[cfg(feature = "failpoints")]
        crate::failpoint::pass(crate::failpoint::Point::BeforeRecord, batch.len()).await;
        let refused = self.record(batch, done).await;
        #[cfg(feature = "failpoints")]
        crate::failpoint::pass(crate::failpoint::Point::AfterRecord, batch.len()).await;
        self.locked.written(batch, Instant::now());
        let recorded = batch.drain(..).map(|attempt| attempt.delivery_id);
        done.recorded.extend(recorded);
        let unrecordable = refused.iter().map(|attempt| attempt.delivery_id);
        done.unrecordable.extend(unrecordable);
        self.refused.add(refused, Instant::now());
    }

    /// Looks after what was locked, and writes what is no longer.
    async fn try_again(&mut self, done: &mut Flushed) {
        let mut due = self.locked.take_due(Instant::now(), MAX_BATCH);
        if due.is_empty() {
            return;
        }
        self.park(&mut due, done).await;
        self.warn().await;
        if !due.is_empty() {
            self.settle(&mut due, done).await;
        }
    }

    /// Tries again what the server refused. It said so when it did.
    async fn try_refused(&mut self, done: &mut Flushed) {
        let lost_sessions = *self.lost_sessions.borrow();
        let mut due = self.refused.take_due(lost_sessions, Instant::now());
        if due.is_empty() {
            return;
        }
        let mut still_refused = Vec::new();
        while let Some(attempt) = due.pop() {
            match self.try_write(std::slice::from_ref(&attempt)).await {
                // Late or not: it is settled.
                Ok(_) => done.recorded_after_all.push(attempt.delivery_id),
                Err(Failure::Refused(_) | Failure::Locked(_)) => still_refused.push(attempt),
                Err(Failure::Passing(_)) => {
                    // Of the session, which results that are new will say.
                    self.session = None;
                    still_refused.push(attempt);
                    still_refused.append(&mut due);
                }
            }
        }
        self.refused.tried(!done.recorded_after_all.is_empty());
        self.refused.add(still_refused, Instant::now());
    }

    /// Leaves those for later that are locked. Returns whether there are any.
    async fn park(&mut self, batch: &mut Vec<Attempt>, done: &mut Flushed) -> bool {
        let Some(open) = &self.session else {
            return false;
        };
        let found = in_time(&self.lost_sessions, open.session.locked(batch));
        let Ok(Ok(locked)) = found.await else {
            return false;
        };
        let parked = self.locked.park(batch, &locked, Instant::now());
        done.locked.extend(&parked);
        !parked.is_empty()
    }

    /// Says who has locked what, once that lasts.
    async fn warn(&mut self) {
        let (deliveries, subscriptions) = self.locked.locked_for(WORTH_WARNING, Instant::now());
        if deliveries.is_empty() || !self.row_warnings.is_due(std::time::Instant::now()) {
            return;
        }
        let waits = format!(
            "results of {} subscriptions can't be recorded while their rows are locked, and nothing more is sent to these",
            subscriptions.len()
        );
        self.name_blockers(&waits, &deliveries, &subscriptions)
            .await;
    }

    async fn name_blockers(&self, waits: &str, deliveries: &[Uuid], subscriptions: &[Uuid]) {
        let Some(open) = &self.session else {
            return;
        };
        let find = blockers::find(&open.session.client, deliveries, subscriptions);
        if let Ok(found) = in_time(&self.lost_sessions, find).await {
            blockers::warn(waits, &found);
        }
    }

    /// Returns the results that the server refuses. They and what is locked leave the batch.
    async fn record(&mut self, batch: &mut Vec<Attempt>, done: &mut Flushed) -> Vec<Attempt> {
        let mut refused = Vec::new();
        if self.write_free(batch, done).await.is_err() {
            // One of them is the culprit: one by one.
            let mut written = Vec::with_capacity(batch.len());
            for attempt in std::mem::take(batch) {
                let mut one = vec![attempt];
                if self.write_free(&mut one, done).await.is_err()
                    && self.record_bare(&mut one, done).await.is_some()
                {
                    refused.append(&mut one);
                }
                written.append(&mut one);
            }
            *batch = written;
        }
        refused
    }

    /// Neither what a receiver answered nor the state of its subscription's row must keep its result from being
    /// recorded.
    async fn record_bare(&mut self, one: &mut Vec<Attempt>, done: &mut Flushed) -> Option<Uuid> {
        let attempt = one.first_mut()?;
        let delivery_id = attempt.delivery_id;
        let response = attempt.take_response();
        let error = attempt.error.replace(UNRECORDED.to_owned());
        let mut words = self.write_free(one, done).await.err()?;
        let attempt = one.first_mut()?;
        let disables = attempt.disable_reason.take().is_some();
        if attempt.breaker.take().is_some() || disables {
            let subscription_id = attempt.subscription_id;
            tracing::error!(
                %subscription_id, %delivery_id,
                "the server does not let this result disable its subscription or change its breaker: {words}"
            );
            attempt.set_response(response);
            attempt.error = match error {
                Some(error) if disables => {
                    Some(format!("{error} (that failed, see the sidecar's log)"))
                }
                error => error,
            };
            self.write_free(one, done).await.err()?;
            let attempt = one.first_mut()?;
            attempt.take_response();
            attempt.error = Some(UNRECORDED.to_owned());
            words = self.write_free(one, done).await.err()?;
        }
        tracing::error!(
            %delivery_id,
            "the server refuses this result; it is tried again, and the delivery stays queued: {words}"
        );
        Some(delivery_id)
    }

    /// Writes what is not locked, over reconnections, until the server takes or refuses it.
    async fn write_free(
        &mut self,
        batch: &mut Vec<Attempt>,
        done: &mut Flushed,
    ) -> Result<(), String> {
        let mut backoff = Backoff::new();
        while !batch.is_empty() {
            let failure = match self.write(batch, done).await {
                Ok(()) => return Ok(()),
                Err(Unwritten::Refused(words)) => return Err(words),
                Err(Unwritten::Locked(words)) => words,
            };
            if !self.park(batch, done).await {
                // A whole table, perhaps; or it is over.
                let pause = backoff.pause();
                if self.warnings.is_due(std::time::Instant::now()) {
                    let waits = format!("can't record, will try again: {failure}");
                    self.name_blockers(&waits, &[], &[]).await;
                }
                tokio::time::sleep(pause).await;
                self.discard_failures(batch, done);
            }
        }
        Ok(())
    }

    /// Writes a batch, over reconnections, until the server takes or refuses it, or something is locked.
    async fn write(
        &mut self,
        batch: &mut Vec<Attempt>,
        done: &mut Flushed,
    ) -> Result<(), Unwritten> {
        let mut backoff = Backoff::new();
        let began = Instant::now();
        loop {
            let failure = match self.try_write(batch).await {
                Ok(late) => {
                    let took = began.elapsed().as_secs_f64();
                    self.telemetry.metrics.record_duration.observe(took);
                    self.telemetry
                        .metrics
                        .record_results
                        .observe(batch.len() as f64);
                    if let Some(lasted) = self.complaint.over(std::time::Instant::now()) {
                        tracing::info!(after_seconds = lasted.as_secs(), "recording again");
                    }
                    for delivery_id in late {
                        count_late(
                            &self.telemetry.metrics,
                            delivery_id,
                            "this attempt was recorded before (by another sidecar, or an earlier try of ours), or its subscription was deleted meanwhile",
                        );
                    }
                    return Ok(());
                }
                Err(Failure::Refused(words)) => return Err(Unwritten::Refused(words)),
                Err(Failure::Locked(words)) => return Err(Unwritten::Locked(words)),
                Err(Failure::Passing(words)) => words,
            };
            if self.session.take().is_some() {
                let lost = &self.telemetry.metrics.sessions_lost;
                lost.with_label_values(&["record"]).inc();
            }
            let pause = backoff.pause();
            let lasted = self.complaint.complain(&failure, std::time::Instant::now());
            if let Some(lasted) = lasted {
                tracing::warn!(
                    results = batch.len(),
                    for_seconds = lasted.as_secs(),
                    "can't record, will try again: {failure}"
                );
            }
            tokio::time::sleep(pause).await;
            self.discard_failures(batch, done);
            if batch.is_empty() {
                return Ok(());
            }
        }
    }

    /// Writes a batch, on a new session if there is none. Returns the deliveries whose results changed nothing.
    async fn try_write(&mut self, batch: &[Attempt]) -> Result<Vec<Uuid>, Failure> {
        let lost_sessions = *self.lost_sessions.borrow();
        let session = match &mut self.session {
            // One from before the loss may be as dead as the session that was lost, and not say so.
            Some(open)
                if open.lost_sessions == lost_sessions
                    && open.session.is_usable(&self.database) =>
            {
                &open.session
            }
            stale => {
                let opened = RecordSession::open(&self.database);
                let session = in_time(&self.lost_sessions, opened).await??;
                let open = Open {
                    session,
                    lost_sessions,
                };
                &stale.insert(open).session
            }
        };
        let written = in_time(&self.lost_sessions, session.record(batch)).await?;
        written.map_err(|error| Failure::of(&error).at(&session.server))
    }

    /// Takes out what could not be written before its session was lost, and is no success.
    fn discard_failures(&self, batch: &mut Vec<Attempt>, done: &mut Flushed) {
        let lost_sessions = *self.lost_sessions.borrow();
        let is_discarded = |attempt: &mut Attempt| {
            attempt.session < lost_sessions && attempt.signal != EndpointSignal::Success
        };
        for attempt in batch.extract_if(.., is_discarded) {
            count_late(
                &self.telemetry.metrics,
                attempt.delivery_id,
                "its shard was lost before it could be recorded, and the shard's owner makes it again",
            );
            done.discarded.push(attempt.delivery_id);
        }
    }
}

/// The result of a step, unless none comes: see [`STATEMENT_TIMEOUT`] and [`AFTER_LOSS`].
async fn in_time<T>(
    lost_sessions: &watch::Receiver<u64>,
    step: impl Future<Output = T>,
) -> Result<T, Failure> {
    let mut lost_sessions = lost_sessions.clone();
    lost_sessions.mark_unchanged();
    let silence = async {
        let lost = async {
            if lost_sessions.changed().await.is_err() {
                // There is no engine any more that could lose one.
                std::future::pending().await
            }
        };
        match tokio::time::timeout(STATEMENT_TIMEOUT, lost).await {
            Ok(()) => tokio::time::sleep(AFTER_LOSS).await,
            Err(_) => return format!("no answer within {} s", STATEMENT_TIMEOUT.as_secs()),
        }
        "no answer, and the session that owned the shards was lost".to_owned()
    };
    tokio::select! {
        done = step => Ok(done),
        words = silence => Err(Failure::Passing(words)),
    }
}
