//! What the database does not show: what is not there, and what it refuses.

use super::failure::Failure;
use crate::database::{Access, Refused};
use crate::http::problem::Problem;
use axum::http::StatusCode;
use std::fmt::Display;

/// The error for an id that there is not, or not for this tenant.
pub fn missing(what: &str, id: impl Display) -> Failure {
    let detail = format!("there is no {what} {id}");
    Problem::new(StatusCode::NOT_FOUND, detail)
        .hint("It may be no longer kept.")
        .into()
}

/// Pages of forms are of no use where nothing can be changed.
///
/// # Errors
/// The console only reads.
pub fn check_writable(access: &Access) -> Result<(), Failure> {
    match access.is_read_only {
        true => Err(Refused::ReadOnly.into()),
        false => Ok(()),
    }
}

/// What was found, or why the database refuses what was chosen, which the page then says beside it.
///
/// # Errors
/// Those that are not about what was chosen.
pub fn refusable<T, E: Into<Problem>>(found: Result<T, E>) -> Result<Result<T, Problem>, Failure> {
    match found.map_err(Into::into) {
        Ok(found) => Ok(Ok(found)),
        Err(problem)
            if matches!(
                problem.status(),
                StatusCode::BAD_REQUEST | StatusCode::CONFLICT
            ) =>
        {
            Ok(Err(problem))
        }
        Err(problem) => Err(problem.into()),
    }
}

/// The status of a page that shows what was found, or why it was refused.
pub fn status<T>(found: &Result<T, Problem>) -> StatusCode {
    found.as_ref().err().map_or(StatusCode::OK, Problem::status)
}
