//! Whether events were matched: triggers can be disabled or not fire, and `publish_event()` must not return the id of an
//! event that nothing will be sent for.

use std::cell::Cell;

use pgrx::prelude::*;

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
