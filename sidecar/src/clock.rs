//! The wall clock: for the log's times, signatures' timestamps and Retry-After dates. Nothing waits by it.

#[cfg(feature = "failpoints")]
pub use crate::failpoint::clock as now;

/// The time.
#[cfg(not(feature = "failpoints"))]
pub fn now() -> std::time::SystemTime {
    std::time::SystemTime::now()
}
