//! How many notifications the current transaction has sent so far.

use pgrx::pg_sys;
use pgrx::prelude::*;
use std::cell::Cell;

thread_local! {
    /// When the transaction began, and how many it has sent.
    static SENT: Cell<(pg_sys::TimestampTz, i64)> = const { Cell::new((0, 0)) };
}

/// Counts one more. Returns: how many it is with it. What a savepoint takes back stays counted.
#[pg_extern(sql = false, volatile)]
fn count_notification() -> i64 {
    // SAFETY: it reads a variable of this backend's own transaction, of which there is one while a function runs.
    let began = unsafe { pg_sys::GetCurrentTransactionStartTimestamp() };
    let (transaction, sent) = SENT.get();
    let sent = if transaction == began { sent } else { 0 } + 1;
    SENT.set((began, sent));
    sent
}
