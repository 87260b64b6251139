//! Deliveries made again, many at once: what failed, and events that are replayed.

use super::schemas::delivery::{Replayed, RetriedMany};
use crate::database::{Credentials, Database, Mode};
use crate::http::input::{Ids, JsonText};
use crate::http::output;
use crate::http::problem::{AnyProblem, Problem};
use crate::scope::Scope;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

const SCOPE: Scope = Scope::Retry;

/// The parameters of `retry_failed()`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RetryFailed {
    /// When they ended: from this time on.
    since: Option<String>,
    /// When they ended: before this time.
    until: Option<String>,
    /// At the most; 10,000 unless it is given.
    max_deliveries: Option<i32>,
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
}

/// Makes the failed and expired deliveries of a subscription again that ended in a period, or counts them.
#[utoipa::path(
    post,
    path = "/api/webhook-subscriptions/{id}/retry-failed",
    tag = "Deliveries",
    operation_id = "retry_failed",
    params(("id" = Uuid, Path, description = "Id of the subscription")),
    request_body = Option<RetryFailed>,
    responses((status = 200, description = "How many there are", body = RetriedMany), AnyProblem)
)]
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
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Replay {
    /// When they were created: from this time on.
    since: String,
    /// When they were created: before this time.
    until: String,
    /// Of these types; of all unless they are given.
    event_types: Option<Vec<String>>,
    /// To this subscription; to all that match unless it is given.
    subscription_id: Option<Uuid>,
    /// At the most; 10,000 unless it is given.
    max_events: Option<i32>,
    /// Those after this one: resume_after of the call before.
    after: Option<Uuid>,
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
}

/// Delivers the events of a period again, or counts them.
#[utoipa::path(
    post,
    path = "/api/replay",
    tag = "Deliveries",
    operation_id = "replay_events",
    request_body = Replay,
    responses((status = 200, description = "How many there are", body = Replayed), AnyProblem)
)]
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
