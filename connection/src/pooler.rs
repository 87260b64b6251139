//! Poolers. One that gives each transaction another server session takes away what these programs live by: settings,
//! prepared statements, locks and LISTEN. One that keeps a session for its client is as good as none.

use crate::startup::first_row;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_postgres::{Client, Error, Notification};

/// How long to wait for what comes at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where others use the same pool, they may take the session that would have told.
const ROUNDS: u32 = 3;

/// How it is known that sessions are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Evidence {
    #[error("the server session is another one from transaction to transaction")]
    Changes,
    #[error("two connections have the same server session")]
    Shared,
    #[error("a second connection with an open transaction keeps this one waiting")]
    Waits,
    #[error("no transaction can be begun")]
    NoTransactions,
    #[error("a notification to this session does not arrive")]
    NoNotifications,
}

/// Looks whether a session is shared with another connection.
///
/// # Errors
/// Those of the session. Whatever happens to the other one proves nothing.
pub(super) async fn shared(client: &Client, other: &Client) -> Result<Option<Evidence>, Error> {
    for _ in 0..ROUNDS {
        let Some(before) = pid(client).await? else {
            return Ok(None);
        };
        match tokio::time::timeout(PATIENCE, begin(other)).await {
            Ok(Ok(Some(pid))) if pid == before => return Ok(Some(Evidence::Shared)),
            Ok(Ok(_)) => {}
            Ok(Err(error)) if refuses_transactions(&error) => {
                return Ok(Some(Evidence::NoTransactions));
            }
            // The pool may have no second one to give.
            Ok(Err(_)) | Err(_) => return Ok(None),
        }
        let mut asking = std::pin::pin!(pid(client));
        let after = match tokio::time::timeout(PATIENCE, asking.as_mut()).await {
            Ok(after) => after?,
            Err(_) => {
                // The server may be slow with everybody.
                let is_freed =
                    ends(other).await && tokio::time::timeout(PATIENCE, asking).await.is_ok();
                return Ok(is_freed.then_some(Evidence::Waits));
            }
        };
        if after.as_ref() != Some(&before) {
            return Ok(Some(Evidence::Changes));
        }
        if !ends(other).await {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Looks whether what the other connection notifies arrives.
///
/// # Errors
/// Those of the session.
pub(super) async fn deaf(
    client: &Client,
    other: &Client,
    notifications: &mut UnboundedReceiver<Notification>,
) -> Result<Option<Evidence>, Error> {
    client.batch_execute("listen webhooks_session").await?;
    let sent = tokio::time::timeout(PATIENCE, other.batch_execute("notify webhooks_session"));
    if !matches!(sent.await, Ok(Ok(()))) {
        return Ok(None);
    }
    let arrives = tokio::time::timeout(PATIENCE, notifications.recv()).await;
    client.batch_execute("unlisten webhooks_session").await?;
    Ok(match arrives {
        Ok(_) => None,
        Err(_) => Some(Evidence::NoNotifications),
    })
}

async fn pid(client: &Client) -> Result<Option<String>, Error> {
    let row = first_row(client, "select pg_catalog.pg_backend_pid() as pid").await?;
    Ok(row.and_then(|row| row.get("pid").map(str::to_owned)))
}

async fn begin(client: &Client) -> Result<Option<String>, Error> {
    client.batch_execute("begin").await?;
    pid(client).await
}

/// Ends a transaction. Returns: whether that was answered.
async fn ends(client: &Client) -> bool {
    let ended = tokio::time::timeout(PATIENCE, client.batch_execute("rollback"));
    matches!(ended.await, Ok(Ok(())))
}

/// A pooler with a session for each statement refuses transactions, in PgBouncer's words: the code is for other
/// troubles, too.
fn refuses_transactions(error: &Error) -> bool {
    let refuses = |message: &str| message.contains("statement pooling");
    error
        .as_db_error()
        .is_some_and(|server| refuses(server.message()))
}
