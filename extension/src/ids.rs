//! Time-ordered identifiers.

use pgrx::prelude::*;

/// A new UUIDv7 (RFC 9562), increasing within a session even inside one millisecond.
#[pg_extern(sql = false, volatile, parallel_safe)]
fn uuid_v7() -> pgrx::Uuid {
    pgrx::Uuid::from_bytes(*uuid::Uuid::now_v7().as_bytes())
}

/// The `uuid` crate's type for PostgreSQL's.
pub fn to_uuid(id: pgrx::Uuid) -> uuid::Uuid {
    uuid::Uuid::from_bytes(*id.as_bytes())
}
