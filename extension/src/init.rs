//! What is done once, when a session loads the library.

use pgrx::prelude::*;
use std::backtrace::Backtrace;
use std::env;

/// The variable that has the last word on whether errors carry a backtrace.
const SWITCH: &str = "RUST_LIB_BACKTRACE";

/// Errors are told as PostgreSQL tells them. pgrx would add a backtrace to their DETAIL where the server's environment asks for
/// backtraces; the first one that is captured decides that for all.
#[pg_guard]
#[allow(non_snake_case)]
pub extern "C-unwind" fn _PG_init() {
    let before = env::var_os(SWITCH);
    // SAFETY: a backend has one thread, which runs this.
    unsafe { env::set_var(SWITCH, "0") };
    drop(Backtrace::capture());
    // SAFETY: as above.
    unsafe {
        match before {
            Some(value) => env::set_var(SWITCH, value),
            None => env::remove_var(SWITCH),
        }
    }
}
