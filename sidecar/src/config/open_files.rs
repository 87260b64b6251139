//! The limit of open files: each request under way needs a socket.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit as far as an ordinary process may. Many systems start programs with 1,024, which is meant for those
/// that use `select()`, and let them have a lot more.
///
/// Returns: the limit in force.
pub fn raise_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let in_force = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    // None: there is no limit.
    in_force.unwrap_or(u64::MAX)
}
