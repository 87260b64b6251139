//! `observe_queue()`: how long the queue is, on a session of its own so that deliveries never wait for it.

use super::database::Database;
use super::trouble::SessionError;
use crate::model::QueueState;
use std::time::Duration;

/// Looks at the queue of the database.
///
/// # Errors
/// Those of the connection and of the statement.
pub async fn observe(database: &Database) -> Result<QueueState, SessionError> {
    let settings = [("statement_timeout", "30s".to_owned())];
    let session = database
        .connect("webhooks-sidecar observe", &settings)
        .await?;
    let row = session
        .client
        .query_one("select * from webhooks_private.observe_queue()", &[])
        .await?;
    let seconds = |column: &str| {
        let seconds: Option<f64> = row.get(column);
        seconds.and_then(|s| Duration::try_from_secs_f64(s).ok())
    };
    Ok(QueueState {
        ready: row.get("ready"),
        scheduled: row.get("scheduled"),
        held: row.get("held"),
        oldest_due: seconds("oldest_due_seconds"),
        disabled: row.get("disabled_subscriptions"),
        oldest_transaction: seconds("oldest_transaction_seconds"),
        notification_queue: row.get("notification_queue_usage"),
    })
}
