//! Crowded destinations, which have as many requests under way as they may (--concurrency-per-destination): queues whose
//! first delivery goes there wait, outside the rotation, so that they hold up no others.
//!
//! ```text
//!              its destination is crowded
//!   InRotation --------------------------> SetAside
//!       ^                                      |
//!       +--------------------------------------+
//!         a request to the destination ended, and it has waited longest
//! ```
//! How many requests a destination has is not known here: all databases of the process send to it.

use crate::model::Destination;
use std::collections::{HashMap, VecDeque};
use uuid::Uuid;

/// Which queues wait for which destination.
#[derive(Default)]
pub(super) struct Crowded {
    waiting: HashMap<Destination, VecDeque<Uuid>>,
}

impl Crowded {
    /// A queue waits, outside the rotation.
    pub(super) fn set_aside(&mut self, destination: Destination, queue: Uuid) {
        self.waiting
            .entry(destination)
            .or_default()
            .push_back(queue);
    }

    /// Takes out those that have waited longest.
    pub(super) fn take(&mut self, destination: &Destination, most: usize) -> Vec<Uuid> {
        let Some(queues) = self.waiting.get_mut(destination) else {
            return Vec::new();
        };
        let taken = queues.drain(..most.min(queues.len())).collect();
        if queues.is_empty() {
            self.waiting.remove(destination);
        }
        taken
    }

    pub(super) fn is_waited_for(&self, destination: &Destination) -> bool {
        self.waiting.contains_key(destination)
    }

    pub(super) fn destinations(&self) -> impl Iterator<Item = &Destination> {
        self.waiting.keys()
    }

    /// Queues that are no longer there wait for nothing.
    pub(super) fn retain(&mut self, is_there: impl Fn(Uuid) -> bool) {
        self.waiting.retain(|_, queues| {
            queues.retain(|queue| is_there(*queue));
            !queues.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    #[test]
    fn who_has_waited_longest_goes_first() {
        let [a, b] =
            ["http://a/", "http://b/"].map(|url| Destination::of(&Url::parse(url).unwrap()));
        let queues = [1, 2, 3].map(Uuid::from_u128);
        let mut crowded = Crowded::default();
        for queue in queues {
            crowded.set_aside(a.clone(), queue);
        }
        crowded.set_aside(b.clone(), queues[0]);
        assert_eq!(crowded.take(&a, 2), queues[..2]);
        crowded.set_aside(a.clone(), queues[0]);
        crowded.retain(|queue| queue != queues[0]);
        assert!(!crowded.is_waited_for(&b));
        assert_eq!(crowded.take(&a, 2), queues[2..]);
        assert_eq!(crowded.destinations().count(), 0);
    }
}
