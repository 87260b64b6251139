//! Errors as PostgreSQL users expect them: SQLSTATE, the value, a hint.

use pgrx::PgLogLevel;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// Raises `invalid_parameter_value`; does not return.
pub fn refuse(message: impl Into<String>, hint: impl Into<String>) -> ! {
    ErrorReport::new(
        PgSqlErrorCode::ERRCODE_INVALID_PARAMETER_VALUE,
        message.into(),
        "webhooks",
    )
    .set_hint(hint.into())
    .report(PgLogLevel::ERROR);
    unreachable!("ereport(ERROR) does not return")
}
