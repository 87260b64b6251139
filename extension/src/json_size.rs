//! Sizes of `jsonb` values as text, without making the text. Values that are stored elsewhere, or compressed, are read only
//! when they have to be.

use pgrx::fcinfo::pg_getarg_datum;
use pgrx::prelude::*;
use pgrx::{check_for_interrupts, pg_sys, varlena};
use webhooks_core::jsonb::{TextSize, is_surely_larger, surely_fits, text_size as measure};

/// Deepest nesting of what is published. Parsers of receivers give up about there: PHP's at 512.
const MAX_DEPTH: usize = 512;

/// An argument that is `jsonb`, as it was given; `None`: null.
fn argument(fcinfo: pg_sys::FunctionCallInfo, n: usize) -> Option<*mut pg_sys::varlena> {
    // SAFETY: the SQL declaration says that there is such an argument, and that it is jsonb: a pointer to a varlena.
    unsafe { pg_getarg_datum(fcinfo, n) }.map(pg_sys::Datum::cast_mut_ptr)
}

fn size(
    fcinfo: pg_sys::FunctionCallInfo,
    n: usize,
    max_bytes: usize,
    max_depth: usize,
) -> TextSize {
    let Some(stored) = argument(fcinfo, n) else {
        return TextSize::Bytes(0);
    };
    // SAFETY: a varlena in any form, which nothing changes during the call.
    unsafe {
        if is_plain(stored) {
            return size_of_plain(stored, max_bytes, max_depth);
        }
        // Its size before compression is in its header.
        let raw_bytes = pg_sys::toast_raw_datum_size(pg_sys::Datum::from(stored));
        if is_surely_larger(raw_bytes, max_bytes) {
            return TextSize::TooLarge;
        }
        let copy = pg_sys::pg_detoast_datum_packed(stored);
        let size = size_of_plain(copy, max_bytes, max_depth);
        pg_sys::pfree(copy.cast());
        size
    }
}

/// Whether an argument is null, or a value that is here and that need not be read to know that it may be published.
fn is_surely_small(fcinfo: pg_sys::FunctionCallInfo, n: usize, max_bytes: usize) -> bool {
    let Some(stored) = argument(fcinfo, n) else {
        return true;
    };
    // SAFETY: a varlena in any form, which nothing changes during the call.
    unsafe {
        is_plain(stored)
            && surely_fits(
                varlena::varlena_to_byte_slice(stored),
                max_bytes,
                MAX_DEPTH,
                || {
                    check_for_interrupts!();
                },
            )
    }
}

/// Whether a value is here, and not compressed.
///
/// # Safety
/// A varlena.
pub unsafe fn is_plain(value: *const pg_sys::varlena) -> bool {
    // SAFETY: the caller's.
    unsafe {
        varlena::varatt_is_4b_u(value)
            || varlena::varatt_is_1b(value) && !varlena::varatt_is_1b_e(value)
    }
}

/// # Safety
/// A varlena that [`is_plain`].
unsafe fn size_of_plain(
    value: *const pg_sys::varlena,
    max_bytes: usize,
    max_depth: usize,
) -> TextSize {
    // SAFETY: the caller's.
    let bytes = unsafe { varlena::varlena_to_byte_slice(value) };
    measure(bytes, max_bytes, max_depth, || {
        check_for_interrupts!();
    })
}

fn bound(max_bytes: i64) -> usize {
    usize::try_from(max_bytes).unwrap_or(0)
}

fn number(fcinfo: pg_sys::FunctionCallInfo, n: usize) -> Option<i64> {
    // SAFETY: the SQL declaration says that this argument is a bigint.
    unsafe { pgrx::fcinfo::pg_getarg(fcinfo, n) }
}

/// `json_text_size(data jsonb, max_bytes bigint)`: bytes of the text; null if they are more.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn json_text_size(fcinfo: pg_sys::FunctionCallInfo) -> Option<i64> {
    let max_bytes = bound(number(fcinfo, 1)?);
    match size(fcinfo, 0, max_bytes, usize::MAX) {
        TextSize::Bytes(bytes) => i64::try_from(bytes).ok(),
        _ => None,
    }
}

/// `json_fits(event_data jsonb, resource_data jsonb, max_bytes bigint)`: whether both may be published.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn json_fits(fcinfo: pg_sys::FunctionCallInfo) -> bool {
    let max_bytes = bound(number(fcinfo, 2).unwrap_or(0));
    let fits = |n| {
        is_surely_small(fcinfo, n, max_bytes)
            || matches!(size(fcinfo, n, max_bytes, MAX_DEPTH), TextSize::Bytes(_))
    };
    fits(0) && fits(1)
}

/// `json_problem(data jsonb, max_bytes bigint)`: why it may not be published; null if it may.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn json_problem(fcinfo: pg_sys::FunctionCallInfo) -> Option<String> {
    let max_bytes = bound(number(fcinfo, 1)?);
    match size(fcinfo, 0, max_bytes, MAX_DEPTH) {
        TextSize::Bytes(_) => None,
        TextSize::TooLarge => Some(format!("larger than {max_bytes} bytes as text")),
        TextSize::TooDeep => Some(format!("nested more than {MAX_DEPTH} levels deep")),
        TextSize::Malformed => Some("not readable".to_owned()),
    }
}

/// `add_text_size(so_far bigint, event_data jsonb, resource_data jsonb, max_bytes bigint)`: the step of an aggregate. Its
/// state is negated after what can't be added.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn add_text_size(fcinfo: pg_sys::FunctionCallInfo) -> i64 {
    let so_far = number(fcinfo, 0).unwrap_or(0).saturating_abs();
    let max_bytes = number(fcinfo, 3).unwrap_or(0);
    if so_far > max_bytes {
        // Parts over the budget are not read.
        return so_far;
    }
    let one = |n| match size(fcinfo, n, MAX_READABLE, usize::MAX) {
        TextSize::Bytes(bytes) => i64::try_from(bytes).ok(),
        _ => None,
    };
    match one(1).zip(one(2)) {
        Some((event, resource)) => so_far.saturating_add(event).saturating_add(resource),
        None => -so_far,
    }
}

/// What is larger as text is not sent, however it got into the table: the largest body is not larger either
/// (max_payload_size_kb), nor may max_event_data_bytes be.
const MAX_READABLE: usize = 64 << 20;
