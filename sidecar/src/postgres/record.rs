//! `record_attempts()`: a batch of attempts becomes rows, column by column.
//!
//! `synchronous_commit` is off here: a crash may lose the last results, which means a second delivery, never a loss.

use super::connect::Database;
use super::timeline::Timeline;
use super::trouble::SessionError;
use crate::model::{Attempt, AttemptResult, BreakerChange};
use std::time::{Duration, UNIX_EPOCH};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;

/// The server cancels a statement after so long.
const STATEMENT_TIMEOUT: &str = "30s";
/// How long all results wait for somebody's lock, before those that need what is locked are left for later.
const LOCK_TIMEOUT: &str = "200ms";

const RECORD: &str = "select r.delivery_id from webhooks_private.record_attempts($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) r (delivery_id)";

/// A session that records.
pub struct RecordSession {
    pub client: Client,
    record: Statement,
    /// Host and port.
    pub server: String,
    timeline: Option<Timeline>,
}

impl RecordSession {
    /// # Errors
    /// Those of the connection and of the extension.
    pub async fn open(database: &Database) -> Result<Self, SessionError> {
        let settings = [
            ("synchronous_commit", "off".to_owned()),
            ("statement_timeout", STATEMENT_TIMEOUT.to_owned()),
            ("lock_timeout", LOCK_TIMEOUT.to_owned()),
            (
                "idle_in_transaction_session_timeout",
                STATEMENT_TIMEOUT.to_owned(),
            ),
        ];
        let session = database
            .connect("webhooks-sidecar record", &settings)
            .await?;
        let (client, server) = (session.client, session.server);
        let record = client.prepare(RECORD).await?;
        Ok(Self {
            client,
            record,
            server,
            timeline: session.timeline,
        })
    }

    /// Whether it is of use: it is open, and no standby has taken its server's place. Recorded at the old primary,
    /// results would leave the queue of the new one as it is, from which their deliveries would be made for ever.
    pub fn is_usable(&self, database: &Database) -> bool {
        !self.client.is_closed() && !database.has_left(self.timeline.as_ref())
    }

    /// Records a batch. Returns the deliveries whose attempts came too late to change anything.
    ///
    /// # Errors
    /// Those of the statement.
    pub async fn record(&self, batch: &[Attempt]) -> Result<Vec<Uuid>, Error> {
        let columns = Columns::of(batch);
        let parameters = columns.parameters();
        let late = self.client.query(&self.record, &parameters).await?;
        Ok(late.iter().map(|row| row.get("delivery_id")).collect())
    }
}

/// As `webhook_logs.status` has it.
fn status(result: AttemptResult) -> &'static str {
    match result {
        AttemptResult::Delivered => "delivered",
        AttemptResult::Retry { .. } => "retrying",
        AttemptResult::Failed => "failed",
        AttemptResult::Expired => "expired",
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An array a column.
#[derive(Default)]
struct Columns<'a> {
    delivery_ids: Vec<Uuid>,
    subscription_ids: Vec<Uuid>,
    attempts: Vec<i32>,
    statuses: Vec<&'static str>,
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
    resent_counts: Vec<i32>,
}

impl<'a> Columns<'a> {
    fn of(batch: &'a [Attempt]) -> Self {
        let mut columns = Self::default();
        for attempt in batch {
            columns.push(attempt);
        }
        columns
    }

    fn push(&mut self, attempt: &'a Attempt) {
        self.delivery_ids.push(attempt.delivery_id);
        self.subscription_ids.push(attempt.subscription_id);
        self.attempts.push(attempt.attempt);
        self.statuses.push(status(attempt.result));
        self.errors.push(attempt.error.as_deref());
        self.retry_after_ms
            .push(attempt.retry_after().map(milliseconds));
        self.disable_reasons.push(attempt.disable_reason.as_deref());
        let exchange = &attempt.exchange;
        let response = exchange.response.as_ref();
        self.http_statuses.push(response.map(|r| r.status.into()));
        self.response_headers
            .push(response.and_then(|r| r.headers.as_deref()));
        self.response_bodies
            .push(response.and_then(|r| r.body.as_deref()));
        let at = exchange.attempted_at.duration_since(UNIX_EPOCH);
        let at_us = at.unwrap_or_default().as_micros();
        self.attempted_at_us
            .push(i64::try_from(at_us).unwrap_or(i64::MAX));
        let duration_us = exchange.duration.as_micros();
        self.durations_us
            .push(i64::try_from(duration_us).unwrap_or(i64::MAX));
        let payload = exchange.payload.as_ref();
        self.payload_sizes
            .push(payload.map(|p| i32::try_from(p.size).unwrap_or(i32::MAX)));
        self.payload_hashes.push(payload.map(|p| &p.sha256[..]));
        self.resent_counts.push(exchange.resent_count.into());
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
            Some(BreakerChange::Throttled { wait }) => (Some("throttled"), None, Some(wait)),
        };
        self.breakers.push(breaker);
        self.failing_for_ms.push(failing_for.map(milliseconds));
        self.probe_in_ms.push(probe_in.map(milliseconds));
    }

    fn parameters(&self) -> [&(dyn ToSql + Sync); 18] {
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
            &self.resent_counts,
        ]
    }
}
