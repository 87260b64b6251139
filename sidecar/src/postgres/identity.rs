//! Which database a session is with, as the server knows it: two connection strings may lead to the same one, by other
//! names of its host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use webhooks_connection::timeline::Timeline;

/// The cluster's system identifier, and the database in it.
type Identity = (String, String);

/// The databases that this process delivers from, and under which names.
#[derive(Clone, Default)]
pub struct Identities(Arc<Mutex<HashMap<Identity, String>>>);

impl Identities {
    /// A session of the database of this name is with this cluster. What was known of it before is forgotten.
    ///
    /// # Errors
    /// The name under which the same database is delivered from already.
    pub(super) fn claim(
        &self,
        timeline: &Timeline,
        database: &str,
        name: &str,
    ) -> Result<(), String> {
        let identity = (timeline.system.clone(), database.to_owned());
        let mut known = self.lock();
        match known.get(&identity) {
            Some(other) if other != name => Err(other.clone()),
            _ => {
                known.retain(|_, other| other != name);
                known.insert(identity, name.to_owned());
                Ok(())
            }
        }
    }

    /// The database of this name is no longer delivered from.
    pub fn release(&self, name: &str) {
        self.lock().retain(|_, other| other != name);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identity, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_has_one_name() {
        let identities = Identities::default();
        let on = |system: &str| Timeline {
            system: system.to_owned(),
            number: 1,
        };
        assert_eq!(identities.claim(&on("1"), "app", "a/app"), Ok(()));
        assert_eq!(identities.claim(&on("1"), "app", "a/app"), Ok(()));
        let twice = identities.claim(&on("1"), "app", "b/app");
        assert_eq!(twice, Err("a/app".to_owned()));
        assert_eq!(identities.claim(&on("1"), "other", "a/other"), Ok(()));
        assert_eq!(identities.claim(&on("2"), "app", "c/app"), Ok(()));
        // It follows its server.
        assert_eq!(identities.claim(&on("3"), "app", "a/app"), Ok(()));
        assert_eq!(identities.claim(&on("1"), "app", "b/app"), Ok(()));
        identities.release("b/app");
        assert_eq!(identities.claim(&on("1"), "app", "a/app"), Ok(()));
    }
}
