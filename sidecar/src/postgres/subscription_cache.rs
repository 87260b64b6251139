//! The subscriptions that are loaded already, once per version.

use super::load::{Loaded, load};
use super::owner::Owner;
use crate::model::{Receiver, Settings, Subscription};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Error;
use uuid::Uuid;

/// Subscriptions by id, each in the newest version seen.
#[derive(Default)]
pub struct Subscriptions {
    known: HashMap<Uuid, Arc<Subscription>>,
    /// Bytes of templates that were compiled for them.
    template_bytes: usize,
    longest_timeout: Duration,
    /// Those known of which the row can't be read.
    unreadable: Vec<Uuid>,
}

/// Beyond so many the cache starts anew: it only saves re-reading.
const MAX_KNOWN: usize = 20_000;
/// … and beyond so many bytes of templates, which take some ten times as many compiled.
const MAX_TEMPLATE_BYTES: usize = 4 * 1024 * 1024;

impl Subscriptions {
    /// Loads those of `wanted` (id and version) that are not known in that version; returns what is known of their
    /// receivers.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn load(
        &mut self,
        owner: &Owner,
        settings: &Settings,
        wanted: &[(Uuid, i64)],
    ) -> Result<Vec<Receiver>, Error> {
        let mut receivers = Vec::new();
        // What was wrong with them may have passed.
        let unreadable = std::mem::take(&mut self.unreadable);
        self.forget(&unreadable);
        let missing: Vec<Uuid> = wanted
            .iter()
            .filter(|(id, version)| self.known.get(id).is_none_or(|s| s.version != *version))
            .map(|(id, _)| *id)
            .collect();
        if missing.is_empty() {
            return Ok(receivers);
        }
        if self.known.len() + missing.len() > MAX_KNOWN || self.template_bytes > MAX_TEMPLATE_BYTES
        {
            self.clear();
        }
        let versions: HashMap<Uuid, i64> = wanted.iter().copied().collect();
        let wanted: Vec<Uuid> = if self.known.is_empty() {
            wanted.iter().map(|(id, _)| *id).collect()
        } else {
            missing
        };
        let (loaded, unreadable) = load(owner, settings, &wanted).await?;
        for Loaded {
            subscription,
            template_bytes,
            receiver,
        } in loaded
        {
            self.template_bytes += template_bytes;
            self.longest_timeout = self.longest_timeout.max(subscription.timeout);
            receivers.extend(receiver);
            self.known.insert(subscription.id, Arc::new(subscription));
        }
        for (id, reason) in unreadable {
            let version = versions.get(&id).copied().unwrap_or_default();
            let subscription = Subscription::unreadable(id, version, reason, settings);
            self.known.insert(id, Arc::new(subscription));
            self.unreadable.push(id);
        }
        Ok(receivers)
    }

    /// Loads these once more.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn reload(
        &mut self,
        owner: &Owner,
        settings: &Settings,
        ids: &[Uuid],
    ) -> Result<Vec<Arc<Subscription>>, Error> {
        self.forget(ids);
        // One that can't be read is asked for nothing.
        let (loaded, _) = load(owner, settings, ids).await?;
        let subscriptions = loaded.into_iter().map(|one| Arc::new(one.subscription));
        Ok(subscriptions.collect())
    }

    /// The longest timeout_seconds seen.
    pub fn longest_timeout(&self) -> Duration {
        self.longest_timeout
    }

    /// The newest version loaded; `None` if it was deleted since it was claimed.
    pub fn get(&self, id: Uuid) -> Option<Arc<Subscription>> {
        self.known.get(&id).cloned()
    }

    /// Those of some that are known.
    pub fn all_of(&self, ids: &[Uuid]) -> impl Iterator<Item = &Arc<Subscription>> {
        ids.iter().filter_map(|id| self.known.get(id))
    }

    /// Forgets some: one that was deleted and made again under the same id starts at the same version.
    pub fn forget(&mut self, changed: &[Uuid]) {
        for id in changed {
            self.known.remove(id);
        }
    }

    /// Forgets everything: settings that the subscriptions carry have changed.
    pub fn clear(&mut self) {
        self.known.clear();
        self.template_bytes = 0;
    }
}
