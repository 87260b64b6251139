//! Health of this process, for supervisors and load balancers.

use crate::database::Database;
use axum::extract::State;
use axum::http::StatusCode;

/// It runs.
pub async fn alive() -> &'static str {
    "alive\n"
}

/// It can answer requests; or why not, without names of servers.
pub async fn ready(State(database): State<Database>) -> (StatusCode, &'static str) {
    match database.check().await {
        Ok(()) => (StatusCode::OK, "ready\n"),
        Err(problem) => {
            tracing::warn!("not ready: {problem}");
            let text = "the database is not available, or not prepared; the log says why\n";
            (StatusCode::SERVICE_UNAVAILABLE, text)
        }
    }
}
