//! Deliveries of a subscription, and their attempts.

use super::schemas::delivery::{Delivery, DeliveryWithAttempts, Retried};
use super::subscriptions::READ;
use crate::database::{Credentials, Database, Mode, Request};
use crate::http::input::{Ids, Parameters};
use crate::http::problem::{AnyProblem, Problem};
use crate::http::{cursor, output, paging};
use crate::scope::Scope;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// Which deliveries to list.
#[derive(Deserialize, IntoParams, Serialize)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// One or more, separated by commas.
    status: Option<String>,
    /// The time from which on they were made.
    since: Option<String>,
    /// How many on a page: 50 unless it is given, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the page begins: as the header Link of the page before has it.
    cursor: Option<String>,
}

/// Lists deliveries of a subscription, the newest first.
#[utoipa::path(
    get,
    path = "/api/webhook-subscriptions/{id}/deliveries",
    tag = "Deliveries",
    operation_id = "list_deliveries",
    params(("id" = Uuid, Path, description = "Id of the subscription"), Filter),
    responses((status = 200, description = "A page of deliveries", body = Vec<Delivery>), AnyProblem)
)]
pub async fn list(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
    Parameters(filter): Parameters<Filter>,
) -> Result<Response<Body>, Problem> {
    let limit = paging::size(filter.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let after: Option<(Uuid, String)> = cursor::decode(filter.cursor.as_deref())?;
    // The next page has the same period.
    let (after_id, since) = match after {
        Some((id, since)) => (Some(id), Some(since)),
        None => (None, filter.since.clone()),
    };
    let statuses: Option<Vec<&str>> = filter.status.as_deref().map(|s| s.split(',').collect());
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    let rows = request
        .rows(
            "select to_json(d)::text as item, d.id, s.since::text
             from (select coalesce($3::text::timestamptz, now() - interval '7 days') as since) s
             cross join lateral webhooks.subscription_deliveries(
                 $1, $2::text[], s.since, ($4::bigint)::integer, $5) d",
            // One more tells whether there is a next page.
            &[&id, &statuses, &since, &(limit + 1), &after_id],
        )
        .await?;
    request.commit().await?;
    let path = format!("/api/webhook-subscriptions/{id}/deliveries");
    paging::answer(&rows, limit, &path, |last| {
        let order: (Uuid, String) = (last.try_get("id")?, last.try_get("since")?);
        Ok(Filter {
            limit: Some(limit),
            cursor: Some(cursor::encode(&order)),
            ..filter
        })
    })
}

/// Reads a delivery with all of its attempts.
#[utoipa::path(
    get,
    path = "/api/webhook-subscriptions/{id}/deliveries/{delivery_id}",
    tag = "Deliveries",
    operation_id = "get_delivery",
    params(("id" = Uuid, Path, description = "Id of the subscription"), ("delivery_id" = Uuid, Path, description = "Id of the delivery")),
    responses((status = 200, description = "The delivery", body = DeliveryWithAttempts), AnyProblem)
)]
pub async fn get(
    State(database): State<Database>,
    who: Credentials,
    Ids((id, delivery_id)): Ids<(Uuid, Uuid)>,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    check_subscription(&request, id, delivery_id).await?;
    let row = request
        .row(
            "select (to_jsonb(d) || jsonb_build_object('attempts', coalesce(
                 (select jsonb_agg(to_jsonb(a) order by a.delivery_attempt)
                  from webhooks.delivery_attempts a where a.delivery_id = $1), '[]')))::text as item
             from webhooks.webhook_delivery_logs d where d.id = $1 limit 1",
            &[&delivery_id],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}

/// Queues a finished delivery again, or has one that waits attempted at once.
#[utoipa::path(
    post,
    path = "/api/webhook-subscriptions/{id}/deliveries/{delivery_id}/retry",
    tag = "Deliveries",
    operation_id = "retry_delivery",
    params(("id" = Uuid, Path, description = "Id of the subscription"), ("delivery_id" = Uuid, Path, description = "Id of the delivery")),
    responses((status = 202, description = "It is queued", body = Retried), AnyProblem)
)]
pub async fn retry(
    State(database): State<Database>,
    who: Credentials,
    Ids((id, delivery_id)): Ids<(Uuid, Uuid)>,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, Scope::Retry, Mode::Write).await?;
    check_subscription(&request, id, delivery_id).await?;
    let row = request
        .row(
            "select json_build_object('message', 'Webhook delivery retry queued',
                                      'delivery_id', webhooks.retry_delivery($1))::text as item",
            &[&delivery_id],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::ACCEPTED, item))
}

/// # Errors
/// There is no such delivery of this subscription.
async fn check_subscription(
    request: &Request<'_>,
    id: Uuid,
    delivery_id: Uuid,
) -> Result<(), Problem> {
    let found = request
        .rows(
            "select from webhooks.webhook_delivery_logs d where d.id = $1 and d.subscription_id = $2",
            &[&delivery_id, &id],
        )
        .await?;
    if found.is_empty() {
        let raise = "select webhooks_private.raise_unknown_delivery($1)";
        request.row(raise, &[&delivery_id]).await?;
    }
    Ok(())
}
