//! `record_verifications()`: what receivers said when they were asked whether they want deliveries.

use super::connect::Database;
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
    let column = |of: fn(&Answer) -> &str| answers.iter().map(of).collect::<Vec<_>>();
    let ids: Vec<Uuid> = answers.iter().map(|a| a.subscription.id).collect();
    let (urls, origins) = (column(|a| &a.url), column(|a| &a.origin));
    let states = column(|answer| match answer.permission {
        Ok(Permission::Given(_)) => "verified",
        Ok(Permission::Refused(_)) => "refused",
        Err(_) => "pending",
    });
    let rates: Vec<Option<i32>> = answers
        .iter()
        .map(|answer| match answer.permission {
            Ok(Permission::Given(Some(rate))) => i32::try_from(rate).ok(),
            _ => None,
        })
        .collect();
    let errors: Vec<Option<&str>> = answers
        .iter()
        .map(|answer| match &answer.permission {
            Ok(Permission::Given(_)) => None,
            Ok(Permission::Refused(reason)) | Err(reason) => Some(reason.as_str()),
        })
        .collect();
    let retry_after_ms: Vec<Option<i64>> = answers
        .iter()
        .map(|answer| i64::try_from(answer.retry_after?.as_millis()).ok())
        .collect();
    let locked = session
        .client
        .query(
            "select l.subscription_id from webhooks_private.record_verifications($1, $2, $3, $4, $5, $6, $7) l (subscription_id)",
            &[
                &ids,
                &urls,
                &origins,
                &states,
                &rates,
                &errors,
                &retry_after_ms,
            ],
        )
        .await?;
    Ok(locked
        .iter()
        .map(|row| row.get("subscription_id"))
        .collect())
}
