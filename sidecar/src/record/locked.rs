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
/// Bytes of responses that wait at the most: thousands of subscriptions may be locked, and nobody knows for how long. Further
/// results are recorded without what the receiver answered.
const MAX_RESPONSE_BYTES: usize = 16 << 20;

/// By subscription.
#[derive(Default)]
pub(super) struct Locked {
    waiting: HashMap<Uuid, Waiting>,
    /// Those of the responses that wait.
    response_bytes: usize,
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
                waiting.add(attempt, &mut self.response_bytes);
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
        self.response_bytes -= due.iter().map(response_bytes).sum::<usize>();
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
                waiting.add(attempt, &mut self.response_bytes);
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

    fn add(&mut self, mut attempt: Attempt, all: &mut usize) {
        if *all + response_bytes(&attempt) > MAX_RESPONSE_BYTES {
            (attempt.response_headers, attempt.response_body) = (None, None);
        }
        *all += response_bytes(&attempt);
        self.attempts.push(attempt);
    }
}

fn response_bytes(attempt: &Attempt) -> usize {
    let parts = [&attempt.response_headers, &attempt.response_body];
    parts.into_iter().flatten().map(String::len).sum()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EndpointSignal;

    fn attempt(delivery: u128, subscription: u128) -> Attempt {
        Attempt {
            delivery_id: Uuid::from_u128(delivery),
            subscription_id: Uuid::from_u128(subscription),
            is_test: false,
            attempt: 0,
            status: "delivered",
            http_status: None,
            response_headers: None,
            response_body: None,
            error: None,
            attempted_at: std::time::UNIX_EPOCH,
            duration: Duration::ZERO,
            resent_count: 0,
            payload_size: None,
            payload_sha256: None,
            retry_after: None,
            disable_reason: None,
            throttle: None,
            verdict: EndpointSignal::Success,
            breaker: None,
            session: 0,
            is_void: false,
        }
    }

    fn deliveries(batch: &[Attempt]) -> Vec<u128> {
        batch.iter().map(|a| a.delivery_id.as_u128()).collect()
    }

    #[test]
    fn what_is_locked_waits_by_itself_longer_and_longer() {
        let start = Instant::now();
        let mut locked = Locked::default();
        assert!(locked.is_empty() && locked.next_try().is_none());
        let mut batch = vec![attempt(1, 7), attempt(2, 8), attempt(3, 7)];
        let seven = HashSet::from([Uuid::from_u128(7)]);
        assert_eq!(locked.park(&mut batch, &seven, start).len(), 2);
        assert_eq!(deliveries(&batch), [2]);
        // What comes meanwhile joins it, in order.
        let mut more = vec![attempt(4, 7), attempt(5, 9)];
        assert_eq!(locked.hold(&mut more, start), [Uuid::from_u128(4)]);
        assert_eq!(deliveries(&more), [5]);
        let mut now = start;
        for pause in [100, 200, 400, 800, 1600, 2000, 2000] {
            let pause = Duration::from_millis(pause);
            assert_eq!(locked.next_try(), Some(now + pause));
            assert!(locked.take_due(now + pause / 2, 100).is_empty());
            now += pause;
            let mut due = locked.take_due(now, 100);
            assert_eq!(deliveries(&due), [1, 3, 4]);
            locked.park(&mut due, &seven, now);
        }
        assert_eq!(locked.locked_for(Duration::from_secs(1), now).0.len(), 1);
        let due = locked.take_due(now + LONGEST_PAUSE, 100);
        locked.written(&due, now + LONGEST_PAUSE);
        assert!(locked.is_empty());
        // It is looked at for a while, and then like any other.
        let mut next = vec![attempt(6, 7)];
        assert_eq!(locked.hold(&mut next, now + SUSPECTED / 2).len(), 1);
        assert_eq!(locked.next_try(), Some(now + SUSPECTED / 2));
        locked.take_due(now + SUSPECTED / 2, 100);
        let mut next = vec![attempt(8, 7)];
        assert!(locked.hold(&mut next, now + SUSPECTED * 2).is_empty());
    }
    #[test]
    fn responses_that_wait_are_bounded() {
        let now = Instant::now();
        let mut locked = Locked::default();
        let all: HashSet<Uuid> = (0..100).map(Uuid::from_u128).collect();
        let mut batch: Vec<Attempt> = (0..100)
            .map(|n| Attempt {
                response_body: Some("x".repeat(1 << 20)),
                ..attempt(n, n)
            })
            .collect();
        for _ in 0..2 {
            locked.park(&mut batch, &all, now);
            assert_eq!(locked.response_bytes, MAX_RESPONSE_BYTES);
            batch = locked.take_due(now + LONGEST_PAUSE, 100);
            assert_eq!((batch.len(), locked.response_bytes), (100, 0));
            let answered = batch.iter().filter(|a| a.response_body.is_some());
            assert_eq!(answered.count(), 16);
        }
    }
}
