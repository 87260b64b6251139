//! `observe_queue()`: how long the queue is.

use super::kept_session::KeptSession;
use super::trouble::SessionError;
use crate::model::QueueState;
use std::time::Duration;

/// Looks at the queue of the database.
///
/// # Errors
/// Those of the connection and of the statement.
pub async fn observe(session: &KeptSession) -> Result<Option<QueueState>, SessionError> {
    let rows = session
        .query("select * from webhooks_private.observe_queue()")
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let seconds = |column: &str| {
        let seconds: Option<f64> = row.get(column);
        seconds.and_then(|s| Duration::try_from_secs_f64(s).ok())
    };
    Ok(Some(QueueState {
        ready: row.get("ready"),
        scheduled: row.get("scheduled"),
        held: row.get("held"),
        oldest_due: seconds("oldest_due_seconds"),
        disabled: row.get("disabled_subscriptions"),
        oldest_transaction: seconds("oldest_transaction_seconds"),
        notification_queue: row.get("notification_queue_usage"),
    }))
}
