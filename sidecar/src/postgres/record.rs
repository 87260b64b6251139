//! `record_attempts()`: a batch of attempts becomes an array of `attempt_result`.
//!
//! `synchronous_commit` is off here: a crash may lose the last results, which means a second delivery, never a loss.

use super::composite::composite;
use super::database::Database;
use super::trouble::SessionError;
use crate::model::{Attempt, AttemptResult, BreakerChange};
use std::time::{Duration, UNIX_EPOCH};
use tokio_postgres::{Client, Error, Statement};
use uuid::Uuid;
use webhooks_connection::timeline::Timeline;

/// The server cancels a statement after so long.
const STATEMENT_TIMEOUT: &str = "30s";
/// How long all results wait for somebody's lock, before those that need what is locked are left for later.
const LOCK_TIMEOUT: &str = "200ms";

const RECORD: &str =
    "select r.delivery_id from webhooks_private.record_attempts($1) r (delivery_id)";

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
        let rows: Vec<_> = batch.iter().map(ResultRow::of).collect();
        let late = self.client.query(&self.record, &[&rows]).await?;
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

fn microseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

composite! {
    /// `webhooks_private.attempt_result`.
    pub(super) struct ResultRow<'a> {
        delivery_id: Uuid,
        subscription_id: Uuid,
        attempt: i32,
        status: &'static str,
        http_status_code: Option<i32>,
        response_headers: Option<&'a str>,
        response_body: Option<&'a str>,
        error_message: Option<&'a str>,
        attempted_at_us: i64,
        duration_us: i64,
        resent_count: i32,
        payload_size: Option<i32>,
        payload_hash: Option<&'a [u8]>,
        retry_after_ms: Option<i64>,
        disable_reason: Option<&'a str>,
        breaker: Option<&'static str>,
        failing_for_ms: Option<i64>,
        probe_in_ms: Option<i64>,
    }
}

impl<'a> ResultRow<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        let exchange = &attempt.exchange;
        let response = exchange.response.as_ref();
        let payload = exchange.payload.as_ref();
        let at = exchange.attempted_at.duration_since(UNIX_EPOCH);
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
        Self {
            delivery_id: attempt.delivery_id,
            subscription_id: attempt.subscription_id,
            attempt: attempt.attempt,
            status: status(attempt.result),
            http_status_code: response.map(|r| r.status.into()),
            response_headers: response.and_then(|r| r.headers.as_deref()),
            response_body: response.and_then(|r| r.body.as_deref()),
            error_message: attempt.error.as_deref(),
            attempted_at_us: microseconds(at.unwrap_or_default()),
            duration_us: microseconds(exchange.duration),
            resent_count: exchange.resent_count.into(),
            payload_size: payload.map(|p| i32::try_from(p.size).unwrap_or(i32::MAX)),
            payload_hash: payload.map(|p| &p.sha256[..]),
            retry_after_ms: attempt.retry_after().map(milliseconds),
            disable_reason: attempt.disable_reason.as_deref(),
            breaker,
            failing_for_ms: failing_for.map(milliseconds),
            probe_in_ms: probe_in.map(milliseconds),
        }
    }

    /// Without texts that the server may refuse, and that say nothing of what the result changes.
    pub(super) fn without_response(attempt: &'a Attempt) -> Self {
        Self {
            response_headers: None,
            response_body: None,
            error_message: None,
            ..Self::of(attempt)
        }
    }
}
