//! What `publish_event()` asks for each event, so cheap that it costs nothing: whether its arguments look right, whether the
//! session is one that copies events, and whether its event was matched. (Triggers can be disabled or not fire, and it must
//! not return the id of an event that nothing will be sent for.)
//!
//! As expressions of PL/pgSQL these cost more than the look-ups: a session prepares them anew in each transaction.

use std::cell::Cell;

use pgrx::fcinfo::pg_getarg_datum;
use pgrx::prelude::*;
use pgrx::varlena;

use crate::json_size::is_plain;

thread_local! {
    /// How often `match_events()` ran in this session.
    static MATCHES: Cell<i64> = const { Cell::new(0) };
}

/// Counts a run of `match_events()`; how many there were.
#[pg_extern(sql = false, volatile)]
fn count_match() -> i64 {
    MATCHES.with(|matches| {
        matches.set(matches.get().wrapping_add(1));
        matches.get()
    })
}

/// How often `match_events()` ran in this session.
#[pg_extern(sql = false, volatile)]
fn counted_matches() -> i64 {
    MATCHES.get()
}

/// Whether the session has `check_function_bodies` off, as restores have, or `session_replication_role = replica`.
#[pg_extern(sql = false, stable)]
fn could_copy_events() -> bool {
    // SAFETY: settings of this backend.
    unsafe {
        !pg_sys::check_function_bodies
            || pg_sys::SessionReplicationRole
                == pg_sys::SESSION_REPLICATION_ROLE_REPLICA.cast_signed()
    }
}

/// `look_usual(tenant_id, event_type, event_name, event_data, resource_type, session_id, request_id, event_version,
/// environment, idempotency_key, ordering_key, deliver_after, expires_at)`, of `publish_event()`: false if any of them
/// could be wrong. Lengths are octets here, and only the first octet is looked at: what is unusual
/// `check_arguments()` looks at.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn look_usual(fcinfo: pg_sys::FunctionCallInfo) -> bool {
    let arguments = Arguments(fcinfo);
    arguments.has(0)
        && arguments.has(1)
        && arguments.text(2, |name| name.len() <= 100 && is_no_json(name))
        && arguments.has(3)
        && arguments.text(4, |of| of.len() < 36 && is_no_json(of))
        && arguments.text(5, |session| session.len() <= 255)
        && arguments.text(6, |request| request.len() <= 255)
        && arguments.text(7, |version| version.len() <= 20)
        && arguments.text(8, |name| {
            matches!(name, b"dev" | b"staging" | b"production")
        })
        && arguments.text(9, |key| {
            key.len() <= 255 && key.first().is_some_and(u8::is_ascii_graphic)
        })
        && arguments.text(10, |key| key.len() <= 255)
        && are_usual(arguments.time(11), arguments.time(12))
}

/// Neither blank in front nor what could be data in the wrong place.
fn is_no_json(text: &[u8]) -> bool {
    text.first()
        .is_some_and(|first| *first > b' ' && !b"[{".contains(first))
}

/// Microseconds since 2000, as PostgreSQL counts them, of 1970 and of the year 10,000.
const EPOCH: i64 = -946_684_800_000_000;
const TOO_LATE: i64 = 252_455_616_000_000_000;

/// Only `expires_at` may be infinity: never.
fn are_usual(deliver_after: Option<i64>, expires_at: Option<i64>) -> bool {
    deliver_after.is_none_or(|time| (EPOCH..TOO_LATE).contains(&time))
        && expires_at.is_none_or(|time| time >= EPOCH)
        && expires_at
            .zip(deliver_after)
            .is_none_or(|(expires_at, deliver_after)| expires_at > deliver_after)
}

struct Arguments(pg_sys::FunctionCallInfo);

impl Arguments {
    fn datum(&self, n: usize) -> Option<pg_sys::Datum> {
        // SAFETY: the SQL declaration says that there is such an argument.
        unsafe { pg_getarg_datum(self.0, n) }
    }

    fn has(&self, n: usize) -> bool {
        self.datum(n).is_some()
    }

    /// Whether a text is null or usual; none is that is compressed or elsewhere.
    fn text(&self, n: usize, is_usual: impl Fn(&[u8]) -> bool) -> bool {
        self.datum(n).is_none_or(|datum| {
            let value: *const pg_sys::varlena = datum.cast_mut_ptr();
            // SAFETY: the SQL declaration says that it is text: a pointer to a varlena, which nothing changes meanwhile.
            unsafe { is_plain(value) && is_usual(varlena::varlena_to_byte_slice(value)) }
        })
    }

    fn time(&self, n: usize) -> Option<i64> {
        self.datum(n)
            .map(|datum| datum.value().cast_signed() as i64)
    }
}
