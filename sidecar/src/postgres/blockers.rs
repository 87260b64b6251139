//! `blockers()`: who keeps this sidecar waiting, for the log. What they are doing is theirs: no query texts.

use super::trouble::describe;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

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
                    extract(epoch from pg_catalog.clock_timestamp() - since)::bigint as transaction_seconds
             from webhooks.blockers($1, $2) limit 8",
            &[&deliveries, &subscriptions],
        )
        .await?;
    let blocker = |row: &tokio_postgres::Row| Blocker {
        pid: row.get("pid"),
        role: row.get("role"),
        application_name: row.get("application_name"),
        prepared_transaction: row.get("prepared_transaction"),
        relation: row.get("relation"),
        mode: row.get("mode"),
        transaction_seconds: row.get("transaction_seconds"),
    };
    Ok(rows.iter().map(blocker).collect())
}

/// Warns. `waits`: what waits, and how.
pub fn warn(waits: &str, blockers: &Result<Vec<Blocker>, Error>) {
    match blockers {
        Ok(blockers) if blockers.is_empty() => {
            tracing::warn!("{waits}: the blocking transaction was not found; it may have ended");
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
                    "{waits}: this transaction blocks it; end the transaction, or its session with pg_terminate_backend(pid)"
                );
            }
        }
        Err(error) => tracing::warn!(
            "{waits}: the blocking transaction can't be found: {}",
            describe(error)
        ),
    }
}
