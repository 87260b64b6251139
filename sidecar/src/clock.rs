//! The clock for the log's times, signatures' timestamps and Retry-After dates. Nothing waits by it.
//!
//! It agrees with that of the database, where events have their times, and goes on by the monotonic clock: when somebody
//! sets this machine's clock, nothing jumps.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

#[cfg(feature = "failpoints")]
use crate::failpoint::clock as system;

/// The clock of a database. What the time was at one moment, if that is known.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<RwLock<Option<(Instant, SystemTime)>>>);

#[cfg(not(feature = "failpoints"))]
fn system() -> SystemTime {
    SystemTime::now()
}

impl Clock {
    /// The time. Before there was a session with the database, this machine's.
    pub fn now(&self) -> SystemTime {
        let agreed = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        match agreed {
            Some((at, time)) => time + at.elapsed(),
            None => system(),
        }
    }

    /// At this moment, the time is this.
    pub fn agree(&self, at: Instant, time: SystemTime) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((at, time));
    }

    /// By how many seconds this machine's own clock is ahead of the database's.
    pub fn ahead(&self) -> f64 {
        let (time, own) = (self.now(), system());
        match own.duration_since(time) {
            Ok(ahead) => ahead.as_secs_f64(),
            Err(behind) => -behind.duration().as_secs_f64(),
        }
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
