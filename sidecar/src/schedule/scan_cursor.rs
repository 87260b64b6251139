//! A scan cursor: up to which delivery claims have read a subscription's backlog, its lanes aside. While dead rows pile
//! up in the queue's index, because some transaction keeps them from being removed, claims read only behind it.
//!
//! ```text
//!               advance
//!   Unknown ------------> At(id) --+ advance: to the later id, unless the same claim rewound it
//!      ^                   |  ^    | rewind: to before the earlier id
//!      |       reset       |  +----+
//!      +-------------------+
//! ```

use uuid::Uuid;

/// The cursor of one subscription.
#[derive(Default)]
pub(super) struct ScanCursor {
    /// Whatever was ready up to this id is in memory or was. `None`: not known.
    position: Option<Uuid>,
    /// The claim since which something ready is known not to be here: what that claim brings beyond it is no news.
    rewound_in: u64,
}

impl ScanCursor {
    /// A claim brought this delivery, in order of ids with all others of its subscription that were ready; it is here.
    pub(super) fn advance(&mut self, id: Uuid, claim: u64) {
        if self.rewound_in != claim {
            self.position = self.position.max(Some(id));
        }
    }

    /// This delivery is ready, and not here: a claim has to read from it on.
    pub(super) fn rewind(&mut self, id: Uuid, claim: u64) {
        self.rewound_in = claim;
        let before = Uuid::from_u128(id.as_u128().saturating_sub(1));
        self.position = self.position.map(|position| position.min(before));
    }

    /// What is ready is no longer known.
    pub(super) fn reset(&mut self) {
        self.position = None;
    }

    /// A claim reads behind this id.
    pub(super) fn position(&self) -> Uuid {
        self.position.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_cursor_that_was_rewound_waits_for_a_later_claim() {
        let mut cursor = ScanCursor::default();
        let [one, five, nine] = [1, 5, 9].map(Uuid::from_u128);
        assert_eq!(cursor.position(), Uuid::nil());
        cursor.advance(five, 1);
        cursor.rewind(nine, 1);
        assert_eq!(cursor.position(), five, "what is behind it is read anyway");
        cursor.rewind(five, 1);
        assert_eq!(cursor.position(), Uuid::from_u128(4));
        cursor.advance(nine, 1);
        assert_eq!(cursor.position(), Uuid::from_u128(4));
        cursor.advance(nine, 2);
        assert_eq!(cursor.position(), nine);
        cursor.reset();
        cursor.rewind(one, 2);
        assert_eq!(cursor.position(), Uuid::nil());
    }

    proptest! {
        /// Claims bring what is behind the cursor, some of it is released: nothing that is not in memory is ever
        /// skipped.
        #[test]
        fn nothing_ready_is_before_the_cursor(
            backlog in prop::collection::btree_set(1_u128..60, 0..40),
            steps in prop::collection::vec((0_usize..12, prop::collection::vec(1_u128..60, 0..4)), 1..20),
        ) {
            let mut cursor = ScanCursor::default();
            let mut here = BTreeSet::new();
            for (number, (most, released)) in steps.into_iter().enumerate() {
                let claim = number as u64 + 1;
                let position = cursor.position().as_u128();
                let brought: Vec<u128> = backlog
                    .range(position + 1..)
                    .filter(|id| !here.contains(*id))
                    .take(most)
                    .copied()
                    .collect();
                for id in brought {
                    here.insert(id);
                    cursor.advance(Uuid::from_u128(id), claim);
                }
                for id in released {
                    if here.remove(&id) {
                        cursor.rewind(Uuid::from_u128(id), claim);
                    }
                }
                let position = cursor.position().as_u128();
                for id in backlog.range(..=position) {
                    prop_assert!(here.contains(id), "{id} is before {position}");
                }
            }
        }
    }
}
