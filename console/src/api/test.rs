//! Tests of subscriptions: the answer of the receiver is the answer to the request.

use super::schemas::delivery::{TestWanted, Tested};
use crate::database::{Credentials, Database, Mode};
use crate::http::input::{Ids, JsonText, Parameters};
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

const SCOPE: Scope = Scope::TestSubscriptions;
const DEFAULT_WAIT: u64 = 30;
const MAX_WAIT: u64 = 120;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// How long to wait for the receiver's answer, in seconds: 30 unless it is given.
    #[param(minimum = 0, maximum = 120)]
    wait: Option<u64>,
}

/// Sends an example of an event, and waits for what becomes of it. No connection is held meanwhile.
#[utoipa::path(
    post,
    path = "/api/webhook-subscriptions/{id}/test",
    tag = "Subscriptions",
    operation_id = "test_subscription",
    params(("id" = Uuid, Path, description = "Id of the subscription"), Wait),
    request_body = Option<TestWanted>,
    responses((status = 200, description = "The outcome so far", body = Tested), AnyProblem)
)]
pub async fn test(
    State(database): State<Database>,
    Extension(waiting): Extension<Waiting>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
    Parameters(Wait { wait }): Parameters<Wait>,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let wait = wait.unwrap_or(DEFAULT_WAIT);
    if wait > MAX_WAIT {
        return Err(Problem::bad_request(format!("wait is {wait}"))
            .hint(format!("Give 0 to {MAX_WAIT} seconds."))
            .field("wait"));
    }
    let place = waiting.begin(&who.proof, Duration::from_secs(wait))?;
    let delivery_id = send(&database, &who, id, &body.or_empty()).await?;
    let answer = place
        .until_final(|| look(&database, &who, delivery_id))
        .await?;
    Ok(output::json(StatusCode::OK, answer))
}

async fn send(
    database: &Database,
    who: &Credentials,
    id: Uuid,
    body: &str,
) -> Result<Uuid, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(who, SCOPE, Mode::Write).await?;
    let row = request
        .row(
            "select webhooks.test_subscription($1, b.body ->> 'event_type', nullif(b.body -> 'event_data', 'null')) as id
             from (values ($2::text::jsonb)) b (body)",
            &[&id, &body],
        )
        .await?;
    request.commit().await?;
    Ok(row.try_get("id")?)
}

async fn look(
    database: &Database,
    who: &Credentials,
    delivery_id: Uuid,
) -> Result<(bool, String), Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(who, SCOPE, Mode::Read).await?;
    let row = request
        .row(
            "select w.is_final, json_build_object('message', 'Test webhook triggered successfully',
                                                  'delivery_id', $1::uuid, 'result', to_json(w))::text as answer
             from webhooks.wait_for_delivery($1, interval '0') w",
            &[&delivery_id],
        )
        .await?;
    request.commit().await?;
    Ok((row.try_get("is_final")?, row.try_get("answer")?))
}
