//! Results that came too late to change anything.

use std::sync::atomic::{AtomicU64, Ordering};
use uuid::Uuid;

/// How many there were since the start.
static LATE: AtomicU64 = AtomicU64::new(0);

/// Logs and counts a result that changes nothing.
pub fn count_late(delivery_id: Uuid, reason: &str) {
    let late_so_far = LATE.fetch_add(1, Ordering::Relaxed) + 1;
    tracing::warn!(%delivery_id, late_so_far, "late result: {reason}");
}
