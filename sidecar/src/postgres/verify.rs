//! `record_verifications()`: what receivers said when they were asked whether they want deliveries.

use super::composite::composite;
use super::database::Database;
use super::trouble::SessionError;
use crate::model::{Answer, Permission};
use std::collections::HashSet;
use uuid::Uuid;

/// How long to wait for who has locked a table.
const LOCK_TIMEOUT: &str = "5s";
/// The server cancels a statement after so long.
const STATEMENT_TIMEOUT: &str = "30s";

/// Records answers, on a session of its own. Returns the subscriptions that somebody has locked, whose answers are not
/// recorded.
///
/// # Errors
/// Those of the connection and of the statement.
pub async fn record(
    database: &Database,
    answers: &[Answer],
) -> Result<HashSet<Uuid>, SessionError> {
    let settings = [
        ("lock_timeout", LOCK_TIMEOUT.to_owned()),
        ("statement_timeout", STATEMENT_TIMEOUT.to_owned()),
        (
            "idle_in_transaction_session_timeout",
            STATEMENT_TIMEOUT.to_owned(),
        ),
    ];
    let session = database
        .connect("webhooks-sidecar verify", &settings)
        .await?;
    let rows: Vec<_> = answers.iter().map(AnswerRow::of).collect();
    let locked = session
        .client
        .query(
            "select l.subscription_id from webhooks_private.record_verifications($1) l (subscription_id)",
            &[&rows],
        )
        .await?;
    Ok(locked
        .iter()
        .map(|row| row.get("subscription_id"))
        .collect())
}

composite! {
    /// `webhooks_private.verification_answer`.
    struct AnswerRow<'a> {
        subscription_id: Uuid,
        webhook_url: &'a str,
        origin: &'a str,
        state: &'static str,
        allowed_rate_per_minute: Option<i32>,
        error: Option<&'a str>,
        retry_after_ms: Option<i64>,
    }
}

impl<'a> AnswerRow<'a> {
    fn of(answer: &'a Answer) -> Self {
        let (state, rate, error) = match &answer.permission {
            Ok(Permission::Given(rate)) => ("verified", *rate, None),
            Ok(Permission::Refused(reason)) => ("refused", None, Some(reason.as_str())),
            Err(reason) => ("pending", None, Some(reason.as_str())),
        };
        let retry_after = answer.retry_after.map(|after| after.as_millis());
        Self {
            subscription_id: answer.subscription.id,
            webhook_url: &answer.url,
            origin: &answer.origin,
            state,
            allowed_rate_per_minute: rate.and_then(|rate| i32::try_from(rate).ok()),
            error,
            retry_after_ms: retry_after.and_then(|ms| i64::try_from(ms).ok()),
        }
    }
}
