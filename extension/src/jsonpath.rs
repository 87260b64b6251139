//! `event_filters.jsonpath`: which paths publishers can evaluate.

use pgrx::prelude::*;
use webhooks_core::jsonpath;

/// Why a subscription may not filter by a path; null if it may.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn jsonpath_problem(path: &str) -> Option<String> {
    jsonpath::check(path).err().map(|error| error.to_string())
}
