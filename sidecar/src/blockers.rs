//! Blockers: who keeps this sidecar waiting, for the log. What they are doing is theirs: no query texts.

use crate::database::explain;
use std::time::{Duration, Instant};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// Pause between warnings of the same session.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);
/// What is locked for less is nobody's business.
pub const WORTH_WARNING: Duration = Duration::from_secs(1);

/// Somebody's transaction.
pub struct Blocker {
    /// `None`: a prepared transaction.
    pid: Option<i32>,
    role: Option<String>,
    application_name: Option<String>,
    prepared_transaction: Option<String>,
    transaction_seconds: Option<i64>,
    relation: Option<String>,
    mode: Option<String>,
}

/// Whether a statement failed only because of what others do at the time: it is to be tried again, on the same session.
pub fn is_passing(error: &Error) -> bool {
    [
        SqlState::LOCK_NOT_AVAILABLE,
        SqlState::QUERY_CANCELED,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::T_R_SERIALIZATION_FAILURE,
    ]
    .iter()
    .any(|state| error.code() == Some(state))
}

/// Who is in the way, also of these deliveries and subscriptions.
///
/// # Errors
/// Those of the query.
pub async fn find(
    client: &Client,
    deliveries: &[Uuid],
    subscriptions: &[Uuid],
) -> Result<Vec<Blocker>, Error> {
    let rows = client
        .query(
            "select pid, role::text, application_name, prepared_transaction, relation, mode,
                    extract(epoch from pg_catalog.clock_timestamp() - since)::bigint
             from webhooks.blockers($1, $2) limit 8",
            &[&deliveries, &subscriptions],
        )
        .await?;
    let blocker = |row: &tokio_postgres::Row| Blocker {
        pid: row.get(0),
        role: row.get(1),
        application_name: row.get(2),
        prepared_transaction: row.get(3),
        relation: row.get(4),
        mode: row.get(5),
        transaction_seconds: row.get(6),
    };
    Ok(rows.iter().map(blocker).collect())
}

/// When to warn: when waiting begins, and now and then while it lasts.
#[derive(Default)]
pub struct Warnings {
    last: Option<Instant>,
}

impl Warnings {
    /// Whether to warn now; if so, not again for a while.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now >= last + WARNING_INTERVAL);
        if due {
            self.last = Some(now);
        }
        due
    }
}

/// Warns. `waits`: what waits, and how.
pub fn warn(waits: &str, blockers: &Result<Vec<Blocker>, Error>) {
    match blockers {
        Ok(blockers) if blockers.is_empty() => {
            tracing::warn!("{waits}: who is in the way could not be seen, it may be over");
        }
        Ok(blockers) => {
            for blocker in blockers {
                tracing::warn!(
                    pid = blocker.pid,
                    role = blocker.role,
                    application_name = blocker.application_name,
                    prepared_transaction = blocker.prepared_transaction,
                    transaction_seconds = blocker.transaction_seconds,
                    relation = blocker.relation,
                    lock = blocker.mode,
                    "{waits}: this transaction is in the way; end it, or its session with pg_terminate_backend(pid)"
                );
            }
        }
        Err(error) => tracing::warn!(
            "{waits}: who is in the way can't be seen: {}",
            explain(error)
        ),
    }
}
