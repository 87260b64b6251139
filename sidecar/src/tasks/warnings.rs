//! How often to warn of what lasts.

use std::time::{Duration, Instant};

/// Pause between warnings of the same kind.
const INTERVAL: Duration = Duration::from_secs(60);
/// What is locked for less is nobody's business.
pub const WORTH_WARNING: Duration = Duration::from_secs(1);

/// When to warn: when waiting begins, and now and then while it lasts.
#[derive(Default)]
pub struct Warnings {
    last: Option<Instant>,
}

impl Warnings {
    /// Whether to warn now; if so, not again for a while.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now >= last + INTERVAL);
        if due {
            self.last = Some(now);
        }
        due
    }
}
