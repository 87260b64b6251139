//! `maintain()`: regular upkeep, on a session of its own so that deliveries never wait for it.

use super::connect::Database;
use super::trouble::SessionError;

/// Partitions beside a large default partition are made step by step: so many calls at the most.
const MAX_CALLS: u32 = 40;

/// Calls `webhooks.maintain()` until there is nothing left to do, and logs what it did.
///
/// # Errors
/// Those of the connection and of the statement.
pub async fn maintain(database: &Database) -> Result<(), SessionError> {
    let settings = [
        ("statement_timeout", "10min".to_owned()),
        ("lock_timeout", "5s".to_owned()),
        ("idle_in_transaction_session_timeout", "1min".to_owned()),
    ];
    let session = database
        .connect("webhooks-sidecar maintain", &settings)
        .await?;
    for _ in 0..MAX_CALLS {
        let rows = session
            .client
            .query("select task, done from webhooks.maintain()", &[])
            .await?;
        let mut is_half_done = false;
        for row in rows {
            let (task, done): (&str, Option<i64>) = (row.get("task"), row.get("done"));
            if let Some(done) = done.filter(|done| *done > 0) {
                tracing::info!(task, done, "maintained");
                is_half_done |= ["prepare_partitions", "create_partitions"].contains(&task);
            }
        }
        if !is_half_done {
            break;
        }
    }
    Ok(())
}
