//! Deliveries for receivers that can't be reached, which fetch them.

use super::schemas::poll::Polled;
use crate::database::{Credentials, Database, Mode, Request};
use crate::http::credentials;
use crate::http::input::{Ids, Parameters};
use crate::http::output;
use crate::http::problem::{AnyProblem, Problem};
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use utoipa::IntoParams;
use uuid::Uuid;

const SCOPE: &str = "webhook_subscriptions:poll";
const MAX_WAIT: u64 = 20;
/// Polls of one access token that wait at the same time, at most.
const MAX_WAITING: usize = 16;
/// Between looks at the queue: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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

/// How many polls of each access token wait.
#[derive(Clone, Default)]
pub struct Waiting(Arc<Mutex<HashMap<[u8; 32], usize>>>);

/// One that waits; it is counted until it is dropped.
struct Turn {
    waiting: Waiting,
    token: [u8; 32],
}

impl Waiting {
    /// # Errors
    /// Too many wait already.
    fn begin(&self, token: [u8; 32]) -> Result<Turn, Problem> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(token).or_default();
        if *count >= MAX_WAITING {
            let detail = format!("{MAX_WAITING} polls of this access token wait already");
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
                .hint("Wait for the answer of one before the next, or poll without wait."));
        }
        *count += 1;
        Ok(Turn {
            waiting: self.clone(),
            token,
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let counts = &self.waiting.0;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.token);
            }
        }
    }
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
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let wait = poll.wait.unwrap_or(0);
    if wait > MAX_WAIT {
        return Err(Problem::bad_request(format!("wait is {wait}"))
            .hint(format!("Give 0 to {MAX_WAIT} seconds."))
            .field("wait"));
    }
    let limit = poll.limit.unwrap_or(100);
    let give_up_at = Instant::now() + Duration::from_secs(wait);
    let turn = match credentials::token_hash(&headers) {
        Some(token) if wait > 0 => Some(waiting.begin(token)?),
        _ => None,
    };
    let (mut acknowledged, mut cursor, mut pause) = (0, poll.cursor, FIRST_PAUSE);
    loop {
        let mut connection = database.connection().await?;
        let request = connection.begin(&who, SCOPE, Mode::Write).await?;
        if let Some(cursor) = cursor.take() {
            acknowledged = acknowledge(&request, id, &cursor).await?;
        }
        let (count, answer) = next(&request, id, limit, acknowledged).await?;
        request.commit().await?;
        drop(connection);
        let left = give_up_at.saturating_duration_since(Instant::now());
        if count > 0 || left.is_zero() {
            drop(turn);
            return Ok(output::json(StatusCode::OK, answer));
        }
        tokio::time::sleep(pause.min(left)).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

async fn acknowledge(request: &Request<'_>, id: Uuid, cursor: &str) -> Result<i64, Problem> {
    let row = request
        .row(
            "select webhooks.acknowledge_deliveries($1, $2) as acknowledged",
            &[&id, &cursor],
        )
        .await?;
    Ok(row.try_get("acknowledged")?)
}

/// How many deliveries there are, and the answer with them.
async fn next(
    request: &Request<'_>,
    id: Uuid,
    limit: i32,
    acknowledged: i64,
) -> Result<(i64, String), Problem> {
    let row = request
        .row(
            "select count(*) as deliveries, json_build_object(
                 'cursor', min(p.next_cursor), 'acknowledged', $3::bigint,
                 'deliveries', coalesce(json_agg(json_build_object(
                     'delivery_id', p.delivery_id, 'event_id', p.event_id, 'event_type', p.event_type,
                     'attempt', p.attempt, 'headers', p.headers, 'body', p.body)), '[]'))::text as answer
             from webhooks.poll_deliveries($1, null, $2) p",
            &[&id, &limit, &acknowledged],
        )
        .await?;
    Ok((row.try_get("deliveries")?, row.try_get("answer")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_so_many_polls_that_wait_and_others_have_theirs() {
        let waiting = Waiting::default();
        let turns: Vec<_> = (0..MAX_WAITING)
            .map(|_| waiting.begin([1; 32]).unwrap())
            .collect();
        let refused = waiting.begin([1; 32]).err().unwrap();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(waiting.begin([2; 32]).is_ok());
        drop(turns);
        assert!(waiting.begin([1; 32]).is_ok());
        assert!(waiting.0.lock().unwrap().is_empty());
    }
}
