//! Numbers of a tenant: deliveries, events, latencies, endpoints, and what it may have at the most.

use super::schemas::tenant::{
    DeliveryLatency, DeliveryMetrics, EndpointHealth, EventVolume, Usage,
};
use crate::database::{Credentials, Database, Mode};
use crate::http::input::Parameters;
use crate::http::output;
use crate::http::problem::{AnyProblem, Problem};
use crate::scope::Scope;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use tokio_postgres::types::ToSql;
use utoipa::IntoParams;

const SCOPE: Scope = Scope::ReadMetrics;

/// How far to look back.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Days {
    /// How many days to look back: 7 unless it is given.
    #[param(minimum = 1, maximum = 3650)]
    days: Option<i32>,
}

/// How many deliveries there were, how many of them succeeded, and how long receivers took.
#[utoipa::path(
    get,
    path = "/api/metrics/deliveries",
    tag = "Numbers",
    operation_id = "get_delivery_metrics",
    params(Days),
    responses((status = 200, description = "The numbers", body = DeliveryMetrics), AnyProblem)
)]
pub async fn deliveries(
    State(database): State<Database>,
    who: Credentials,
    Parameters(Days { days }): Parameters<Days>,
) -> Result<Response<Body>, Problem> {
    let statement =
        "select to_json(m)::text as item from webhooks.delivery_metrics($1, coalesce($2, 7)) m";
    answer(&database, &who, statement, &[&days]).await
}

/// From when on, and in which steps.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// The time to look back to.
    since: Option<String>,
    /// Length of a bucket in whole hours, days or weeks, such as `1 day`.
    bucket: Option<String>,
}

/// How many events were published.
#[utoipa::path(
    get,
    path = "/api/metrics/events",
    tag = "Numbers",
    operation_id = "get_event_volume",
    params(Steps),
    responses((status = 200, description = "A row for each type and bucket", body = Vec<EventVolume>), AnyProblem)
)]
pub async fn events(
    State(database): State<Database>,
    who: Credentials,
    Parameters(Steps { since, bucket }): Parameters<Steps>,
) -> Result<Response<Body>, Problem> {
    let statement = "select coalesce(json_agg(to_json(v)), '[]')::text as item
        from webhooks.event_volume($1, since => coalesce($2::text::timestamptz, now() - interval '7 days'),
                                   bucket => coalesce($3::text::interval, '1 day')) v";
    answer(&database, &who, statement, &[&since, &bucket]).await
}

/// How long deliveries took.
#[utoipa::path(
    get,
    path = "/api/metrics/latency",
    tag = "Numbers",
    operation_id = "get_delivery_latency",
    params(Steps),
    responses((status = 200, description = "A row for each bucket", body = Vec<DeliveryLatency>), AnyProblem)
)]
pub async fn latency(
    State(database): State<Database>,
    who: Credentials,
    Parameters(Steps { since, bucket }): Parameters<Steps>,
) -> Result<Response<Body>, Problem> {
    let statement = "select coalesce(json_agg(to_json(l)), '[]')::text as item
        from webhooks.delivery_latency($1, since => coalesce($2::text::timestamptz, now() - interval '1 day'),
                                       bucket => coalesce($3::text::interval, '1 hour')) l";
    answer(&database, &who, statement, &[&since, &bucket]).await
}

/// How the receivers of all subscriptions do.
#[utoipa::path(
    get,
    path = "/api/metrics/endpoints",
    tag = "Numbers",
    operation_id = "get_endpoint_health",
    responses((status = 200, description = "A row for each subscription", body = Vec<EndpointHealth>), AnyProblem)
)]
pub async fn endpoints(
    State(database): State<Database>,
    who: Credentials,
) -> Result<Response<Body>, Problem> {
    let statement = "select coalesce(json_agg(to_json(h) order by h.name, h.subscription_id), '[]')::text as item
        from webhooks.endpoint_health($1) h";
    answer(&database, &who, statement, &[]).await
}

/// The limits of the tenant, and how much of each is used.
#[utoipa::path(
    get,
    path = "/api/usage",
    tag = "Numbers",
    operation_id = "get_usage",
    responses((status = 200, description = "A row for each limit", body = Vec<Usage>), AnyProblem)
)]
pub async fn usage(
    State(database): State<Database>,
    who: Credentials,
) -> Result<Response<Body>, Problem> {
    let statement = "select json_agg(to_json(u))::text as item from webhooks.tenant_usage($1) u";
    answer(&database, &who, statement, &[]).await
}

/// The answer of a statement whose first parameter is the tenant.
async fn answer(
    database: &Database,
    who: &Credentials,
    statement: &str,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(who, SCOPE, Mode::Read).await?;
    let tenant: &(dyn ToSql + Sync) = &request.access.tenant_id;
    let all: Vec<_> = std::iter::once(tenant)
        .chain(parameters.iter().copied())
        .collect();
    let row = request.row(statement, &all).await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}
