//! Metrics of this process, in the words and units of Prometheus' conventions: what each means is its help text. None has a
//! label for tenants, subscriptions or URLs, of which there are as many as customers like.
//!
//! They are kept whether or not somebody scrapes them: to count costs less than to ask. All have a label `database`.

use crate::clock::Clock;
use crate::model::{Attempt, AttemptResult, QueueState};
use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::cell::RefCell;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

/// Bounds of requests and of what waits for them: from a receiver next door to the longest timeout_seconds.
const REQUEST_SECONDS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];
/// Bounds of statements.
const STATEMENT_SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0,
];
/// Bounds of how much one statement brings or takes.
const BATCH: &[f64] = &[0.0, 1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0];

/// What may become of a delivery after an attempt.
const OUTCOMES: &[&str] = &["delivered", "retried", "failed", "expired"];

/// The metrics of this process: memory, CPU and open files, where there is /proc, and those of its databases.
static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let registry = Registry::new();
    let _ = registry.register(Box::new(ProcessCollector::for_self()));
    registry
});

/// All metrics as text.
///
/// # Errors
/// None that is known: text is written to memory.
pub fn encode() -> prometheus::Result<Vec<u8>> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&REGISTRY.gather(), &mut text)?;
    Ok(text)
}

/// The metrics of a database. The help text of each, where it is made, says what it counts.
pub struct Metrics {
    clock: Clock,
    registered: Mutex<Vec<Box<dyn Collector>>>,
    pub attempts: IntCounterVec,
    pub attempt_duration: HistogramVec,
    pub first_attempt_delay: Histogram,
    pub requests_in_flight: IntGauge,
    pub request_slots: IntGauge,
    pub deliveries_held: IntGauge,
    pub breakers_open: IntGauge,
    pub receivers_paused: IntGauge,
    pub destinations_crowded: IntGauge,
    pub shards_owned: IntGauge,
    pub claim_duration: Histogram,
    pub claim_deliveries: Histogram,
    pub record_duration: Histogram,
    pub record_results: Histogram,
    pub results_unrecorded: IntGauge,
    pub sessions_lost: IntCounterVec,
    pub late_results: IntCounter,
    pub subscriptions_disabled: IntCounter,
    pub maintenance_runs: IntCounterVec,
    pub maintenance_success: Gauge,
    pub clock_skew: Gauge,
    pub queue: QueueMetrics,
}

/// What the database says of its queue. One sidecar asks: the one that owns the first shard. The others have zeros.
pub struct QueueMetrics {
    pub deliveries: IntGaugeVec,
    pub oldest_due: Gauge,
    pub asked: Gauge,
    pub oldest_transaction: Gauge,
    pub notification_queue: Gauge,
    pub subscriptions_disabled: IntGauge,
}

/// Makes metrics of a database and registers them.
struct Maker<'a> {
    registry: &'a Registry,
    database: &'a str,
    made: RefCell<Vec<Box<dyn Collector>>>,
}

// Names, labels and bounds are constants, so that nothing here fails by chance: a test makes them all.
#[allow(clippy::expect_used)]
impl Maker<'_> {
    fn add<M: Collector + Clone + 'static>(&self, metric: prometheus::Result<M>) -> M {
        let metric = metric.expect("a metric's name and labels are constants");
        let registered = self.registry.register(Box::new(metric.clone()));
        registered.expect("each metric's name is its own, and each database's");
        self.made.borrow_mut().push(Box::new(metric.clone()));
        metric
    }

    fn options(&self, name: &str, help: &str) -> Opts {
        Opts::new(name, help).const_label("database", self.database)
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.add(IntCounter::with_opts(self.options(name, help)))
    }

    fn counters(&self, name: &str, help: &str, label: &str, values: &[&str]) -> IntCounterVec {
        let counters = self.add(IntCounterVec::new(self.options(name, help), &[label]));
        // There from the beginning, at zero: an alert can tell "never" from "not scraped".
        for value in values {
            counters.with_label_values(&[value]);
        }
        counters
    }

    fn integer(&self, name: &str, help: &str) -> IntGauge {
        self.add(IntGauge::with_opts(self.options(name, help)))
    }

    fn integers(&self, name: &str, help: &str, label: &str, values: &[&str]) -> IntGaugeVec {
        let gauges = self.add(IntGaugeVec::new(self.options(name, help), &[label]));
        for value in values {
            gauges.with_label_values(&[value]);
        }
        gauges
    }

    fn gauge(&self, name: &str, help: &str) -> Gauge {
        self.add(Gauge::with_opts(self.options(name, help)))
    }

    fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Histogram {
        let options = HistogramOpts::from(self.options(name, help)).buckets(bounds.to_vec());
        self.add(Histogram::with_opts(options))
    }

    fn histograms(
        &self,
        (name, help): (&str, &str),
        label: &str,
        values: &[&str],
        bounds: &[f64],
    ) -> HistogramVec {
        let options = HistogramOpts::from(self.options(name, help)).buckets(bounds.to_vec());
        let histograms = self.add(HistogramVec::new(options, &[label]));
        for value in values {
            histograms.with_label_values(&[value]);
        }
        histograms
    }

    fn queue(&self) -> QueueMetrics {
        QueueMetrics {
            deliveries: self.integers(
                "webhooks_queue_deliveries",
                "Outstanding deliveries of the database. ready: may be attempted now. scheduled: wait for a retry or for \
                 deliver_after. held: their subscription is held back, or a scheduled delivery of their lane.",
                "state",
                &["ready", "scheduled", "held"],
            ),
            oldest_due: self.gauge(
                "webhooks_queue_oldest_due_seconds",
                "For how long the ready delivery that is due for longest has been due; 0: none is ready.",
            ),
            asked: self.gauge(
                "webhooks_queue_observed_timestamp_seconds",
                "When this sidecar last asked for the queue, in seconds since 1970; 0: another one asks. Of the metrics \
                 webhooks_queue_*, webhooks_database_* and webhooks_subscriptions_disabled.",
            ),
            oldest_transaction: self.gauge(
                "webhooks_database_oldest_transaction_seconds",
                "Age of the transaction or prepared transaction that holds vacuum back the longest.",
            ),
            notification_queue: self.gauge(
                "webhooks_database_notification_queue_ratio",
                "How full the server's notification queue is, from 0 to 1.",
            ),
            subscriptions_disabled: self.integer(
                "webhooks_subscriptions_disabled",
                "Subscriptions that the system has disabled.",
            ),
        }
    }
}

impl Metrics {
    /// Makes them, and has them encoded from now on until [`unregister`](Self::unregister). Each database can have them
    /// once. `clock` is the database's.
    pub fn register(database: &str, clock: Clock) -> Self {
        let maker = Maker {
            registry: &REGISTRY,
            database,
            made: RefCell::default(),
        };
        let mut this = Self {
            clock,
            registered: Mutex::default(),
            attempts: maker.counters(
                "webhooks_attempts_total",
                "Attempts that ended, by what became of their deliveries.",
                "outcome",
                OUTCOMES,
            ),
            attempt_duration: maker.histograms(
                (
                    "webhooks_attempt_duration_seconds",
                    "How long attempts took, from the look-up of the receiver's name to the end of its answer, by what \
                     became of their deliveries.",
                ),
                "outcome",
                OUTCOMES,
                REQUEST_SECONDS,
            ),
            first_attempt_delay: maker.histogram(
                "webhooks_first_attempt_delay_seconds",
                "From the publication of an event to the answer to the first attempt of its delivery, pauses, limits \
                 and deliver_after included.",
                REQUEST_SECONDS,
            ),
            requests_in_flight: maker.integer(
                "webhooks_requests_in_flight",
                "Requests to receivers that are under way.",
            ),
            request_slots: maker.integer(
                "webhooks_request_slots",
                "Requests that may be under way at once: --concurrency, or what other databases leave of it.",
            ),
            deliveries_held: maker.integer(
                "webhooks_deliveries_held",
                "Deliveries in this sidecar's memory: waiting, under way, or being recorded.",
            ),
            breakers_open: maker.integer(
                "webhooks_breakers_open",
                "Subscriptions of this sidecar whose breaker is open.",
            ),
            receivers_paused: maker.integer(
                "webhooks_receivers_paused",
                "Subscriptions of this sidecar whose receiver asked for a pause that is not over.",
            ),
            destinations_crowded: maker.integer(
                "webhooks_destinations_crowded",
                "Hosts and ports with as many requests under way as --concurrency-per-destination permits, while more \
                 deliveries wait for them.",
            ),
            shards_owned: maker.integer(
                "webhooks_shards_owned",
                "Shards that this sidecar owns; over all sidecars of a database they sum up to 16.",
            ),
            claim_duration: maker.histogram(
                "webhooks_claim_duration_seconds",
                "How long claims took, with loading of the subscriptions that are not in memory.",
                STATEMENT_SECONDS,
            ),
            claim_deliveries: maker.histogram(
                "webhooks_claim_deliveries",
                "Deliveries that a claim brought; those of the bucket 0 were empty.",
                BATCH,
            ),
            record_duration: maker.histogram(
                "webhooks_record_duration_seconds",
                "How long it took to record a batch of results, with reconnections.",
                STATEMENT_SECONDS,
            ),
            record_results: maker.histogram(
                "webhooks_record_results",
                "Results that were recorded in one statement.",
                BATCH,
            ),
            results_unrecorded: maker.integer(
                "webhooks_results_unrecorded",
                "Results that are to be recorded.",
            ),
            sessions_lost: maker.counters(
                "webhooks_database_sessions_lost_total",
                "Sessions with the database that were lost, by what they were for.",
                "session",
                &["owner", "record"],
            ),
            late_results: maker.counter(
                "webhooks_late_results_total",
                "Results that came too late to change anything: those deliveries were made again.",
            ),
            subscriptions_disabled: maker.counter(
                "webhooks_subscriptions_disabled_total",
                "Subscriptions that this sidecar disabled.",
            ),
            maintenance_runs: maker.counters(
                "webhooks_maintenance_runs_total",
                "Calls of maintain() by this sidecar, by outcome.",
                "outcome",
                &["succeeded", "failed"],
            ),
            maintenance_success: maker.gauge(
                "webhooks_maintenance_last_success_timestamp_seconds",
                "When this sidecar's last call of maintain() succeeded, in seconds since 1970; 0: none did.",
            ),
            clock_skew: maker.gauge(
                "webhooks_clock_skew_seconds",
                "How far this machine's clock is ahead of the database server's.",
            ),
            queue: maker.queue(),
        };
        let build = maker.integers(
            "webhooks_build_info",
            "1; the label is the version of this sidecar.",
            "version",
            &[env!("CARGO_PKG_VERSION")],
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        this.registered = Mutex::new(maker.made.into_inner());
        this
    }

    /// They are encoded no more: their database is no longer delivered from.
    pub fn unregister(&self) {
        let mut registered = self
            .registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for metric in registered.drain(..) {
            // Each is there: it was registered, and is taken out once.
            let _ = REGISTRY.unregister(metric);
        }
    }

    /// An attempt ended.
    pub fn on_attempted(&self, attempt: &Attempt) {
        let outcome = match attempt.result {
            AttemptResult::Delivered => "delivered",
            AttemptResult::Retry { .. } => "retried",
            AttemptResult::Failed => "failed",
            AttemptResult::Expired => "expired",
        };
        self.attempts.with_label_values(&[outcome]).inc();
        let durations = self.attempt_duration.with_label_values(&[outcome]);
        durations.observe(attempt.exchange.duration.as_secs_f64());
        if attempt.attempt == 0
            && !attempt.is_test
            && let Some(queued) = attempt.delivery_id.get_timestamp()
        {
            let (seconds, nanoseconds) = queued.to_unix();
            let queued = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
            let delay = self.clock.now().duration_since(queued).unwrap_or_default();
            self.first_attempt_delay.observe(delay.as_secs_f64());
        }
    }

    /// The queue was observed; `None`: another sidecar does that.
    pub fn on_observed(&self, state: Option<&QueueState>) {
        let queue = &self.queue;
        let count = |label: &str, n: Option<i64>| {
            let deliveries = queue.deliveries.with_label_values(&[label]);
            deliveries.set(n.unwrap_or_default());
        };
        count("ready", state.map(|s| s.ready));
        count("scheduled", state.map(|s| s.scheduled));
        count("held", state.map(|s| s.held));
        let disabled = state.map(|s| s.disabled).unwrap_or_default();
        queue.subscriptions_disabled.set(disabled);
        let seconds = |duration: Option<Duration>| duration.unwrap_or_default().as_secs_f64();
        let oldest_due = state.and_then(|s| s.oldest_due);
        queue.oldest_due.set(seconds(oldest_due));
        let oldest_transaction = state.and_then(|s| s.oldest_transaction);
        queue.oldest_transaction.set(seconds(oldest_transaction));
        let usage = state.map(|s| s.notification_queue).unwrap_or_default();
        queue.notification_queue.set(usage);
        queue.asked.set(state.map_or(0.0, |_| self.unix_seconds()));
    }

    /// A call of maintain() ended.
    pub fn on_maintained(&self, has_succeeded: bool) {
        let outcome = match has_succeeded {
            true => "succeeded",
            false => "failed",
        };
        self.maintenance_runs.with_label_values(&[outcome]).inc();
        if has_succeeded {
            self.maintenance_success.set(self.unix_seconds());
        }
    }

    fn unix_seconds(&self) -> f64 {
        let now = self.clock.now().duration_since(UNIX_EPOCH);
        now.unwrap_or_default().as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_metrics_are_made_and_have_a_help_text() {
        for database in ["one", "two"] {
            Metrics::register(database, Clock::default());
        }
        let text = String::from_utf8(encode().unwrap()).unwrap();
        for line in text.lines().filter(|line| line.starts_with("webhooks_")) {
            let name = line.split(['{', ' ']).next().unwrap();
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| name.strip_suffix(end))
                .filter(|family| text.contains(&format!("# TYPE {family} histogram")))
                .unwrap_or(name);
            assert!(text.contains(&format!("# HELP {family} ")), "{family}");
        }
        for database in ["one", "two"] {
            let zero = format!(
                "webhooks_attempts_total{{database=\"{database}\",outcome=\"failed\"}} 0\n"
            );
            assert!(text.contains(&zero), "{zero}");
        }
        assert!(text.contains("process_cpu_seconds_total "));
    }

    #[test]
    fn a_database_that_is_gone_has_no_metrics_and_may_come_back() {
        let is_there = || {
            let text = String::from_utf8(encode().unwrap()).unwrap();
            text.contains("database=\"gone\"")
        };
        for _ in 0..2 {
            let metrics = Metrics::register("gone", Clock::default());
            assert!(is_there());
            metrics.unregister();
            assert!(!is_there());
        }
    }
}
