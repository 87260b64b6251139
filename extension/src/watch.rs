//! What the functions of a watched table ask of a value.

use pgrx::AnyElement;
use pgrx::prelude::*;

/// Bytes of a value of variable length, decompressed, of which nothing is read but its header.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn value_bytes(value: AnyElement) -> i64 {
    // SAFETY: the type is looked up in the catalogue; a type of variable length (-1) is passed by reference, and its
    // header says how long it is, wherever it is stored.
    unsafe {
        match pg_sys::get_typlen(value.oid()) {
            -1 => pg_sys::toast_raw_datum_size(value.datum())
                .try_into()
                .unwrap_or(i64::MAX),
            length => i64::from(length.max(0)),
        }
    }
}
