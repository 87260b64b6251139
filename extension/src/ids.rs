//! Time-ordered identifiers.

use pgrx::prelude::*;
use uuid::timestamp::context::{ContextV7, ThreadLocalContext};
use uuid::{Timestamp, Uuid};

thread_local! {
    /// With fractions of the millisecond (RFC 9562, 6.2, method 3), so that ids of different sessions are ordered too:
    /// of two transactions one of which begins after the other's end, the later has the greater ids.
    static CONTEXT: ContextV7 = ContextV7::new().with_additional_precision();
}

/// A new UUIDv7 (RFC 9562), increasing within a session, and to a quarter of a microsecond between sessions.
#[pg_extern(sql = false, volatile, parallel_safe)]
fn uuid_v7() -> pgrx::Uuid {
    let now = Timestamp::now(ThreadLocalContext::new(&CONTEXT));
    pgrx::Uuid::from_bytes(*Uuid::new_v7(now).as_bytes())
}

/// The `uuid` crate's type for PostgreSQL's.
pub fn to_uuid(id: pgrx::Uuid) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}
