//! The promise, checked: every committed event arrives at least once, no rolled-back one ever.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::receiver::Receiver;

/// The outcome of each event. Publishers may share a ledger.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Entries>);

#[derive(Debug, Default, Clone)]
struct Entries {
    committed: BTreeSet<Uuid>,
    rolled_back: BTreeSet<Uuid>,
    uncertain: BTreeSet<Uuid>,
    lost: BTreeSet<Uuid>,
}

impl Ledger {
    /// Its transaction has committed.
    pub fn committed(&self, event: Uuid) {
        self.entries().committed.insert(event);
    }

    /// Its transaction was rolled back.
    pub fn rolled_back(&self, event: Uuid) {
        self.entries().rolled_back.insert(event);
    }

    /// The connection broke during COMMIT: the database knows, see [`settle`](Self::settle).
    pub fn uncertain(&self, event: Uuid) {
        self.entries().uncertain.insert(event);
    }

    /// Looks up in `event_logs` what became of the uncertain events.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn settle(&self, client: &Client) -> Result<()> {
        let uncertain: Vec<_> = self.entries().uncertain.iter().copied().collect();
        let found = client
            .query(
                "select id from webhooks.event_logs where id = any ($1)",
                &[&uncertain],
            )
            .await
            .context("looking up uncertain events")?;
        let found: BTreeSet<Uuid> = found.iter().map(|row| row.get(0)).collect();
        let mut entries = self.entries();
        for event in std::mem::take(&mut entries.uncertain) {
            if found.contains(&event) {
                entries.committed.insert(event);
            } else {
                entries.rolled_back.insert(event);
            }
        }
        Ok(())
    }

    /// After a failover to a standby that had not got everything, or a restore to an earlier time: events that were
    /// committed and that the database does not have may have arrived, and need not.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn forget_lost(&self, client: &Client) -> Result<()> {
        let committed: Vec<_> = self.committed_events().into_iter().collect();
        let lost = client
            .query(
                "select c.id from unnest($1::uuid[]) c (id) where not exists (select from webhooks.event_logs e where e.id = c.id)",
                &[&committed],
            )
            .await
            .context("looking up what was lost")?;
        let mut entries = self.entries();
        for event in lost.iter().map(|row| row.get(0)) {
            entries.committed.remove(&event);
            entries.lost.insert(event);
        }
        Ok(())
    }

    /// The events that were committed, as far as is known.
    #[must_use]
    pub fn committed_events(&self) -> BTreeSet<Uuid> {
        self.entries().committed.clone()
    }

    /// Compares with what arrived.
    #[must_use]
    pub fn compare(&self, arrived: impl IntoIterator<Item = Uuid>) -> Comparison {
        let mut times: BTreeMap<Uuid, u64> = BTreeMap::new();
        for event in arrived {
            *times.entry(event).or_default() += 1;
        }
        let entries = self.entries().clone();
        let missing = |event: &&Uuid| !times.contains_key(event);
        let phantom = |event: &&Uuid| {
            ![&entries.committed, &entries.uncertain, &entries.lost]
                .iter()
                .any(|known| known.contains(*event))
        };
        Comparison {
            committed: entries.committed.len(),
            rolled_back: entries.rolled_back.len(),
            lost: entries.lost.len(),
            arrived: times.len(),
            duplicates: times.values().map(|n| n - 1).sum(),
            missing: entries.committed.iter().filter(missing).copied().collect(),
            phantoms: times.keys().filter(phantom).copied().collect(),
        }
    }

    /// Compares with what a receiver recorded.
    ///
    /// # Panics
    /// When a committed event did not arrive, or one arrived that was not committed.
    #[track_caller]
    pub fn assert_at_least_once(&self, receiver: &Receiver) -> Comparison {
        let arrivals = receiver.arrivals();
        let comparison = self.compare(arrivals.into_iter().map(|arrival| arrival.event_id));
        assert!(comparison.holds(), "the promise is broken: {comparison}");
        comparison
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A ledger against what arrived.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// Events that were committed.
    pub committed: usize,
    /// Events that were rolled back.
    pub rolled_back: usize,
    /// Events that were committed by a server that another one has replaced, which does not have them.
    pub lost: usize,
    /// Distinct events that arrived.
    pub arrived: usize,
    /// Arrivals beyond the first of each event.
    pub duplicates: u64,
    /// Committed, never arrived: lost.
    pub missing: Vec<Uuid>,
    /// Arrived, never committed.
    pub phantoms: Vec<Uuid>,
}

impl Comparison {
    /// Nothing is missing and there are no phantoms.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.missing.is_empty() && self.phantoms.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} committed, {} rolled back, {} lost, {} arrived, {} duplicates",
            self.committed, self.rolled_back, self.lost, self.arrived, self.duplicates
        )?;
        for (what, events) in [("missing", &self.missing), ("phantoms", &self.phantoms)] {
            if !events.is_empty() {
                let first: Vec<_> = events.iter().take(5).collect();
                write!(f, "; {} {what}, first {first:?}", events.len())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_losses_phantoms_and_duplicates() {
        let [kept, lost, undone, unsure] = std::array::from_fn(|_| Uuid::new_v4());
        let ledger = Ledger::default();
        ledger.committed(kept);
        ledger.rolled_back(undone);
        ledger.uncertain(unsure);
        let good = ledger.compare([kept, kept, unsure]);
        assert!(good.holds());
        assert_eq!((good.arrived, good.duplicates), (2, 1));
        ledger.committed(lost);
        let bad = ledger.compare([kept, undone]);
        assert_eq!((bad.missing, bad.phantoms), (vec![lost], vec![undone]));
    }
}
