//! The connection with the database as seen by an operator: what is wrong with it, for how long, and whose clock is
//! right.

use super::{Engine, GaveUp};
use crate::clock;
use crate::postgres::clock_skew::{Sample, Verdict};
use crate::postgres::trouble::Trouble;
use std::time::Instant;

impl Engine {
    /// Says what is wrong: at once, and then ever more seldom.
    pub(super) fn complain(&mut self, trouble: &Trouble) {
        let now = Instant::now();
        self.unusable_since.get_or_insert(now);
        self.trouble = Some(trouble.clone());
        let Some(lasted) = self.complaint.complain(&trouble.words, now) else {
            return;
        };
        let (in_flight, for_seconds) = (self.scheduler.in_flight(), lasted.as_secs());
        let words = &trouble.words;
        if trouble.is_permanent {
            tracing::error!(
                in_flight,
                for_seconds,
                "no session with the database until this is put right: {words}"
            );
        } else {
            tracing::warn!(
                in_flight,
                for_seconds,
                "no session with the database, reconnecting: {words}"
            );
        }
    }

    /// The session is of use.
    pub(super) fn usable(&mut self) {
        let now = Instant::now();
        self.unusable_since = None;
        self.trouble = None;
        if let Some(lasted) = self.complaint.over(now) {
            tracing::info!(
                after_seconds = lasted.as_secs(),
                "there is a session with the database again"
            );
        }
    }

    /// What was wrong when the last attempt ended.
    pub(super) fn last_trouble(&self) -> Trouble {
        let unknown = || Trouble::passing("the first attempt to connect had no end");
        self.trouble.clone().unwrap_or_else(unknown)
    }

    /// When to give up, if there is no session of use until then.
    pub(super) fn give_up_at(&self) -> Option<Instant> {
        Some(self.unusable_since? + self.args.give_up_after?)
    }

    /// Whether it is time to.
    pub(super) fn gives_up(&self, trouble: Trouble) -> Option<GaveUp> {
        let now = Instant::now();
        let lasted = now - self.unusable_since?;
        (now >= self.give_up_at()?).then_some(GaveUp { trouble, lasted })
    }

    /// Goes by the server's clock, and says if this machine's differs.
    pub(super) fn set_clock(&mut self, sample: &Sample, now: Instant) {
        let Some(reading) = self.skew.take(sample) else {
            return;
        };
        clock::agree(reading.at, reading.time);
        match reading.verdict {
            Verdict::Nothing => {}
            Verdict::AgreesAgain => {
                self.skew_complaint.over(now);
                tracing::info!("this machine's clock agrees with the database server's again");
            }
            Verdict::Differs(ahead) => {
                let (seconds, side) =
                    (ahead.abs(), if ahead < 0.0 { "ahead of" } else { "behind" });
                if self.skew_complaint.complain(side, now).is_none() {
                    return;
                }
                tracing::warn!(
                    skew_seconds = (ahead * 1000.0).round() / 1000.0,
                    "this machine's clock is {seconds:.1} s {side} the database server's; signatures and attempted_at go by the server's, which receivers compare with their own: set both clocks by NTP"
                );
            }
        }
    }
}
