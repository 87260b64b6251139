//! Locks of the extension's own. They behave as advisory locks do (to the end of the transaction or of the session, in
//! `pg_locks`, through PREPARE TRANSACTION), but their tags are of another type (`userlock`), which no SQL function of
//! PostgreSQL can take: whoever may connect can take any advisory lock. The classes are in `sql/base/lock_ids.sql`.

use pgrx::pg_sys;
use pgrx::prelude::*;

/// As that of an advisory lock with two keys.
const TWO_KEYS: u16 = 2;

fn tag(class: i32, key: i32) -> pg_sys::LOCKTAG {
    pg_sys::LOCKTAG {
        // SAFETY: a variable of this backend, set when it connected.
        locktag_field1: unsafe { pg_sys::MyDatabaseId }.to_u32(),
        locktag_field2: class.cast_unsigned(),
        locktag_field3: key.cast_unsigned(),
        locktag_field4: TWO_KEYS,
        locktag_type: pg_sys::LockTagType::LOCKTAG_USERLOCK as u8,
        locktag_lockmethodid: pg_sys::USER_LOCKMETHOD as u8,
    }
}

fn mode(shared: bool) -> pg_sys::LOCKMODE {
    let mode = if shared {
        pg_sys::ShareLock
    } else {
        pg_sys::ExclusiveLock
    };
    mode.cast_signed()
}

/// Takes a lock until the end of the transaction, and waits for it.
#[pg_extern(sql = false, volatile)]
fn lock_xact(class: i32, key: i32) {
    // SAFETY: a valid tag and mode; an error, of a timeout for example, is PostgreSQL's, which takes nothing then.
    unsafe { pg_sys::LockAcquire(&tag(class, key), mode(false), false, false) };
}

/// Takes a lock until the end of the transaction if nobody is in the way.
#[pg_extern(sql = false, volatile)]
pub fn try_lock_xact(class: i32, key: i32, shared: bool) -> bool {
    // SAFETY: as in `lock_xact`.
    let result = unsafe { pg_sys::LockAcquire(&tag(class, key), mode(shared), false, true) };
    result != pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL
}

/// Takes a lock for the session if nobody is in the way. What the session has it does not take once more: one
/// [`unlock`] releases it, however often a statement that took it failed and was repeated.
#[pg_extern(sql = false, volatile)]
fn try_lock(class: i32, key: i32, shared: bool) -> bool {
    let (tag, mode) = (tag(class, key), mode(shared));
    // SAFETY: as in `lock_xact`. What is released is what was taken just now beside what the session had.
    unsafe {
        match pg_sys::LockAcquire(&tag, mode, true, true) {
            pg_sys::LockAcquireResult::LOCKACQUIRE_NOT_AVAIL => false,
            pg_sys::LockAcquireResult::LOCKACQUIRE_ALREADY_HELD => {
                pg_sys::LockRelease(&tag, mode, true)
            }
            _ => true,
        }
    }
}

/// Releases a lock of the session. Returns: false if the session does not have it.
#[pg_extern(sql = false, volatile)]
fn unlock(class: i32, key: i32, shared: bool) -> bool {
    let (tag, mode) = (tag(class, key), mode(shared));
    // SAFETY: a valid tag and mode. Asked first, since PostgreSQL warns of a lock that is not there.
    unsafe { is_held(&tag, mode) && pg_sys::LockRelease(&tag, mode, true) }
}

/// # Safety
/// The tag must be valid.
unsafe fn is_held(tag: &pg_sys::LOCKTAG, mode: pg_sys::LOCKMODE) -> bool {
    #[cfg(any(feature = "pg15", feature = "pg16"))]
    // SAFETY: as the caller says; it reads this backend's own table.
    return unsafe { pg_sys::LockHeldByMe(tag, mode) };
    #[cfg(not(any(feature = "pg15", feature = "pg16")))]
    // SAFETY: as the caller says; it reads this backend's own table.
    return unsafe { pg_sys::LockHeldByMe(tag, mode, false) };
}
