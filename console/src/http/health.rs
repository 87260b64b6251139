//! Health of this process, for supervisors and load balancers.

use crate::database::Database;
use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// For how long an answer of the database is good: whoever asks, it is asked no more often.
const FRESH: Duration = Duration::from_secs(1);

/// Whether the database is ready, as it was a moment ago. Who has it locked is asking.
#[derive(Default)]
pub struct Readiness(Mutex<Option<(Instant, bool)>>);

impl Readiness {
    async fn look(&self, database: &Database) -> bool {
        let mut known = self.0.lock().await;
        if let Some((at, is_ready)) = *known
            && at.elapsed() < FRESH
        {
            return is_ready;
        }
        let checked = database.check().await;
        if let Err(problem) = &checked {
            tracing::warn!("not ready: {problem}");
        }
        *known = Some((Instant::now(), checked.is_ok()));
        checked.is_ok()
    }
}

/// It runs.
pub async fn alive() -> &'static str {
    "alive\n"
}

/// It can answer requests; or it can't, without names of servers.
pub async fn ready(
    State(database): State<Database>,
    Extension(readiness): Extension<Arc<Readiness>>,
) -> (StatusCode, &'static str) {
    if readiness.look(&database).await {
        return (StatusCode::OK, "ready\n");
    }
    let text = "the database is not available, or not prepared; the log says why\n";
    (StatusCode::SERVICE_UNAVAILABLE, text)
}
