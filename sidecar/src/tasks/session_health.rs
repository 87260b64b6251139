//! The connection with the database as seen by an operator: what is wrong with it, for how long, and whose clock is
//! right.

use super::complaint::Complaint;
use crate::clock::Clock;
use crate::postgres::clock_skew::{Sample, Skew, Verdict};
use crate::postgres::trouble::Trouble;
use std::time::{Duration, Instant};

/// For so long there was no session with the database that it ends, as --give-up-after has it.
#[derive(Debug, thiserror::Error)]
#[error("giving up: no session with the database for {} s (--give-up-after): {}", lasted.as_secs(), trouble.words)]
pub struct GaveUp {
    pub trouble: Trouble,
    lasted: Duration,
}

/// What is wrong with the session, and what was said of it.
pub struct SessionHealth {
    give_up_after: Option<Duration>,
    clock: Clock,
    complaint: Complaint,
    /// Since when there was no session that was of use.
    unusable_since: Option<Instant>,
    trouble: Option<Trouble>,
    /// How far the clocks differ.
    skew: Skew,
    skew_complaint: Complaint,
}

impl SessionHealth {
    /// There is no session yet. `clock` is set by the server's.
    pub fn new(give_up_after: Option<Duration>, clock: Clock, now: Instant) -> Self {
        Self {
            give_up_after,
            clock,
            complaint: Complaint::default(),
            unusable_since: Some(now),
            trouble: None,
            skew: Skew::default(),
            skew_complaint: Complaint::default(),
        }
    }

    /// Says what is wrong, while so many requests are under way: at once, and then ever more seldom.
    pub fn complain(&mut self, trouble: &Trouble, in_flight: usize, now: Instant) {
        self.unusable_since.get_or_insert(now);
        self.trouble = Some(trouble.clone());
        let Some(lasted) = self.complaint.complain(&trouble.words, now) else {
            return;
        };
        let for_seconds = lasted.as_secs();
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

    /// Whether the session is of use.
    pub fn is_usable(&self) -> bool {
        self.unusable_since.is_none()
    }

    /// The session is of use.
    pub fn on_usable(&mut self, now: Instant) {
        self.unusable_since = None;
        self.trouble = None;
        if let Some(lasted) = self.complaint.over(now) {
            tracing::info!(
                after_seconds = lasted.as_secs(),
                "there is a session with the database again"
            );
        }
    }

    /// By how many seconds this machine's clock is ahead of the server's.
    pub fn clock_ahead(&self) -> f64 {
        self.clock.ahead()
    }

    /// When to give up, if there is no session of use until then.
    pub fn give_up_at(&self) -> Option<Instant> {
        Some(self.unusable_since? + self.give_up_after?)
    }

    /// Whether it is time to.
    pub fn gives_up(&self, now: Instant) -> Option<GaveUp> {
        let lasted = now - self.unusable_since?;
        let unknown = || Trouble::passing("the first attempt to connect had no end");
        (now >= self.give_up_at()?).then(|| GaveUp {
            trouble: self.trouble.clone().unwrap_or_else(unknown),
            lasted,
        })
    }

    /// Goes by the server's clock, and says if this machine's differs.
    pub fn set_clock(&mut self, sample: &Sample, now: Instant) {
        let Some(reading) = self.skew.take(sample) else {
            return;
        };
        self.clock.agree(reading.at, reading.time);
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
