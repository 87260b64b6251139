//! Deliveries for receivers that can't be reached, which fetch them.

use super::schemas::poll::Polled;
use crate::database::{Credentials, Database, Mode};
use crate::http::input::{Ids, Parameters};
use crate::http::output;
use crate::http::problem::{AnyProblem, Problem};
use crate::http::wait::Waiting;
use crate::scope::Scope;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use std::time::Duration;
use utoipa::IntoParams;
use uuid::Uuid;

const SCOPE: Scope = Scope::PollDeliveries;
const MAX_WAIT: u64 = 20;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// The cursor of the last answer: its deliveries are acknowledged. Without it the same ones come again.
    cursor: Option<String>,
    /// How many deliveries at most: 100 unless it is given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i32>,
    /// How long to wait for deliveries if there are none, in seconds: 0 unless it is given.
    #[param(minimum = 0, maximum = 20)]
    wait: Option<u64>,
}

/// Acknowledges the deliveries of a cursor, and answers with the next ones. No connection is held while it waits.
#[utoipa::path(
    get,
    path = "/api/webhook-subscriptions/{id}/poll",
    tag = "Subscriptions",
    operation_id = "poll_deliveries",
    params(("id" = Uuid, Path, description = "Id of the subscription"), Poll),
    responses((status = 200, description = "Deliveries, perhaps none", body = Polled), AnyProblem)
)]
pub async fn poll(
    State(database): State<Database>,
    Extension(waiting): Extension<Waiting>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
    Parameters(poll): Parameters<Poll>,
) -> Result<Response<Body>, Problem> {
    let wait = poll.wait.unwrap_or(0);
    if wait > MAX_WAIT {
        return Err(Problem::bad_request(format!("wait is {wait}"))
            .hint(format!("Give 0 to {MAX_WAIT} seconds."))
            .field("wait"));
    }
    let limit = poll.limit.unwrap_or(100);
    let place = waiting.begin(&who.proof, Duration::from_secs(wait))?;
    let acknowledged = match poll.cursor {
        Some(cursor) => acknowledge(&database, &who, id, &cursor).await?,
        None => 0,
    };
    let answer = place
        .until_final(|| look(&database, &who, id, limit, acknowledged))
        .await?;
    Ok(output::json(StatusCode::OK, answer))
}

async fn acknowledge(
    database: &Database,
    who: &Credentials,
    id: Uuid,
    cursor: &str,
) -> Result<i64, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(who, SCOPE, Mode::Write).await?;
    let row = request
        .row(
            "select webhooks.acknowledge_deliveries($1, $2) as acknowledged",
            &[&id, &cursor],
        )
        .await?;
    request.commit().await?;
    Ok(row.try_get("acknowledged")?)
}

/// Whether there are deliveries, and the answer with them.
async fn look(
    database: &Database,
    who: &Credentials,
    id: Uuid,
    limit: i32,
    acknowledged: i64,
) -> Result<(bool, String), Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(who, SCOPE, Mode::Write).await?;
    let row = request
        .row(
            "select count(*) > 0 as are_there, json_build_object(
                 'cursor', min(p.next_cursor), 'acknowledged', $3::bigint,
                 'deliveries', coalesce(json_agg(json_build_object(
                     'delivery_id', p.delivery_id, 'event_id', p.event_id, 'event_type', p.event_type,
                     'attempt', p.attempt, 'headers', p.headers, 'body', p.body)), '[]'))::text as answer
             from webhooks.poll_deliveries($1, null, $2) p",
            &[&id, &limit, &acknowledged],
        )
        .await?;
    request.commit().await?;
    Ok((row.try_get("are_there")?, row.try_get("answer")?))
}
