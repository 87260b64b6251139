//! Results that the server refuses, with what the receiver answered and without. The reason may pass, such as a quota of the
//! disk, which PostgreSQL reports like a damaged row, or a trigger of the application: they are tried again.

use crate::model::Attempt;
use std::time::Duration;
use tokio::time::Instant;

/// Pause before the first try, doubled up to the longest while none of them is taken.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// In the order in which they were refused.
#[derive(Default)]
pub(super) struct Refused {
    waiting: Vec<Attempt>,
    next_try: Option<Instant>,
    pause: Option<Duration>,
}

impl Refused {
    /// When to try again; `None`: there is none.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.next_try.filter(|_| !self.waiting.is_empty())
    }

    /// These are refused.
    pub(super) fn add(&mut self, attempts: impl IntoIterator<Item = Attempt>, now: Instant) {
        self.waiting.extend(attempts);
        self.next_try
            .get_or_insert(now + self.pause.unwrap_or(FIRST_PAUSE));
    }

    /// The results that may be tried again, without those of sessions that are lost: their deliveries are made anew.
    pub(super) fn take_due(&mut self, lost_sessions: u64, now: Instant) -> Vec<Attempt> {
        self.waiting
            .retain(|attempt| attempt.session == lost_sessions);
        match self.next_try {
            Some(at) if at <= now => {
                self.next_try = None;
                std::mem::take(&mut self.waiting)
            }
            _ => Vec::new(),
        }
    }

    /// They were tried again, and some were taken or none.
    pub(super) fn tried(&mut self, were_some_taken: bool) {
        let pause = self.pause.unwrap_or(FIRST_PAUSE);
        self.pause = (!were_some_taken).then_some((pause * 2).min(LONGEST_PAUSE));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EndpointSignal;
    use uuid::Uuid;

    fn attempt(id: u128, session: u64) -> Attempt {
        let id = Uuid::from_u128(id);
        Attempt {
            session,
            ..Attempt::sample(id, id, EndpointSignal::Success)
        }
    }

    #[test]
    fn they_are_tried_again_ever_more_seldom_until_one_is_taken() {
        let mut refused = Refused::default();
        let mut now = Instant::now();
        assert_eq!(refused.next_try(), None);
        for seconds in [5, 10, 20, 40, 60, 60] {
            refused.add([attempt(1, 0), attempt(2, 0)], now);
            assert_eq!(refused.next_try(), Some(now + Duration::from_secs(seconds)));
            assert!(refused.take_due(0, now).is_empty());
            now += Duration::from_secs(seconds);
            assert_eq!(refused.take_due(0, now).len(), 2);
            refused.tried(false);
        }
        refused.tried(true);
        refused.add([attempt(1, 0)], now);
        assert_eq!(refused.next_try(), Some(now + FIRST_PAUSE));
    }

    #[test]
    fn one_more_does_not_put_off_the_others() {
        let mut refused = Refused::default();
        let now = Instant::now();
        refused.add([attempt(1, 0)], now);
        refused.add([attempt(2, 0)], now + Duration::from_secs(4));
        assert_eq!(refused.take_due(0, now + FIRST_PAUSE).len(), 2);
    }

    #[test]
    fn those_of_a_lost_session_are_forgotten() {
        let mut refused = Refused::default();
        let now = Instant::now();
        refused.add([attempt(1, 0), attempt(2, 1)], now);
        let due = refused.take_due(1, now + FIRST_PAUSE);
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].delivery_id, Uuid::from_u128(2));
    }
}
