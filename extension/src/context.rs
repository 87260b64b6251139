//! CONTEXT of errors: the text of a long statement of ours tells its reader nothing.

use pgrx::prelude::*;

/// Leaves the innermost frames out of the CONTEXT of an error that is raised next. True.
///
/// A function that is called by assignment adds no frame of its own: the first one is its caller's. Frames that return
/// set the stack to what it was before them, so whatever is left out here lasts no longer than they do.
#[pg_extern(sql = false, volatile)]
fn omit_context(frames: i32) -> bool {
    for _ in 0..frames {
        // SAFETY: each frame lives on the stack of a function that has not returned, since a function that does takes
        // its frame away; this backend alone, on this thread, reads and writes the list.
        unsafe {
            let frame = pg_sys::error_context_stack;
            if !frame.is_null() {
                pg_sys::error_context_stack = (*frame).previous;
            }
        }
    }
    true
}
