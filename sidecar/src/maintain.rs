//! Maintain: regular upkeep, in SQL, on a session of its own so that deliveries never wait for it.

use crate::database::Database;
use crate::postgres::trouble::SessionError;

/// Partitions beside a large default partition are made step by step: so many calls at the most.
const MAX_CALLS: u32 = 40;

/// Calls `webhooks.maintain()` and logs what it did. A failure is logged; the next call tries again.
pub async fn run(database: Database) {
    if let Err(error) = maintain(&database).await {
        tracing::warn!("maintenance failed: {error}");
    }
}

async fn maintain(database: &Database) -> Result<(), SessionError> {
    let session = database
        .connect(
            "webhooks-sidecar maintain",
            &[
                ("statement_timeout", "10min".to_owned()),
                ("lock_timeout", "5s".to_owned()),
                ("idle_in_transaction_session_timeout", "1min".to_owned()),
            ],
        )
        .await?;
    for _ in 0..MAX_CALLS {
        let rows = session
            .client
            .query("select task, done from webhooks.maintain()", &[])
            .await?;
        let mut is_half_done = false;
        for row in rows {
            let (task, done): (&str, Option<i64>) = (row.get(0), row.get(1));
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
