//! `evaluate_alerts()`: the rules of alerts, on a session of its own so that deliveries never wait for it.

use super::database::Database;
use super::trouble::SessionError;
use tokio_postgres::error::SqlState;

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
    match session.client.query(evaluate, &[]).await {
        // The extension 0.2 has no alerts.
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_FUNCTION) => Ok(()),
        evaluated => Ok(evaluated.map(drop)?),
    }
}
