//! Which tokens were used.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use uuid::Uuid;

/// The tokens that were used since they were last noted.
#[derive(Clone, Default)]
pub struct TokenUses(Arc<Mutex<HashSet<Uuid>>>);

impl TokenUses {
    /// A token was used.
    pub fn add(&self, token_id: Uuid) {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(token_id);
    }

    pub(super) fn take(&self) -> Vec<Uuid> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.drain().collect()
    }
}
