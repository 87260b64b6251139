//! What a session knows of its own transaction and SQL does not.

use pgrx::prelude::*;

/// Whether an id is the current transaction's, or a subtransaction's of it.
#[pg_extern(sql = false, stable)]
fn is_current_transaction(id: pg_sys::TransactionId) -> bool {
    // SAFETY: it reads the state of this backend's own transaction, of which there is one while a function runs.
    unsafe { pg_sys::TransactionIdIsCurrentTransactionId(id) }
}
