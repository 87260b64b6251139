//! Maintain: regular upkeep, in SQL, on a session of its own so that deliveries never wait for it.

use crate::database::{Database, explain};
use tokio::sync::mpsc::unbounded_channel;

/// Calls `webhooks.maintain()` once and logs what it did. A failure is logged; the next call tries again.
pub async fn run(database: Database) {
    match call(&database).await {
        Ok(done) => {
            for (task, done) in done.into_iter().filter(|(_, done)| *done > 0) {
                tracing::info!(task, done, "maintained");
            }
        }
        Err(error) => tracing::warn!("maintenance failed: {}", explain(&error)),
    }
}

async fn call(database: &Database) -> Result<Vec<(String, i64)>, tokio_postgres::Error> {
    let (sender, _) = unbounded_channel();
    let client = database
        .connect(
            "webhooks-sidecar maintain",
            &[
                ("statement_timeout", "10min".to_owned()),
                ("lock_timeout", "5s".to_owned()),
                ("idle_in_transaction_session_timeout", "1min".to_owned()),
            ],
            sender,
        )
        .await?;
    let rows = client
        .query("select task, done from webhooks.maintain()", &[])
        .await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), row.get::<_, Option<i64>>(1).unwrap_or(0)))
        .collect())
}
