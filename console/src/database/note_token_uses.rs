//! Notes which tokens were used: now and then for all, not for each request.

use super::pool::Database;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const INTERVAL: Duration = Duration::from_secs(60);

/// Notes uses every minute, and a last time when `ended` is cancelled.
pub async fn note_token_uses(database: Database, ended: CancellationToken) {
    loop {
        let is_last = tokio::select! {
            () = ended.cancelled() => true,
            () = tokio::time::sleep(INTERVAL) => false,
        };
        let used = database.uses.take();
        if !used.is_empty()
            && let Err(error) = note(&database, &used).await
        {
            tracing::debug!("uses of tokens are not noted: {error:#}");
        }
        if is_last {
            return;
        }
    }
}

async fn note(database: &Database, used: &[Uuid]) -> anyhow::Result<()> {
    let mut connection = database.connection().await?;
    let transaction = connection.begin_without_role("").await?;
    let note = "select webhooks_private.note_token_uses($1)";
    let statement = transaction.prepare_cached(note).await?;
    transaction.query(&statement, &[&used]).await?;
    transaction.commit().await?;
    Ok(())
}
