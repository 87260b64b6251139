//! What the functions of a watched table ask of its values.

use pgrx::fcinfo::pg_getarg_datum;
use pgrx::prelude::*;

/// From how many bytes on a value is looked at more closely.
const LARGE: i64 = 1_000_000;
/// What the size of a varlena in memory counts beyond the value.
const HEADER: i64 = 4;

/// `large_values(variadic "any")`: bytes of each value, all of them of types of variable length, if any is large; else null.
/// Nothing is read of a value but its header.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn large_values(fcinfo: pg_sys::FunctionCallInfo) -> Option<Vec<Option<i64>>> {
    // SAFETY: the call's own information, which says how many arguments there are.
    let count = usize::try_from(unsafe { (*fcinfo).nargs }).unwrap_or(0);
    let sizes = || (0..count).map(|n| bytes(fcinfo, n));
    sizes()
        .flatten()
        .any(|bytes| bytes > LARGE)
        .then(|| sizes().collect())
}

/// Bytes of an argument, decompressed; `None`: it is null.
fn bytes(fcinfo: pg_sys::FunctionCallInfo, n: usize) -> Option<i64> {
    // SAFETY: watch_large_values() passes only what has a varlena's header, which says how long it is wherever it is stored.
    let size =
        unsafe { pg_getarg_datum(fcinfo, n).map(|value| pg_sys::toast_raw_datum_size(value)) };
    size.map(|size| i64::try_from(size).unwrap_or(i64::MAX) - HEADER)
}
