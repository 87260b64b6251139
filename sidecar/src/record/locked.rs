//! Results that can't be written now: somebody's open transaction has locked what they change. They wait for themselves,
//! subscription by subscription, and are tried again; nobody else's results wait with them.

use crate::deliver::Attempt;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use tokio::time::Instant;
use tokio_postgres::{Client, Error};
use uuid::Uuid;

/// Pause before the first try, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// For so long after that a subscription's results are looked at before they are written: otherwise who locks it time and
/// again would have all others' results wait for each of its locks.
const SUSPECTED: Duration = Duration::from_secs(10);

/// By subscription.
#[derive(Default)]
pub(super) struct Locked {
    waiting: HashMap<Uuid, Waiting>,
}

struct Waiting {
    attempts: Vec<Attempt>,
    since: Instant,
    next_try: Instant,
    pause: Duration,
    suspected_until: Instant,
}

impl Locked {
    /// Whether no result waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.values().all(|w| w.attempts.is_empty())
    }

    /// When to try again; `None`: nothing waits.
    pub(super) fn next_try(&self) -> Option<Instant> {
        let waiting = self.waiting.values().filter(|w| !w.attempts.is_empty());
        waiting.map(|w| w.next_try).min()
    }

    /// Takes those results out of a batch whose subscriptions were locked a moment ago. Returns their deliveries.
    pub(super) fn hold(&mut self, batch: &mut Vec<Attempt>, now: Instant) -> Vec<Uuid> {
        self.waiting
            .retain(|_, w| !w.attempts.is_empty() || now < w.suspected_until);
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let mut held = Vec::new();
        let (ours, others): (Vec<Attempt>, Vec<Attempt>) = batch
            .drain(..)
            .partition(|a| self.waiting.contains_key(&a.subscription_id));
        batch.extend(others);
        for attempt in ours {
            held.push(attempt.delivery_id);
            if let Some(waiting) = self.waiting.get_mut(&attempt.subscription_id) {
                if waiting.attempts.is_empty() {
                    (waiting.since, waiting.next_try) = (now, now);
                }
                waiting.attempts.push(attempt);
            }
        }
        held
    }

    /// The results that may be tried again.
    pub(super) fn take_due(&mut self, now: Instant, most: usize) -> Vec<Attempt> {
        let mut due = Vec::new();
        for waiting in self.waiting.values_mut() {
            if now >= waiting.next_try && due.len() < most {
                due.append(&mut waiting.attempts);
            }
        }
        due
    }

    /// Takes those results out of a batch whose subscriptions are locked. Returns their deliveries.
    pub(super) fn park(
        &mut self,
        batch: &mut Vec<Attempt>,
        locked: &HashSet<Uuid>,
        now: Instant,
    ) -> Vec<Uuid> {
        for subscription in locked {
            let waiting = self
                .waiting
                .entry(*subscription)
                .or_insert_with(|| Waiting::from(now));
            waiting.next_try = now + waiting.pause;
            waiting.suspected_until = now + SUSPECTED;
            waiting.pause = (waiting.pause * 2).min(LONGEST_PAUSE);
        }
        let mut parked = Vec::new();
        for attempt in batch.extract_if(.., |a| locked.contains(&a.subscription_id)) {
            parked.push(attempt.delivery_id);
            if let Some(waiting) = self.waiting.get_mut(&attempt.subscription_id) {
                waiting.attempts.push(attempt);
            }
        }
        parked
    }

    /// These were written: who locks their subscription next is another one.
    pub(super) fn written(&mut self, batch: &[Attempt], now: Instant) {
        for attempt in batch {
            if let Some(waiting) = self.waiting.get_mut(&attempt.subscription_id) {
                (waiting.pause, waiting.since) = (FIRST_PAUSE, now);
            }
        }
    }

    /// Deliveries and subscriptions that have been locked for so long, some of them; none of those just locked.
    pub(super) fn locked_for(&self, least: Duration, now: Instant) -> (Vec<Uuid>, Vec<Uuid>) {
        let long = |w: &&Waiting| !w.attempts.is_empty() && now >= w.since + least;
        self.waiting
            .values()
            .filter(long)
            .filter_map(|w| w.attempts.first())
            .take(64)
            .map(|a| (a.delivery_id, a.subscription_id))
            .unzip()
    }
}

impl Waiting {
    fn from(now: Instant) -> Self {
        Self {
            attempts: Vec::new(),
            since: now,
            next_try: now,
            pause: FIRST_PAUSE,
            suspected_until: now + SUSPECTED,
        }
    }
}

/// Subscriptions of a batch whose results can't be written now.
///
/// # Errors
/// Those of the query: of a timeout, too, where a whole table is locked.
pub(super) async fn find(client: &Client, batch: &[Attempt]) -> Result<HashSet<Uuid>, Error> {
    let deliveries: Vec<Uuid> = batch.iter().map(|a| a.delivery_id).collect();
    let subscriptions: Vec<Uuid> = batch.iter().map(|a| a.subscription_id).collect();
    let disables: Vec<bool> = batch.iter().map(|a| a.disable_reason.is_some()).collect();
    let changes_breaker: Vec<bool> = batch.iter().map(|a| a.breaker.is_some()).collect();
    let locked = client
        .query(
            "select * from webhooks.locked_deliveries($1, $2, $3, $4)",
            &[&deliveries, &subscriptions, &disables, &changes_breaker],
        )
        .await?;
    let locked: HashSet<Uuid> = locked.iter().map(|row| row.get(0)).collect();
    Ok(batch
        .iter()
        .filter(|a| locked.contains(&a.delivery_id))
        .map(|a| a.subscription_id)
        .collect())
}
