//! The chores of a sidecar that owns the first shard: it alone does them, whichever it is.

use super::chore::Chore;
use super::complaint::Complaint;
use crate::postgres::Database;
use crate::postgres::alerts::evaluate_alerts;
use crate::postgres::kept_session::KeptSession;
use crate::postgres::maintain::maintain;
use crate::postgres::observe::observe;
use crate::postgres::trouble::SessionError;
use crate::task_group::TaskGroup;
use crate::telemetry::Telemetry;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the queue is looked at, if that takes no time.
const OBSERVE_INTERVAL: Duration = Duration::from_secs(15);
/// How often the rules of alerts are evaluated, if that takes no time.
const ALERT_INTERVAL: Duration = Duration::from_secs(30);
/// A look that takes long is followed by so many times as long without one.
const PAUSE: u32 = 20;

/// All chores.
pub struct Chores {
    maintain: Chore,
    alert: Chore,
    /// `None`: nobody asks for metrics.
    observe: Option<Chore>,
}

impl Chores {
    /// Chores in tasks among `tasks`. The queue is observed if metrics can be asked for.
    pub fn new(
        database: &Database,
        maintain_interval: Duration,
        has_monitor: bool,
        telemetry: &Arc<Telemetry>,
        tasks: &TaskGroup,
    ) -> Self {
        let now = Instant::now();
        let (d, t, k) = (database.clone(), telemetry.clone(), tasks.clone());
        let maintaining = move || k.spawn(maintaining(d.clone(), t.clone()));
        // Of its own, so that deliveries never wait for it.
        let session = Arc::new(KeptSession::new(
            database,
            "webhooks-sidecar observe",
            Duration::from_secs(60),
            Duration::from_secs(5),
        ));
        let (s, c, k) = (
            session.clone(),
            Arc::<Mutex<Complaint>>::default(),
            tasks.clone(),
        );
        let alerting = move || k.spawn(alerting(s.clone(), c.clone()));
        let (s, t, k) = (session, telemetry.clone(), tasks.clone());
        let observing = move || k.spawn(observing(s.clone(), t.clone()));
        Self {
            maintain: Chore::new(maintaining, maintain_interval, now),
            alert: Chore::new(alerting, ALERT_INTERVAL, now),
            observe: has_monitor.then(|| Chore::new(observing, OBSERVE_INTERVAL, now)),
        }
    }

    /// Does what is due.
    pub fn do_what_is_due(&mut self, now: Instant) {
        self.maintain.do_if_due(now);
        self.alert.do_if_due(now);
        if let Some(observe) = &mut self.observe {
            observe.do_if_due(now);
        }
    }
}

async fn maintaining(database: Database, telemetry: Arc<Telemetry>) {
    let maintained = maintain(&database).await;
    telemetry.metrics.on_maintained(maintained.is_ok());
    if let Err(error) = maintained {
        tracing::warn!("maintenance failed: {error}");
    }
}

async fn alerting(session: Arc<KeptSession>, complaint: Arc<Mutex<Complaint>>) {
    let began = Instant::now();
    let evaluated = evaluate_alerts(&session).await;
    say(
        &evaluated,
        &mut complaint.lock().unwrap_or_else(PoisonError::into_inner),
    );
    tokio::time::sleep(began.elapsed() * PAUSE).await;
}

/// Says that alerts can't be evaluated, ever more seldom, and when they can be again.
fn say(evaluated: &Result<(), SessionError>, complaint: &mut Complaint) {
    let now = Instant::now();
    match evaluated {
        Ok(()) => {
            if let Some(lasted) = complaint.over(now) {
                let after_seconds = lasted.as_secs();
                tracing::info!(after_seconds, "the rules of alerts are evaluated again");
            }
        }
        Err(error) => {
            let error = error.to_string();
            if let Some(lasted) = complaint.complain(&error, now) {
                let for_seconds = lasted.as_secs();
                tracing::warn!(
                    for_seconds,
                    "the rules of alerts can't be evaluated: {error}"
                );
            }
        }
    }
}

async fn observing(session: Arc<KeptSession>, telemetry: Arc<Telemetry>) {
    let began = Instant::now();
    match observe(&session).await {
        Ok(queue) => telemetry.metrics.on_observed(queue.as_ref()),
        Err(error) => tracing::debug!("the queue can't be observed: {error}"),
    }
    tokio::time::sleep(began.elapsed() * PAUSE).await;
}
