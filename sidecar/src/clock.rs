//! The clock for the log's times, signatures' timestamps and Retry-After dates. Nothing waits by it.
//!
//! It agrees with the database's, where events have their times, and goes on by the monotonic clock: when somebody sets
//! this machine's clock, nothing jumps.

use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

#[cfg(feature = "failpoints")]
use crate::failpoint::clock as system;

/// What the time was at one moment.
static AGREED: RwLock<Option<(Instant, SystemTime)>> = RwLock::new(None);

#[cfg(not(feature = "failpoints"))]
fn system() -> SystemTime {
    SystemTime::now()
}

/// The time. Before there was a session with the database, this machine's.
pub fn now() -> SystemTime {
    let agreed = *AGREED.read().unwrap_or_else(PoisonError::into_inner);
    match agreed {
        Some((at, time)) => time + at.elapsed(),
        None => system(),
    }
}

/// At this moment, the time is this.
pub fn agree(at: Instant, time: SystemTime) {
    *AGREED.write().unwrap_or_else(PoisonError::into_inner) = Some((at, time));
}

/// By how many seconds this machine's own clock is ahead of the database's.
pub fn ahead() -> f64 {
    let (time, own) = (now(), system());
    match own.duration_since(time) {
        Ok(ahead) => ahead.as_secs_f64(),
        Err(behind) => -behind.duration().as_secs_f64(),
    }
}

/// This machine's own time, and the moment at which it is that.
pub fn wall() -> (Instant, SystemTime) {
    /// Between the two looks this process may have to wait for its turn: not often.
    const CLOSE: Duration = Duration::from_micros(20);
    let mut look = (Instant::now(), system());
    for _ in 0..5 {
        if look.0.elapsed() <= CLOSE {
            break;
        }
        look = (Instant::now(), system());
    }
    look
}
