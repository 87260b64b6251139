//! The receiver of a subscription: how it does, and the secret that it verifies signatures with.

use super::schemas::subscription::{Health, NewSecret};
use super::subscriptions::{READ, UPDATE};
use crate::database::{Credentials, Database, Mode};
use crate::http::input::Ids;
use crate::http::output;
use crate::http::problem::{AnyProblem, Problem};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderValue, Response, StatusCode};
use uuid::Uuid;

/// Reads the state of a receiver: its circuit breaker, pauses, verification and last error.
#[utoipa::path(
    get,
    path = "/api/webhook-subscriptions/{id}/health",
    tag = "Subscriptions",
    operation_id = "get_subscription_health",
    params(("id" = Uuid, Path, description = "Id of the subscription")),
    responses((status = 200, description = "Its state", body = Health), AnyProblem)
)]
pub async fn health(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    // An error if there is none.
    request
        .row("select id from webhooks.get_subscription($1)", &[&id])
        .await?;
    let row = request
        .row(
            "select to_json(h)::text as item from webhooks.subscription_health h where h.subscription_id = $1",
            &[&id],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}

/// Gives a subscription a new signing secret, which this answer alone has.
#[utoipa::path(
    post,
    path = "/api/webhook-subscriptions/{id}/secret",
    tag = "Subscriptions",
    operation_id = "renew_secret",
    params(("id" = Uuid, Path, description = "Id of the subscription")),
    responses((status = 200, description = "The secret", body = NewSecret), AnyProblem)
)]
pub async fn renew_secret(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, UPDATE, Mode::Write).await?;
    let row = request
        .row(
            "select json_build_object('secret', webhooks.renew_secret($1))::text as item",
            &[&id],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    let mut response = output::json(StatusCode::OK, item);
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(CACHE_CONTROL, no_store);
    Ok(response)
}
