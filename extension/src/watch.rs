//! What the functions of a watched table ask of its values.

use pgrx::fcinfo::pg_getarg_datum;
use pgrx::prelude::*;

use crate::refuse::refuse;

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
    check_types(fcinfo, count);
    let sizes = || (0..count).map(|n| bytes(fcinfo, n));
    sizes()
        .flatten()
        .any(|bytes| bytes > LARGE)
        .then(|| sizes().collect())
}

/// Whoever may call the function may call it with anything; what is no varlena must not be read as one. Looked up once for
/// each place in a statement, since the types are the same for each row.
fn check_types(fcinfo: pg_sys::FunctionCallInfo, count: usize) {
    // SAFETY: the call's own information and its memory, of which `fn_extra` is the function's; anything but null says
    // that the types were looked at.
    unsafe {
        let function = (*fcinfo).flinfo;
        if !(*function).fn_extra.is_null() {
            return;
        }
        for n in 0..count {
            let n = i32::try_from(n).unwrap_or(i32::MAX);
            let argument = pg_sys::get_fn_expr_argtype(function, n);
            if argument == pg_sys::InvalidOid || pg_sys::get_typlen(argument) != -1 {
                refuse(
                    format!(
                        "large_values() argument {}: not of a type of variable length",
                        n + 1
                    ),
                    "It is for what watch_table() makes. octet_length() and pg_column_size() tell the size of any value.",
                );
            }
        }
        (*function).fn_extra = function.cast();
    }
}

/// Bytes of an argument, decompressed; `None`: it is null.
fn bytes(fcinfo: pg_sys::FunctionCallInfo, n: usize) -> Option<i64> {
    // SAFETY: of a type of variable length: a varlena, whose header says how long it is wherever it is stored.
    let size =
        unsafe { pg_getarg_datum(fcinfo, n).map(|value| pg_sys::toast_raw_datum_size(value)) };
    size.map(|size| i64::try_from(size).unwrap_or(i64::MAX) - HEADER)
}
