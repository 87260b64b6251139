//! Deliveries made again, many at once: what failed, and events that are replayed.

use crate::database::{Credentials, Database, Mode};
use crate::http::input::{Ids, JsonText};
use crate::http::output;
use crate::http::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use uuid::Uuid;

const SCOPE: &str = "webhook_subscriptions:retry";

/// The parameters of `retry_failed()`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RetryFailed {
    since: Option<String>,
    until: Option<String>,
    max_deliveries: Option<i32>,
    #[serde(default)]
    dry_run: bool,
}

/// Makes the failed and expired deliveries of a subscription again that ended in a period, or counts them.
pub async fn retry_failed(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let wanted: RetryFailed = body.parsed()?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, SCOPE, Mode::Write).await?;
    let row = request
        .row(
            "select json_build_object('deliveries', webhooks.retry_failed(
                 $1, coalesce($2::text::timestamptz, '-infinity'), coalesce($3::text::timestamptz, 'infinity'),
                 coalesce($4, 10000), $5))::text as item",
            &[
                &id,
                &wanted.since,
                &wanted.until,
                &wanted.max_deliveries,
                &wanted.dry_run,
            ],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}

/// The parameters of `replay_events()`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Replay {
    since: String,
    until: String,
    event_types: Option<Vec<String>>,
    subscription_id: Option<Uuid>,
    max_events: Option<i32>,
    after: Option<Uuid>,
    #[serde(default)]
    dry_run: bool,
}

/// Delivers the events of a period again, or counts them.
pub async fn replay(
    State(database): State<Database>,
    who: Credentials,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let wanted: Replay = body.parsed()?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, SCOPE, Mode::Write).await?;
    let row = request
        .row(
            "select to_json(r)::text as item
             from webhooks.replay_events(
                 tenant_id => $1, since => $2::text::timestamptz, until => $3::text::timestamptz,
                 event_types => $4, subscription_id => $5, dry_run => $6, max_events => coalesce($7, 10000),
                 after => $8) r",
            &[
                &request.access.tenant_id,
                &wanted.since,
                &wanted.until,
                &wanted.event_types,
                &wanted.subscription_id,
                &wanted.dry_run,
                &wanted.max_events,
                &wanted.after,
            ],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}
