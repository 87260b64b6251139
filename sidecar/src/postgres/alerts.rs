//! `evaluate_alerts()`: the rules of alerts, on a session of its own so that deliveries never wait for it.

use super::connect::Database;
use super::trouble::SessionError;

/// Evaluates the rules, unless another session does.
///
/// # Errors
/// Those of the connection and of the statement.
pub async fn evaluate_alerts(database: &Database) -> Result<(), SessionError> {
    let settings = [
        ("statement_timeout", "1min".to_owned()),
        ("lock_timeout", "5s".to_owned()),
    ];
    let session = database
        .connect("webhooks-sidecar alerts", &settings)
        .await?;
    let evaluate = "select webhooks_private.evaluate_alerts()";
    session.client.query(evaluate, &[]).await?;
    Ok(())
}
