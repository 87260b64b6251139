//! The promises, compared with the events of the run.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::Struck;
use super::diary::Published;
use super::receipts::Receipt;
use super::subscription::Subscription;

/// Requests that were answered within so long before a fault may not have been recorded for good. The sidecar records in
/// batches, one statement after another, and without waiting for the disk (`synchronous_commit = off`): a crash of
/// the server loses what is younger than three times its `wal_writer_delay` of 200 ms.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// All that is known at the end.
#[derive(Debug)]
pub struct Evidence {
    /// Every event that was committed.
    pub committed: BTreeSet<Uuid>,
    /// Every event that was tried.
    pub published: HashMap<Uuid, Published>,
    /// All subscriptions.
    pub subscriptions: Vec<Subscription>,
    /// All requests, in order of arrival.
    pub receipts: Vec<Receipt>,
    /// All faults, in order.
    pub struck: Vec<Struck>,
    /// The longest time that the first delivery after a fault may take.
    pub recovery_target: Duration,
}

/// A promise and each case in which it was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The promise.
    pub promise: &'static str,
    /// At least one.
    pub cases: Vec<String>,
}

/// How much there was.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Events that were committed.
    pub committed: usize,
    /// Events that were not.
    pub rolled_back: usize,
    /// Committed events that no subscription matches.
    pub unmatched: usize,
    /// Event and subscription that matches it.
    pub deliveries: usize,
    /// Requests.
    pub requests: usize,
    /// Requests again after something else than 200.
    pub retries: usize,
    /// Requests again although 200 was answered to an earlier one.
    pub repeats: usize,
    /// Answers of 200 that a fault may have kept from being recorded: the most there may be of repeats.
    pub exposed: usize,
}

impl Evidence {
    /// Every promise that was broken.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let checks = [
            ("every committed event is delivered", self.lost()),
            ("nothing arrives that was not committed", self.phantoms()),
            ("nothing arrives where it does not match", self.misrouted()),
            ("every request is signed", self.unsigned()),
            ("a key's events arrive in order", self.overtaken()),
            ("only what a fault hit is repeated", self.unexplained()),
            ("deliveries go on soon after a fault", self.slow()),
        ];
        let broken = checks.into_iter().filter(|(_, cases)| !cases.is_empty());
        broken
            .map(|(promise, cases)| Violation { promise, cases })
            .collect()
    }

    /// How much there was.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let committed = || self.published.iter().filter(|(id, _)| self.is(id));
        let repeats = self.repeats().len();
        let again = self.histories().into_values().map(|h| h.len() - 1);
        Counts {
            committed: self.committed.len(),
            rolled_back: self.published.len() - self.committed.len(),
            unmatched: committed().filter(|(_, p)| p.wanted.is_empty()).count(),
            deliveries: committed().map(|(_, p)| p.wanted.len()).sum(),
            requests: self.receipts.len(),
            retries: again.sum::<usize>() - repeats,
            repeats,
            exposed: self.exposed(),
        }
    }

    fn is(&self, event: &Uuid) -> bool {
        self.committed.contains(event)
    }

    fn name(&self, subscription: usize) -> &str {
        &self.subscriptions[subscription].name
    }

    fn lost(&self) -> Vec<String> {
        let delivered: BTreeSet<_> = self
            .receipts
            .iter()
            .filter(|receipt| receipt.delivered.is_some())
            .map(|receipt| (receipt.event, receipt.subscription))
            .collect();
        let mut lost = Vec::new();
        for event in &self.committed {
            let wanted = self.published.get(event).map(|p| &p.wanted);
            for subscription in wanted.into_iter().flatten() {
                if !delivered.contains(&(*event, *subscription)) {
                    lost.push(format!("{event} to {}", self.name(*subscription)));
                }
            }
        }
        lost
    }

    fn phantoms(&self) -> Vec<String> {
        let phantoms = self.receipts.iter().filter(|r| !self.is(&r.event));
        phantoms
            .map(|r| format!("{} to {}", r.event, self.name(r.subscription)))
            .collect()
    }

    fn misrouted(&self) -> Vec<String> {
        let mut misrouted = Vec::new();
        for receipt in &self.receipts {
            let published = self.published.get(&receipt.event);
            if published.is_some_and(|p| !p.wanted.contains(&receipt.subscription)) {
                let name = self.name(receipt.subscription);
                misrouted.push(format!("{} to {name}", receipt.event));
            }
        }
        misrouted
    }

    fn unsigned(&self) -> Vec<String> {
        let unsigned = self.receipts.iter().filter(|receipt| !receipt.signed);
        unsigned
            .map(|r| format!("{} to {}", r.event, self.name(r.subscription)))
            .collect()
    }

    /// Events of a key whose first receipt came before an earlier event of it had been delivered.
    fn overtaken(&self) -> Vec<String> {
        let mut overtaken = Vec::new();
        let ordered = self.subscriptions.iter().enumerate();
        for (number, subscription) in ordered.filter(|(_, s)| s.ordered) {
            // Per key, by place: when it first arrived, when it was first delivered.
            type Times = (Uuid, Instant, Option<Instant>);
            let mut keys: BTreeMap<usize, BTreeMap<u64, Times>> = BTreeMap::new();
            for receipt in self.receipts.iter().filter(|r| r.subscription == number) {
                let published = self.published.get(&receipt.event);
                if let Some((key, place)) = published.and_then(|p| p.place) {
                    let first = (receipt.event, receipt.arrived, None);
                    let times = keys.entry(key).or_default().entry(place).or_insert(first);
                    // Of a request that outlasts its owner and its repeat, whichever is answered first.
                    times.2 = times.2.into_iter().chain(receipt.delivered).min();
                }
            }
            for (key, events) in keys {
                let events: Vec<_> = events.into_iter().collect();
                for pair in events.windows(2) {
                    let ((before, (_, _, delivered)), (after, (event, arrived, _))) =
                        (&pair[0], &pair[1]);
                    if delivered.is_none_or(|delivered| delivered > *arrived) {
                        overtaken.push(format!(
                            "{event}, number {after} of key {key}, overtook number {before} at {}",
                            subscription.name
                        ));
                    }
                }
            }
        }
        overtaken
    }

    /// Requests per event and subscription, in order of arrival.
    fn histories(&self) -> BTreeMap<(Uuid, usize), Vec<&Receipt>> {
        let mut histories: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for receipt in &self.receipts {
            let key = (receipt.event, receipt.subscription);
            histories.entry(key).or_default().push(receipt);
        }
        histories
    }

    /// Requests although an earlier one was answered with 200, each with the last such one.
    fn repeats(&self) -> Vec<(&Receipt, &Receipt)> {
        let mut repeats = Vec::new();
        for history in self.histories().into_values() {
            let mut earlier = None;
            for receipt in history {
                repeats.extend(earlier.map(|earlier| (receipt, earlier)));
                if receipt.delivered.is_some() {
                    earlier = Some(receipt);
                }
            }
        }
        repeats
    }

    /// When answers could get lost: for each fault that can do that, from shortly before it until everything that was
    /// answered before was recorded.
    fn windows(&self) -> Vec<(Instant, Option<Instant>)> {
        let faults = self.struck.iter().enumerate();
        faults
            .filter(|(_, struck)| struck.fault.may_repeat())
            .map(|(place, struck)| {
                let from = struck.began - LAST_MOMENTS;
                (from, self.struck[place..].iter().find_map(|s| s.over))
            })
            .collect()
    }

    /// Whether a fault may have kept its answer, 200, from being recorded: it was under way or just answered.
    fn is_exposed(windows: &[(Instant, Option<Instant>)], receipt: &Receipt) -> bool {
        receipt.delivered.is_some_and(|delivered| {
            windows
                .iter()
                .any(|(from, to)| *from <= delivered && to.is_none_or(|to| receipt.arrived <= to))
        })
    }

    fn exposed(&self) -> usize {
        let windows = self.windows();
        let receipts = self.receipts.iter();
        receipts
            .filter(|receipt| Self::is_exposed(&windows, receipt))
            .count()
    }

    /// Repeats of requests whose answer was not in danger. The others are at most as many as the answers in danger:
    /// each is a repeat of another one of those.
    fn unexplained(&self) -> Vec<String> {
        let windows = self.windows();
        let mut unexplained = Vec::new();
        for (receipt, earlier) in self.repeats() {
            if !Self::is_exposed(&windows, earlier) {
                unexplained.push(format!(
                    "{} to {}, {:.3} s after it had arrived before",
                    receipt.event,
                    self.name(receipt.subscription),
                    receipt
                        .arrived
                        .duration_since(earlier.arrived)
                        .as_secs_f64()
                ));
            }
        }
        unexplained
    }

    fn slow(&self) -> Vec<String> {
        let mut slow = Vec::new();
        for (number, struck) in self.struck.iter().enumerate() {
            if let Some(recovery) = struck.recovery
                && recovery.first > self.recovery_target
            {
                slow.push(format!(
                    "fault {} ({}): first delivery after {:.1} s",
                    number + 1,
                    struck.fault,
                    recovery.first.as_secs_f64()
                ));
            }
        }
        slow
    }
}

#[cfg(test)]
mod tests;
