//! The parameters of `record_attempts`: a batch, column by column.

use crate::deliver::Attempt;
use crate::model::BreakerChange;
use std::time::{Duration, UNIX_EPOCH};
use uuid::Uuid;

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// An array a column.
#[derive(Default)]
pub(super) struct Columns<'a> {
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
    resent_counts: Vec<i32>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(batch: &'a [Attempt]) -> Self {
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
                Some(BreakerChange::Throttled { wait }) => (Some("throttled"), None, Some(wait)),
            };
            columns.breakers.push(breaker);
            columns.failing_for_ms.push(failing_for.map(milliseconds));
            columns.probe_in_ms.push(probe_in.map(milliseconds));
            columns.resent_counts.push(i32::from(attempt.resent_count));
        }
        columns
    }

    pub(super) fn parameters(&self) -> [&(dyn tokio_postgres::types::ToSql + Sync); 18] {
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
