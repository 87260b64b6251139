//! `evaluate_alerts()`: the rules of alerts.

use super::kept_session::KeptSession;
use super::trouble::SessionError;
use tokio_postgres::error::SqlState;

/// Evaluates the rules, unless another session does.
///
/// # Errors
/// Those of the connection and of the statement.
pub async fn evaluate_alerts(session: &KeptSession) -> Result<(), SessionError> {
    let evaluated = session
        .query("select webhooks_private.evaluate_alerts()")
        .await;
    match evaluated {
        // The extension 0.2 has no alerts.
        Err(SessionError::Statement(error))
            if error.code() == Some(&SqlState::UNDEFINED_FUNCTION) =>
        {
            Ok(())
        }
        evaluated => evaluated.map(drop),
    }
}
