//! What the machines do together, as an engine sees it that claims, sends and records.

mod claiming;
mod ordering;
mod receivers;
mod recording;
mod room;
mod sending;

use super::claim_planner::{Outcome, Plan, Scope};
use super::samples::delivery;
use super::{Attempted, Ended, Scheduler};
use crate::model::{
    BreakerChange, ClaimRequest, Delivery, EndpointSignal, FailureSeries, Receiver, Subscription,
};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;
use webhooks_core::retry::Throttle;

const SECOND: Duration = Duration::from_secs(1);
const FULL_SCAN: Scope = Scope::FullScan { from_start: true };

/// A request under way: while this is not dropped.
type Request = Arc<()>;

/// A scheduler, and the time.
struct World {
    scheduler: Scheduler<Request>,
    now: Instant,
    request: Request,
}

impl World {
    /// So many requests may be under way. A first claim is being taken in.
    fn new(slots: usize) -> Self {
        let now = Instant::now();
        let mut world = Self {
            scheduler: Scheduler::new(slots, now),
            now,
            request: Request::default(),
        };
        world.claim();
        world
    }

    /// Begins a claim of all there is, which nothing is offered of yet.
    fn claim(&mut self) -> ClaimRequest {
        self.claim_of(FULL_SCAN)
    }

    fn claim_of(&mut self, scope: Scope) -> ClaimRequest {
        let request = self.begin_claim(scope);
        self.scheduler.on_claim_ended();
        request
    }

    /// A claim is under way.
    fn begin_claim(&mut self, scope: Scope) -> ClaimRequest {
        self.scheduler
            .on_claiming(scope, (Vec::new(), Vec::new()), self.now)
    }

    /// What a claim would look at, if it were long ago that the last one was.
    fn plan(&self) -> Plan {
        self.scheduler.next_claim(self.now + SECOND, true)
    }

    /// Whether something is known to be left in the database; a claim begins then.
    fn claims_more(&mut self) -> bool {
        let is_due = self.plan().is_due;
        if is_due {
            self.claim_of(Scope::FullScan { from_start: false });
        }
        is_due
    }

    /// Subscriptions of which a claim brings nothing.
    fn full(&mut self) -> Vec<Uuid> {
        let mut full = self.claim().full;
        full.sort_unstable();
        full
    }

    /// Most deliveries that a claim brings.
    fn rows(&mut self) -> usize {
        self.scheduler.make_room(self.now + SECOND);
        match self.plan().scope {
            Some(Scope::FullScan { .. }) => self.claim().max_rows,
            _ => 0,
        }
    }

    /// Whether a delivery is taken.
    fn takes(&mut self, delivery: Delivery) -> bool {
        self.scheduler.offer(delivery, self.now)
    }

    /// How many of these deliveries are taken.
    fn offer(&mut self, from: &Arc<Subscription>, ids: Range<u128>) -> usize {
        ids.filter(|id| self.takes(delivery(*id, from))).count()
    }

    /// Begins the next request that may be made.
    fn send_one(&mut self) -> Option<Delivery> {
        self.scheduler.on_timers(self.now);
        let delivery = self.scheduler.start_next(self.now, |_| Ok(()))?;
        self.scheduler.on_started(delivery.id, self.request.clone());
        Some(delivery)
    }

    /// Begins all requests that may be made. Returns their deliveries, in order.
    fn send(&mut self) -> Vec<u128> {
        let sent = std::iter::from_fn(|| self.send_one());
        sent.map(|delivery| delivery.id.as_u128()).collect()
    }

    /// Requests under way that were not cut off.
    fn under_way(&self) -> usize {
        Arc::strong_count(&self.request) - 1
    }

    /// A request ended. What failed is tried again.
    fn end(&mut self, id: u128, signal: EndpointSignal) -> Attempted {
        self.end_as(Ended {
            is_retried: signal == EndpointSignal::Failure,
            ..ended(id, signal)
        })
    }

    /// A request ended, is tried again, and says nothing of the receiver.
    fn retry(&mut self, id: u128) {
        self.end_as(Ended {
            is_retried: true,
            ..ended(id, EndpointSignal::None)
        });
    }

    fn end_as(&mut self, ended: Ended) -> Attempted {
        self.scheduler.on_attempted(&ended, self.now)
    }

    fn record(&mut self, id: u128) {
        self.scheduler.on_recorded(Uuid::from_u128(id));
    }

    /// A request succeeded, which is recorded.
    fn deliver(&mut self, id: u128) {
        assert_ne!(self.end(id, EndpointSignal::Success), Attempted::Discarded);
        self.record(id);
    }

    /// A request failed, which is recorded. Returns what that changed for the subscription.
    fn fail(&mut self, id: u128) -> Option<BreakerChange> {
        let change = change(self.end(id, EndpointSignal::Failure));
        self.record(id);
        change
    }

    /// The receiver answered with a wish, which is recorded.
    fn wish(&mut self, id: u128, wish: Throttle) -> Option<BreakerChange> {
        let attempted = self.end_as(Ended {
            throttle: Some(wish),
            ..ended(id, EndpointSignal::Busy)
        });
        self.record(id);
        change(attempted)
    }

    /// The database knows of a breaker that is open until this time.
    fn load_open(&mut self, subscription: &Subscription, until: Instant) {
        let receiver = Receiver {
            subscription: subscription.id,
            shard: subscription.shard,
            failures: Some(FailureSeries {
                seen: self.now,
                age: Duration::ZERO,
                open_until: Some(until),
            }),
            waits_until: None,
        };
        self.scheduler.on_receivers_loaded(vec![receiver], self.now);
    }
}

fn ended(id: u128, signal: EndpointSignal) -> Ended {
    Ended {
        delivery: Uuid::from_u128(id),
        signal,
        duration: Duration::ZERO,
        is_retried: false,
        throttle: None,
    }
}

fn change(attempted: Attempted) -> Option<BreakerChange> {
    match attempted {
        Attempted::ToRecord(change) => change,
        Attempted::Discarded => panic!("it is discarded"),
    }
}

/// A claim whose scan took so long.
fn outcome(scan: Duration) -> Outcome {
    Outcome {
        rows: 0,
        fresh: 0,
        is_truncated: false,
        has_more_lanes: false,
        scan: Some(scan),
        took: scan,
        round_trip: Duration::ZERO,
    }
}
