//! The stage of a run: a cluster, a receiver, and seats for two sidecars.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;
use uuid::Uuid;

use super::answers;
use super::subscription::{Subscription, TENANTS};
use crate::cluster::{Cluster, Options};
use crate::database::{Database, SIDECAR_ROLE};
use crate::proxy::Proxy;
use crate::receiver::{Receiver, Recording};
use crate::sidecar::{self, Sidecar};

/// Retries and answers with Retry-After must not take longer than the harness waits at the end: not even when the
/// sidecar's clock is wrong by a day, and a date is far away for it.
const SETTINGS: &str = "
    select webhooks.set_setting('max_retry_delay_seconds', 2);
    select webhooks.set_setting('max_retry_after_seconds', 2);
    -- Breakers open at every bad spell, and are probed soon.
    select webhooks.set_setting('breaker_failure_threshold', 3);
    select webhooks.set_setting('breaker_cooldown_seconds', 1);";

/// How long a sidecar may take to end: it has 30 s for what is under way by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a sidecar may run: with a network and a clock of its own.
#[derive(Debug)]
pub struct Seat {
    /// Between the sidecar and the server.
    pub proxy: Proxy,
    /// Holds the seconds by which its clock is wrong.
    pub clock: PathBuf,
    /// The sidecar, if there is one.
    pub sidecar: Option<Sidecar>,
}

/// Everything. Dropping it ends and removes everything.
#[derive(Debug)]
pub struct Stage {
    /// Two.
    pub seats: Vec<Seat>,
    /// Of all subscriptions.
    pub receiver: Receiver,
    /// The database.
    pub db: Arc<Database>,
    /// Of the publishers, then of the probes.
    pub tenants: Vec<Uuid>,
    /// Logs of sidecars that have ended.
    logs: Vec<String>,
    /// Sidecars that ended otherwise than they should.
    disorderly: Vec<String>,
    _clocks: TempDir,
}

impl Stage {
    /// Starts the cluster and the receiver and subscribes; no sidecar yet.
    ///
    /// # Errors
    /// When something does not start.
    pub async fn set(subscriptions: &[Subscription]) -> Result<Self> {
        // Small segments of the write-ahead log: a limit on files that lets it grow is reached by tables soon.
        let options = Options::default()
            .initdb_argument("--wal-segsize=1")
            // Thousands of statements fail.
            .set("log_error_verbosity", "terse")
            .set("log_min_error_statement", "panic");
        let cluster = Cluster::start(options).await?;
        let db = Arc::new(Database::create(&cluster, "crash").await?);
        db.execute(SETTINGS).await?;
        let receiver = Receiver::start_with(Recording::Arrivals)?;
        let tenants: Vec<_> = (0..=TENANTS).map(|_| db.tenant()).collect();
        for (number, subscription) in subscriptions.iter().enumerate() {
            let url = receiver.url(&answers::path(subscription));
            let tenant = tenants[subscription.tenant];
            db.subscribe(subscription.columns(number, tenant, &url))
                .await?;
        }
        let clocks = tempfile::tempdir().context("making a directory for clocks")?;
        let mut seats = Vec::new();
        for number in 0..2 {
            seats.push(Seat {
                proxy: Proxy::start(([127, 0, 0, 1], cluster.port()).into())?,
                clock: clocks.path().join(number.to_string()),
                sidecar: None,
            });
        }
        Ok(Self {
            seats,
            receiver,
            db,
            tenants,
            logs: Vec::new(),
            disorderly: Vec::new(),
            _clocks: clocks,
        })
    }

    /// Starts a sidecar in a seat, and does not wait for it.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn seat(&mut self, number: usize) -> Result<()> {
        let seat = &mut self.seats[number];
        let url = format!(
            "postgres://{SIDECAR_ROLE}@{}/{}",
            seat.proxy.address(),
            self.db.name()
        );
        let options = sidecar::Options::default()
            .arg("--lease=5")
            .database_url(url)
            .env(
                "WEBHOOKS_CLOCK_OFFSET_FILE",
                seat.clock.to_string_lossy().as_ref(),
            )
            .quiet();
        seat.sidecar = Some(Sidecar::spawn(&self.db, options)?);
        Ok(())
    }

    /// Numbers of the seats that are taken.
    #[must_use]
    pub fn taken(&self) -> Vec<usize> {
        (0..self.seats.len())
            .filter(|number| self.seats[*number].sidecar.is_some())
            .collect()
    }

    /// The sidecar of a seat.
    ///
    /// # Errors
    /// When there is none.
    pub fn sidecar(&mut self, number: usize) -> Result<&mut Sidecar> {
        let sidecar = self.seats[number].sidecar.as_mut();
        sidecar.with_context(|| format!("no sidecar {}", number + 1))
    }

    /// Empties a seat, whose sidecar has ended, and keeps its log.
    pub fn clear(&mut self, number: usize) {
        if let Some(sidecar) = self.seats[number].sidecar.take() {
            self.logs.push(log(number, &sidecar));
        }
    }

    /// Asks a sidecar to end with SIGTERM and waits for that.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self, number: usize) -> Result<()> {
        let sidecar = self.sidecar(number)?;
        sidecar.sigterm()?;
        let status = sidecar.wait_exit(PATIENCE).await?;
        // One that is only just starting has nothing to finish.
        let working = sidecar.log().iter().any(|line| line.message() == "ready");
        if working && !status.success() {
            let number = number + 1;
            let disorder = format!("sidecar {number}, stopped by SIGTERM, ended with {status}");
            self.disorderly.push(disorder);
        }
        Ok(())
    }

    /// Sidecars that have ended otherwise than they should since the last call. Those that should not have ended are
    /// started again.
    ///
    /// # Errors
    /// When one can't be started.
    pub fn disorderly(&mut self) -> Result<Vec<String>> {
        for number in self.taken() {
            if let Some(status) = self.sidecar(number)?.exited()? {
                let disorder = format!("sidecar {} ended with {status}", number + 1);
                self.disorderly.push(disorder);
                self.clear(number);
                self.seat(number)?;
            }
        }
        Ok(std::mem::take(&mut self.disorderly))
    }

    /// The logs of all sidecars there were.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut logs = self.logs.concat();
        for (number, seat) in self.seats.iter().enumerate() {
            logs.extend(seat.sidecar.iter().map(|sidecar| log(number, sidecar)));
        }
        logs
    }
}

fn log(number: usize, sidecar: &Sidecar) -> String {
    let mut log = format!("--- sidecar {}, pid {}\n", number + 1, sidecar.pid());
    for line in sidecar.log() {
        // Writing to a String can't fail.
        let _ = writeln!(log, "{}", line.raw);
    }
    log
}
