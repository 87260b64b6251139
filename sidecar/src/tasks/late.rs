//! Results that came too late to change anything.

use crate::telemetry::metrics::Metrics;
use uuid::Uuid;

/// Logs and counts a result that changes nothing.
pub fn count_late(metrics: &Metrics, delivery_id: Uuid, reason: &str) {
    let late = &metrics.late_results;
    late.inc();
    tracing::warn!(%delivery_id, late_so_far = late.get(), "late result: {reason}");
}
