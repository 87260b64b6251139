//! Faults at random, a ledger outside the database, and a verdict: `cargo xtask crash`, and a short test.
//!
//! Publishers commit and roll back, receivers answer with success, errors, silence and resets, and meanwhile a
//! `schedule` of faults is carried out. Then everything must settle, and the promises are checked:
//! - every committed event was delivered to each subscription that it matches, nothing else arrived anywhere;
//! - nothing is left in the queue, and the log says `delivered` of every delivery;
//! - only what a fault could hit was repeated, see below;
//! - deliveries went on soon after each fault.
//!
//! # How many repeats may there be?
//! A request is a *repeat* if an earlier one, of the same event to the same subscription, was answered with 200 in
//! full. (After any other answer, or none, it is a retry.) It is in order only if that answer was in danger: the
//! request was under way at some time between a fault and the moment when all that had been answered before was
//! recorded, or it was answered less than a second before the fault, which is how long a result may take to be
//! recorded for good. So there are at most as many repeats as answers in danger, and none of anything else. Faults
//! that endanger nothing (a wrong clock, a sidecar that joins or is stopped) must not cause any.
//!
//! # Layout
//! - `fault`: what can break; `schedule`: what breaks when; `strike`: makes it happen
//! - `stage`: cluster, receiver and sidecars; `subscription`: the events that each wants
//! - `publisher`, `answers`: what goes on meanwhile; `diary`, `receipts`: what is known of it
//! - `recovery`: how long until deliveries go on
//! - `verdict`, `report`: the result

mod answers;
mod diary;
mod fault;
mod publisher;
mod receipts;
mod recovery;
mod report;
mod schedule;
mod stage;
mod strike;
mod subscription;
mod verdict;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::time::sleep_until;

use answers::Answers;
use diary::Diary;
use fault::Fault;
use publisher::Publishers;
use receipts::Receipts;
use recovery::Recovery;
use schedule::Planned;
use stage::Stage;
use verdict::{Counts, Evidence, Violation};

/// For how long nothing may get less at the end. However much a long run leaves may be delivered then.
const STALLED_AFTER: Duration = Duration::from_secs(30);
/// How often that is looked at: counting takes its time, too.
const LOOKS: Duration = Duration::from_millis(200);

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Determines the faults.
    pub seed: u64,
    /// How long there are faults.
    pub duration: Duration,
    /// The longest time that the first delivery after a fault may take.
    pub recovery_target: Duration,
}

/// A fault that happened.
#[derive(Debug, Clone)]
struct Struck {
    /// What.
    pub fault: Fault,
    /// Time from the start.
    pub at: Duration,
    /// When it began.
    pub began: Instant,
    /// When everything that was answered before is certainly recorded; `None`: the next fault did not wait for it.
    pub over: Option<Instant>,
    /// How long it took until deliveries went on.
    pub recovery: Option<Recovery>,
}

/// The result of a run. `Display` is the report.
#[derive(Debug)]
pub struct Outcome {
    seed: u64,
    struck: Vec<Struck>,
    counts: Counts,
    settled: Duration,
    violations: Vec<Violation>,
    /// For those who look for the cause of a violation.
    logs: Vec<(&'static str, String)>,
}

impl Outcome {
    /// No promise was broken.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations.is_empty()
    }

    /// How many different faults happened.
    #[must_use]
    pub fn kinds(&self) -> usize {
        let names = self.struck.iter().map(|struck| struck.fault.name());
        names.collect::<BTreeSet<_>>().len()
    }

    /// Writes the logs of sidecars and server, and all requests, into a directory.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write_logs(&self, directory: &Path) -> Result<()> {
        let write = |name: &str, text: &str| std::fs::write(directory.join(name), text);
        std::fs::create_dir_all(directory)
            .and_then(|()| {
                self.logs
                    .iter()
                    .try_for_each(|(name, text)| write(name, text))
            })
            .and_then(|()| write("report.txt", &format!("{self}\n")))
            .with_context(|| format!("writing to {}", directory.display()))
    }
}

/// Runs a plan and prints its faults as they happen.
///
/// # Errors
/// When the harness itself fails. A broken promise is no error but in the [`Outcome`].
pub async fn run(plan: &Plan) -> Result<Outcome> {
    let diary = Arc::new(Diary::new(subscription::all()));
    let receipts = Arc::new(Receipts::default());
    let mut stage = Stage::set(&diary.subscriptions).await?;
    let answers = Answers::give(&stage.receiver, &diary.subscriptions, &receipts, plan.seed);
    stage.seat(0)?;
    stage.sidecar(0)?.wait_ready().await?;
    let publishers = Publishers::start(&stage.db, &stage.tenants, &diary, plan.seed);
    let started = Instant::now();
    let mut run = Run {
        stage,
        diary,
        receipts,
        started,
        struck: Vec::new(),
        violations: Vec::new(),
    };
    let schedule = schedule::schedule(plan.seed, plan.duration);
    let happened = run.let_happen(&schedule).await;
    publishers.finish().await?;
    answers.calm_down();
    let settled = match happened {
        Ok(()) => run.settle().await,
        Err(error) => Err(error),
    };
    match settled {
        Ok(settled) => Ok(run.conclude(plan, settled)),
        Err(error) => Err(error.context(format!(
            "seed {}\n--- sidecars\n{}--- server log (end)\n{}",
            plan.seed,
            run.stage.logs(),
            run.stage.db.cluster().server_log_tail(50)
        ))),
    }
}

struct Run {
    stage: Stage,
    diary: Arc<Diary>,
    receipts: Arc<Receipts>,
    started: Instant,
    struck: Vec<Struck>,
    violations: Vec<Violation>,
}

impl Run {
    async fn let_happen(&mut self, schedule: &[Planned]) -> Result<()> {
        for planned in schedule {
            sleep_until((self.started + planned.at).into()).await;
            let began = Instant::now();
            self.stage
                .strike(&planned.fault)
                .await
                .with_context(|| planned.fault.to_string())?;
            let ended = Instant::now();
            let mut struck = Struck {
                fault: planned.fault.clone(),
                at: began - self.started,
                began,
                over: None,
                recovery: None,
            };
            if planned.recovers {
                let recovery = recovery::recovery(&self.stage, &self.diary, &self.receipts, ended);
                match recovery.await {
                    Ok(recovery) => struck.recovery = Some(recovery),
                    Err(error) => self.broken(
                        "deliveries go on after a fault",
                        vec![format!("{}: {error:#}", planned.fault)],
                    ),
                }
                struck.over = Some(Instant::now());
            }
            println!("{struck}");
            self.struck.push(struck);
            self.check_sidecars()?;
        }
        Ok(())
    }

    fn check_sidecars(&mut self) -> Result<()> {
        let disorderly = self.stage.disorderly()?;
        self.broken("a sidecar ends when it is told to, in order", disorderly);
        Ok(())
    }

    /// Waits until nothing is left to do, and looks at what the log says. Returns how long it took.
    async fn settle(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let client = self.stage.db.connect().await?;
        self.diary.ledger.settle(&client).await?;
        if let Err(error) = self.drain().await {
            let left = "select * from webhooks.delivery_queue order by id";
            let left = self.stage.db.rows(left).await?;
            let mut cases = vec![format!("{error:#}")];
            cases.extend(left.iter().map(ToString::to_string));
            self.broken("nothing stays undelivered", cases);
        }
        let settled = began.elapsed();
        let failed = "select * from webhooks.webhook_delivery_logs where delivery_status <> 'delivered' order by id";
        let failed = self.stage.db.rows(failed).await?;
        let failed = failed.iter().map(ToString::to_string).collect();
        self.broken("every delivery is recorded as delivered", failed);
        self.check_sidecars()?;
        for number in self.stage.taken() {
            self.stage.stop(number).await?;
            self.stage.clear(number);
        }
        self.check_sidecars()?;
        let logged = "select count(*) from webhooks.webhook_delivery_logs";
        let logged = self.stage.db.value(logged).await?.unwrap_or_default();
        let wanted = self.evidence(Duration::MAX).counts().deliveries.to_string();
        if logged != wanted {
            let case = format!("{logged} in the log, {wanted} by the ledger");
            self.broken("every delivery is in the log, once", vec![case]);
        }
        Ok(settled)
    }

    /// Waits until nothing is outstanding.
    async fn drain(&self) -> Result<()> {
        let (mut least, mut since) = (u64::MAX, Instant::now());
        loop {
            let left = "select count(*) from webhooks.delivery_queue";
            let left = self.stage.db.value(left).await?.unwrap_or_default();
            let left: u64 = left.parse()?;
            if left == 0 {
                return Ok(());
            }
            if left < least {
                (least, since) = (left, Instant::now());
            } else if since.elapsed() > STALLED_AFTER {
                bail!("{left} deliveries are left, and {STALLED_AFTER:?} changed nothing");
            }
            tokio::time::sleep(LOOKS).await;
        }
    }

    fn conclude(mut self, plan: &Plan, settled: Duration) -> Outcome {
        let evidence = self.evidence(plan.recovery_target);
        self.violations.extend(evidence.violations());
        let logs = vec![
            ("sidecars.log", self.stage.logs()),
            ("server.log", self.stage.db.cluster().server_log()),
            ("requests.txt", self.requests(&evidence)),
        ];
        Outcome {
            seed: plan.seed,
            counts: evidence.counts(),
            settled,
            violations: self.violations,
            logs,
            struck: self.struck,
        }
    }

    fn broken(&mut self, promise: &'static str, cases: Vec<String>) {
        if !cases.is_empty() {
            self.violations.push(Violation { promise, cases });
        }
    }

    fn evidence(&self, recovery_target: Duration) -> Evidence {
        Evidence {
            committed: self.diary.ledger.committed_events(),
            published: self.diary.published(),
            subscriptions: self.diary.subscriptions.clone(),
            receipts: self.receipts.all(),
            struck: self.struck.clone(),
            recovery_target,
        }
    }

    /// One line a request: when it arrived, when 200 was answered, event and subscription.
    fn requests(&self, evidence: &Evidence) -> String {
        let since = |at: Instant| at.duration_since(self.started).as_secs_f64();
        let mut text = String::new();
        for receipt in &evidence.receipts {
            let name = &evidence.subscriptions[receipt.subscription].name;
            let delivered = receipt
                .delivered
                .map_or("-".to_owned(), |at| format!("{:.3}", since(at)));
            let (at, event) = (since(receipt.arrived), receipt.event);
            // Writing to a String can't fail.
            let _ = writeln!(text, "{at:.3} {delivered} {event} {name}");
        }
        text
    }
}
