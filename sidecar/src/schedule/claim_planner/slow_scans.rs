//! Slow scans: a full scan that goes over many dead rows, which some transaction keeps vacuum from removing, is made
//! less often. So are looks at lanes, which begin at the beginning of each.
//!
//! ```text
//!           a slow scan                another one
//!   Quick --------------> Suspected ----------------> Pausing --+ a slow one, after the pause
//!     ^ ^                     |                        |  ^     |
//!     | |    a quick scan     |                        |  +-----+
//!     | +---------------------+                        |
//!     +------------------------------------------------+
//!                  a quick one, after the pause
//! ```

use std::time::{Duration, Instant};

/// A scan that takes the server longer, beside [`SLOW_ROW`] for each row it finds, goes over many dead rows.
const SLOW_SCAN: Duration = Duration::from_millis(20);
const SLOW_ROW: Duration = Duration::from_micros(50);
/// Slow scans take one part in so many of the time; claims between them look behind what was read. What is committed
/// long after its id was made, and what is not among the newest, waits for the next scan.
const SLOW_SCAN_PART: u32 = 20;
/// Longest pause between slow scans.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A scan that takes so long is worth a warning, once in [`WARNING_INTERVAL`].
const VERY_SLOW_SCAN: Duration = Duration::from_millis(100);
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Whether a scan that found so many rows was slow.
pub(super) fn is_slow(took: Duration, rows: usize) -> bool {
    took > SLOW_SCAN + SLOW_ROW * u32::try_from(rows).unwrap_or(u32::MAX)
}

/// When the next scans may be made.
pub struct SlowScans {
    /// No full scan before this time.
    scan_at: Instant,
    /// Between full scans, no look at lanes.
    lanes_at: Instant,
    warn_at: Instant,
    /// The last full scan was slow.
    was_slow: bool,
    /// So was the one before.
    are_slow: bool,
}

impl SlowScans {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            scan_at: now,
            lanes_at: now,
            warn_at: now,
            was_slow: false,
            are_slow: false,
        }
    }

    /// A full scan may be made from this time on.
    pub(super) fn scan_at(&self) -> Instant {
        self.scan_at
    }

    /// Whether a claim of backlogs may look at lanes.
    pub fn may_read_lanes(&self, now: Instant) -> bool {
        now >= self.lanes_at
    }

    /// Whether scans are slow: then what has no queue would have to wait for the next one.
    pub fn are_slow(&self) -> bool {
        self.are_slow
    }

    /// A full scan was made. Returns how long it took if that is worth a warning.
    pub(super) fn on_scanned(
        &mut self,
        is_slow: bool,
        took: Duration,
        now: Instant,
    ) -> Option<Duration> {
        // Once may be a busy machine, or the first plan of a session.
        self.are_slow = is_slow && self.was_slow;
        self.was_slow = is_slow;
        if !self.are_slow {
            return None;
        }
        self.scan_at = now + pause(took);
        if took <= VERY_SLOW_SCAN || now < self.warn_at {
            return None;
        }
        self.warn_at = now + WARNING_INTERVAL;
        Some(took)
    }

    /// Backlogs were read.
    pub(super) fn on_backlogs_read(&mut self, is_slow: bool, took: Duration, now: Instant) {
        if is_slow {
            self.lanes_at = now + pause(took);
        }
    }
}

fn pause(took: Duration) -> Duration {
    (took * (SLOW_SCAN_PART - 1)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn many_rows_may_take_longer() {
        for (ms, rows, expected) in [
            (20, 0, false),
            (21, 0, true),
            (40, 400, false),
            (41, 400, true),
        ] {
            assert_eq!(is_slow(MS * ms, rows), expected, "{ms} ms, {rows} rows");
        }
    }

    #[test]
    fn slow_scans_are_made_less_often_until_one_is_quick() {
        let now = Instant::now();
        let mut scans = SlowScans::new(now);
        for (is_slow, ms, are_slow, pause, warns) in [
            (true, 50, false, 0, false),
            (false, 5, false, 0, false),
            (true, 50, false, 0, false),
            (true, 50, true, 950, false),
            (true, 101, true, 1919, true),
            (true, 60_000, true, 10_000, false),
            (false, 5, false, 10_000, false),
        ] {
            let warning = scans.on_scanned(is_slow, MS * ms, now);
            assert_eq!(warning, warns.then_some(MS * ms));
            assert_eq!(scans.are_slow(), are_slow);
            assert_eq!(scans.scan_at(), now + MS * pause);
        }
    }

    #[test]
    fn a_slow_look_at_lanes_puts_off_the_next() {
        let now = Instant::now();
        let mut scans = SlowScans::new(now);
        scans.on_backlogs_read(false, MS, now);
        assert!(scans.may_read_lanes(now));
        scans.on_backlogs_read(true, 50 * MS, now);
        assert!(!scans.may_read_lanes(now + 949 * MS));
        assert!(scans.may_read_lanes(now + 950 * MS));
        assert_eq!(scans.scan_at(), now);
    }
}
