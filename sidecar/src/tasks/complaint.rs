//! Complaints about what lasts: said at once, then seldom, and once more when it is over.

use std::time::{Duration, Instant};

/// Until something is said again: this long at first, then twice as long each time.
const FIRST_GAP: Duration = Duration::from_secs(60);
const LONGEST_GAP: Duration = Duration::from_secs(3600);
/// Reasons that take turns, such as those of a server that starts: each is said by itself.
const REMEMBERED: usize = 8;

struct Said {
    reason: String,
    next: Instant,
    gap: Duration,
}

/// Something that does not work, and what was said of it.
#[derive(Default)]
pub struct Complaint {
    since: Option<Instant>,
    said: Vec<Said>,
}

impl Complaint {
    /// It does not work, for this reason. Returns: how long it lasts already, if that is to be said now.
    pub fn complain(&mut self, reason: &str, now: Instant) -> Option<Duration> {
        let lasted = now - *self.since.get_or_insert(now);
        if let Some(said) = self.said.iter_mut().find(|said| said.reason == reason) {
            if now < said.next {
                return None;
            }
            said.gap = (said.gap * 2).min(LONGEST_GAP);
            said.next = now + said.gap;
            return Some(lasted);
        }
        if self.said.len() == REMEMBERED {
            self.said.remove(0);
        }
        self.said.push(Said {
            reason: reason.to_owned(),
            next: now + FIRST_GAP,
            gap: FIRST_GAP,
        });
        Some(lasted)
    }

    /// It works. Returns: how long it did not, if there was a complaint.
    pub fn over(&mut self, now: Instant) -> Option<Duration> {
        self.said.clear();
        self.since.take().map(|since| now - since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_repeated_ever_more_seldom() {
        let start = Instant::now();
        let mut complaint = Complaint::default();
        let said: Vec<u64> = (0..86_400)
            .filter(|s| {
                let now = start + Duration::from_secs(*s);
                complaint.complain("no such role", now).is_some()
            })
            .collect();
        assert_eq!(said[..7], [0, 60, 180, 420, 900, 1860, 3780]);
        assert_eq!(said[8] - said[7], 3600);
        assert_eq!(said.len(), 29);
    }

    #[test]
    fn what_changes_or_is_over_is_said() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut complaint = Complaint::default();
        assert_eq!(complaint.over(at(0)), None);
        assert_eq!(complaint.complain("a", at(0)), Some(Duration::ZERO));
        assert_eq!(complaint.complain("b", at(1)), Some(Duration::from_secs(1)));
        // They take turns.
        assert_eq!(complaint.complain("a", at(2)), None);
        assert_eq!(complaint.complain("b", at(3)), None);
        assert_eq!(complaint.over(at(4)), Some(Duration::from_secs(4)));
        assert_eq!(complaint.complain("a", at(5)), Some(Duration::ZERO));
        for n in 0..100 {
            complaint.complain(&n.to_string(), at(6));
        }
        assert!(complaint.said.len() <= REMEMBERED);
    }
}
