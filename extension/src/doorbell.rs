//! Which bells the current transaction has rung already. A statement that publishes a million events rings each once: a
//! try for the lock of a bell that its owner holds, and another look at the notification queue, cost more than matching
//! the event does.

use std::cell::RefCell;
use std::collections::HashMap;

use pgrx::prelude::*;

use crate::locks::try_lock_xact;

/// A subtransaction of this session: the transaction's id and the number of the subtransaction in it. When it is rolled
/// back, so are its lock and its notification; another number then, and the bell is rung again.
type Ringer = (pg_sys::TransactionId, pg_sys::SubTransactionId);

thread_local! {
    /// By shard, who rang last.
    static RUNG: RefCell<HashMap<i16, Ringer>> = RefCell::default();
}

/// `None` outside of a transaction that writes.
fn ringer() -> Option<Ringer> {
    // SAFETY: both read the state of this backend's own transaction, of which there is one while a function runs.
    let (transaction, subtransaction) = unsafe {
        (
            pg_sys::GetTopTransactionIdIfAny(),
            pg_sys::GetCurrentSubTransactionId(),
        )
    };
    (transaction != pg_sys::InvalidTransactionId).then_some((transaction, subtransaction))
}

fn remember(shard: i16) {
    if let Some(ringer) = ringer() {
        RUNG.with_borrow_mut(|rung| rung.insert(shard, ringer));
    }
}

/// Whether the owner of a shard needs no notification: this subtransaction has rung its bell, or takes the bell's lock now,
/// so that the owner can't sleep before the transaction has ended.
#[pg_extern(sql = false, volatile)]
fn try_bell(class: i32, shard: i16) -> bool {
    let has_rung =
        RUNG.with_borrow(|rung| rung.get(&shard).is_some_and(|who| Some(*who) == ringer()));
    if !has_rung && try_lock_xact(class, shard.into(), true) {
        remember(shard);
        return true;
    }
    has_rung
}

/// The owner of the shard will be notified when this transaction commits.
#[pg_extern(sql = false, volatile)]
fn note_bell(shard: i16) {
    remember(shard);
}
