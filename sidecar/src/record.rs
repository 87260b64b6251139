//! Record: results back to SQL, in batches that grow by themselves: while one statement runs, the next gathers.
//!
//! `synchronous_commit` is off here: a crash may lose the last results, which means a second delivery, never a loss.

use crate::database::{Backoff, Database, explain};
use crate::deliver::Attempt;
use crate::dispatch::{BreakerChange, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

/// Most results in one statement.
const MAX_BATCH: usize = 512;
/// Statements keep this distance: each costs the server as much as a dozen results do.
const DISTANCE: Duration = Duration::from_millis(5);
/// Results since the start that came too late to change anything.
static LATE: AtomicU64 = AtomicU64::new(0);
/// A statement that takes longer counts as a lost connection.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Deliveries whose results were written, or never will be.
#[derive(Default)]
pub struct Flushed {
    pub recorded: Vec<Uuid>,
    /// The server takes neither their result nor its bare outcome. To send them again would change nothing but
    /// burden the receiver: they wait for the next session, or the next owner of their shard.
    pub refused: Vec<Uuid>,
    /// Failures that were not written before the session that owned their shards was lost: the next owner makes the same
    /// attempts, and these would hide their success.
    pub void: Vec<Uuid>,
}

/// Logs and counts a result that changes nothing.
pub fn count_late(delivery_id: Uuid, reason: &str) {
    let late_so_far = LATE.fetch_add(1, Ordering::Relaxed) + 1;
    tracing::warn!(%delivery_id, late_so_far, "late result: {reason}");
}

/// Records until `results` closes, then ends. Reports each batch to `flushed`.
pub async fn run(
    database: Database,
    mut results: UnboundedReceiver<Attempt>,
    flushed: UnboundedSender<Flushed>,
    lost_sessions: Arc<AtomicU64>,
) {
    let mut session = None;
    let mut batch = Vec::with_capacity(MAX_BATCH);
    let mut last = Instant::now();
    while results.recv_many(&mut batch, MAX_BATCH).await > 0 {
        tokio::time::sleep_until(last + DISTANCE).await;
        last = Instant::now();
        while batch.len() < MAX_BATCH
            && let Ok(attempt) = results.try_recv()
        {
            batch.push(attempt);
        }
        void_failures(&mut batch, lost_sessions.load(Ordering::Relaxed));
        #[cfg(feature = "failpoints")]
        crate::failpoint::pass(crate::failpoint::Point::BeforeRecord, batch.len()).await;
        let refused = record(&database, &mut session, &mut batch, &lost_sessions).await;
        #[cfg(feature = "failpoints")]
        crate::failpoint::pass(crate::failpoint::Point::AfterRecord, batch.len()).await;
        let (void, recorded): (Vec<Attempt>, Vec<Attempt>) =
            batch.drain(..).partition(|attempt| attempt.is_void);
        let ids = |attempts: Vec<Attempt>| attempts.into_iter().map(|attempt| attempt.delivery_id);
        // The engine may have ended first; the results are safe.
        let _ = flushed.send(Flushed {
            recorded: ids(recorded).filter(|id| !refused.contains(id)).collect(),
            void: ids(void).collect(),
            refused,
        });
    }
}

struct Session {
    client: Client,
    record: Statement,
}

enum Failure {
    /// The connection or the server: try again.
    Passing(String),
    /// These results: the server will not take them.
    Refused(String),
}

impl Failure {
    fn of(error: &tokio_postgres::Error) -> Self {
        let words = explain(error);
        match error.code() {
            Some(code)
                if matches!(&code.code()[..2], "22" | "23")
                    || *code == SqlState::PROGRAM_LIMIT_EXCEEDED =>
            {
                Self::Refused(words)
            }
            _ => Self::Passing(words),
        }
    }
}

/// Returns the deliveries whose results the server refuses.
async fn record(
    database: &Database,
    session: &mut Option<Session>,
    batch: &mut [Attempt],
    lost_sessions: &AtomicU64,
) -> Vec<Uuid> {
    let mut refused = Vec::new();
    if write(database, session, batch, lost_sessions)
        .await
        .is_err()
    {
        // One of them is the culprit: one by one.
        for attempt in batch.chunks_mut(1) {
            if write(database, session, attempt, lost_sessions)
                .await
                .is_err()
            {
                refused.extend(record_bare(database, session, attempt, lost_sessions).await);
            }
        }
    }
    refused
}

/// What a receiver answered must not keep its result from being recorded.
async fn record_bare(
    database: &Database,
    session: &mut Option<Session>,
    attempts: &mut [Attempt],
    lost_sessions: &AtomicU64,
) -> Option<Uuid> {
    for attempt in attempts.iter_mut() {
        attempt.response_headers = None;
        attempt.response_body = None;
        attempt.error =
            Some("the response could not be recorded; see the sidecar's log".to_owned());
    }
    let words = write(database, session, attempts, lost_sessions)
        .await
        .err()?;
    let delivery_id = attempts.first()?.delivery_id;
    tracing::error!(
        %delivery_id,
        "the server refuses this result; the delivery stays queued, and is made again by the next session or owner of its shard: {words}"
    );
    Some(delivery_id)
}

/// Writes a batch, over reconnections, until the server takes or refuses it.
async fn write(
    database: &Database,
    session: &mut Option<Session>,
    batch: &mut [Attempt],
    lost_sessions: &AtomicU64,
) -> Result<(), String> {
    let mut backoff = Backoff::new();
    loop {
        let failure = match try_write(database, session, batch).await {
            Ok(late) => {
                for delivery_id in late {
                    count_late(
                        delivery_id,
                        "this attempt was recorded before (by another sidecar, or an earlier try of ours), or its subscription was deleted meanwhile",
                    );
                }
                return Ok(());
            }
            Err(Failure::Refused(words)) => return Err(words),
            Err(Failure::Passing(words)) => words,
        };
        *session = None;
        let pause = backoff.pause();
        tracing::warn!(
            results = batch.len(),
            retry_in_ms = pause.as_millis(),
            "can't record, will try again: {failure}"
        );
        tokio::time::sleep(pause).await;
        void_failures(batch, lost_sessions.load(Ordering::Relaxed));
    }
}

/// What could not be written before its session was lost, and is no success.
fn void_failures(batch: &mut [Attempt], lost_sessions: u64) {
    for attempt in batch.iter_mut() {
        if attempt.session < lost_sessions && attempt.verdict != Verdict::Works && !attempt.is_void
        {
            attempt.is_void = true;
            count_late(
                attempt.delivery_id,
                "its shard was lost before it could be recorded, and the shard's owner makes it again",
            );
        }
    }
}

async fn try_write(
    database: &Database,
    session: &mut Option<Session>,
    batch: &[Attempt],
) -> Result<Vec<Uuid>, Failure> {
    let session = match session {
        Some(open) if !open.client.is_closed() => open,
        stale => {
            let opened = tokio::time::timeout(STATEMENT_TIMEOUT, open(database));
            stale.insert(
                opened
                    .await
                    .map_err(|_| timed_out())?
                    .map_err(|error| Failure::of(&error))?,
            )
        }
    };
    let columns = Columns::of(batch);
    let parameters = columns.parameters();
    let rows = session.client.query(&session.record, &parameters);
    let rows = tokio::time::timeout(STATEMENT_TIMEOUT, rows)
        .await
        .map_err(|_| timed_out())?;
    Ok(rows
        .map_err(|error| Failure::of(&error))?
        .iter()
        .map(|row| row.get(0))
        .collect())
}

fn timed_out() -> Failure {
    Failure::Passing(format!(
        "no answer within {} s",
        STATEMENT_TIMEOUT.as_secs()
    ))
}

async fn open(database: &Database) -> Result<Session, tokio_postgres::Error> {
    let settings = [
        ("synchronous_commit", "off".to_owned()),
        ("statement_timeout", "0".to_owned()),
    ];
    let (sender, _) = unbounded_channel();
    let client = database
        .connect("webhooks-sidecar record", &settings, sender)
        .await?;
    let record = client
        .prepare("select * from webhooks.record_attempts($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)")
        .await?;
    Ok(Session { client, record })
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The parameters of `record_attempts`, an array a column.
#[derive(Default)]
struct Columns<'a> {
    delivery_ids: Vec<Uuid>,
    subscription_ids: Vec<Uuid>,
    attempts: Vec<i32>,
    statuses: Vec<&'a str>,
    http_statuses: Vec<Option<i32>>,
    response_headers: Vec<Option<&'a str>>,
    response_bodies: Vec<Option<&'a str>>,
    errors: Vec<Option<&'a str>>,
    attempted_at_us: Vec<i64>,
    durations_us: Vec<i64>,
    payload_sizes: Vec<Option<i32>>,
    payload_hashes: Vec<Option<&'a [u8]>>,
    retry_after_ms: Vec<Option<i64>>,
    disable_reasons: Vec<Option<&'a str>>,
    breakers: Vec<Option<&'static str>>,
    failing_for_ms: Vec<Option<i64>>,
    probe_in_ms: Vec<Option<i64>>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a [Attempt]) -> Self {
        let mut columns = Self::default();
        for attempt in batch.iter().filter(|attempt| !attempt.is_void) {
            columns.delivery_ids.push(attempt.delivery_id);
            columns.subscription_ids.push(attempt.subscription_id);
            columns.attempts.push(attempt.attempt);
            columns.statuses.push(attempt.status);
            columns
                .http_statuses
                .push(attempt.http_status.map(i32::from));
            columns
                .response_headers
                .push(attempt.response_headers.as_deref());
            columns
                .response_bodies
                .push(attempt.response_body.as_deref());
            columns.errors.push(attempt.error.as_deref());
            let at = attempt
                .attempted_at
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            columns
                .attempted_at_us
                .push(i64::try_from(at.as_micros()).unwrap_or(i64::MAX));
            columns
                .durations_us
                .push(i64::try_from(attempt.duration.as_micros()).unwrap_or(i64::MAX));
            columns.payload_sizes.push(
                attempt
                    .payload_size
                    .map(|size| i32::try_from(size).unwrap_or(i32::MAX)),
            );
            columns
                .payload_hashes
                .push(attempt.payload_sha256.as_ref().map(|hash| &hash[..]));
            columns
                .retry_after_ms
                .push(attempt.retry_after.map(milliseconds));
            columns
                .disable_reasons
                .push(attempt.disable_reason.as_deref());
            let (breaker, failing_for, probe_in) = match attempt.breaker {
                None => (None, None, None),
                Some(BreakerChange::Closed { .. }) => (Some("closed"), None, None),
                Some(BreakerChange::Failing { failing_for }) => {
                    (Some("failing"), Some(failing_for), None)
                }
                Some(BreakerChange::Open {
                    failing_for,
                    probe_in,
                    ..
                }) => (Some("open"), Some(failing_for), Some(probe_in)),
            };
            columns.breakers.push(breaker);
            columns.failing_for_ms.push(failing_for.map(milliseconds));
            columns.probe_in_ms.push(probe_in.map(milliseconds));
        }
        columns
    }

    fn parameters(&self) -> [&(dyn tokio_postgres::types::ToSql + Sync); 17] {
        [
            &self.delivery_ids,
            &self.subscription_ids,
            &self.attempts,
            &self.statuses,
            &self.http_statuses,
            &self.response_headers,
            &self.response_bodies,
            &self.errors,
            &self.attempted_at_us,
            &self.durations_us,
            &self.payload_sizes,
            &self.payload_hashes,
            &self.retry_after_ms,
            &self.disable_reasons,
            &self.breakers,
            &self.failing_for_ms,
            &self.probe_in_ms,
        ]
    }
}
