//! Which timeline a server is on. Each promotion begins a new one with a higher number, so that a primary from before a
//! failover, which may come back and accept writes, is recognised by its lower one.

use crate::trouble::Cause;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A timeline of a database cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// The cluster's system identifier.
    pub system: String,
    /// Its number in the cluster.
    pub number: u32,
}

/// The timeline of the last session that was opened, which no later session goes back behind.
#[derive(Debug, Default)]
pub(super) struct NewestTimeline(Mutex<Option<Timeline>>);

impl NewestTimeline {
    /// A session on this timeline is about to be used.
    ///
    /// # Errors
    /// When there was one on a later timeline of the same cluster.
    pub(super) fn reach(&self, timeline: &Timeline) -> Result<(), Cause> {
        let mut newest = self.newest();
        match &*newest {
            Some(known) if known.system == timeline.system && known.number > timeline.number => {
                Err(Cause::OldTimeline {
                    timeline: timeline.number,
                    newest: known.number,
                })
            }
            _ => {
                *newest = Some(timeline.clone());
                Ok(())
            }
        }
    }

    /// Whether a session has been opened elsewhere since one on this timeline was.
    pub(super) fn has_left(&self, timeline: &Timeline) -> bool {
        self.newest().as_ref() != Some(timeline)
    }

    fn newest(&self) -> MutexGuard<'_, Option<Timeline>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(system: &str, number: u32) -> Timeline {
        Timeline {
            system: system.to_owned(),
            number,
        }
    }

    #[test]
    fn an_old_primary_is_refused_and_another_cluster_is_not() {
        let newest = NewestTimeline::default();
        for number in [1, 1, 2] {
            assert!(newest.reach(&timeline("a", number)).is_ok());
        }
        assert!(newest.has_left(&timeline("a", 1)));
        let refusal = newest.reach(&timeline("a", 1)).unwrap_err();
        assert!(refusal.to_string().contains("timeline 1"), "{refusal}");
        assert!(!newest.has_left(&timeline("a", 2)));
        assert!(newest.reach(&timeline("b", 1)).is_ok());
        assert!(newest.has_left(&timeline("a", 2)));
    }
}
