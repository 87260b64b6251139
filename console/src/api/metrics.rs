//! Numbers of a tenant: deliveries, events, latencies, endpoints, and what it may have at the most.

use crate::database::{Credentials, Database, Mode};
use crate::http::input::Parameters;
use crate::http::output;
use crate::http::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use tokio_postgres::types::ToSql;

const SCOPE: &str = "metrics:read";

/// How far to look back.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Days {
    days: Option<i32>,
}

/// How many deliveries there were, how many of them succeeded, and how long receivers took.
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    since: Option<String>,
    bucket: Option<String>,
}

/// How many events were published.
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
pub async fn endpoints(
    State(database): State<Database>,
    who: Credentials,
) -> Result<Response<Body>, Problem> {
    let statement = "select coalesce(json_agg(to_json(h) order by h.name, h.subscription_id), '[]')::text as item
        from webhooks.endpoint_health($1) h";
    answer(&database, &who, statement, &[]).await
}

/// The limits of the tenant, and how much of each is used.
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
