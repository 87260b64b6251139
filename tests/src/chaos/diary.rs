//! The published events with their publishers and tenants: the ledger, and facts that the ledger does not have.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::subscription::{Facts, Subscription};
use crate::ledger::Ledger;

/// An event whose publication was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Numbers of the subscriptions that match it.
    pub wanted: Vec<usize>,
    /// Its key, and its number among the key's events.
    pub place: Option<(usize, u64)>,
}

/// Kept outside the database.
#[derive(Debug)]
pub struct Diary {
    /// The outcome of each event.
    pub ledger: Ledger,
    /// All subscriptions.
    pub subscriptions: Vec<Subscription>,
    published: Mutex<HashMap<Uuid, Published>>,
}

impl Diary {
    /// An empty one.
    #[must_use]
    pub fn new(subscriptions: Vec<Subscription>) -> Self {
        Self {
            ledger: Ledger::default(),
            subscriptions,
            published: Mutex::default(),
        }
    }

    /// An event has its id; its transaction is still open.
    pub fn publishing(&self, event: Uuid, facts: &Facts, place: Option<(usize, u64)>) {
        let all = self.subscriptions.iter().enumerate();
        let wanted = all
            .filter(|(_, subscription)| subscription.matches(facts))
            .map(|(number, _)| number)
            .collect();
        self.entries().insert(event, Published { wanted, place });
    }

    /// All of them.
    #[must_use]
    pub fn published(&self) -> HashMap<Uuid, Published> {
        self.entries().clone()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Uuid, Published>> {
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
