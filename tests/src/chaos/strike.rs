//! Makes faults happen, and ends them.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::sleep;
use tokio_postgres::Client;

use super::fault::Fault;
use super::stage::Stage;
use super::subscription::TENANTS;
use crate::cluster::Stop;
use crate::database::MANAGER_ROLE;
use crate::environment::run;
use crate::process::{Signal, send_signal};
use crate::wait::{Seen, eventually};

/// How long things take that should end at once.
const PATIENCE: Duration = Duration::from_secs(30);
/// No table or index may be larger: a segment of the write-ahead log, so that it is not affected.
const SEGMENT: &str = "1048576";

const SESSIONS: &str = "
    select pid from pg_stat_activity
    where application_name like 'webhooks-sidecar%' order by application_name, pid";
const BACKENDS: &str =
    "select pid from pg_stat_activity where pid <> pg_backend_pid() order by backend_type, pid";

impl Stage {
    /// Lets a fault happen. Returns once it is over and the server accepts connections.
    ///
    /// # Errors
    /// When it can't be made, or what is left of the system does not come back.
    pub async fn strike(&mut self, fault: &Fault) -> Result<()> {
        let cluster = self.db.cluster().clone();
        match *fault {
            Fault::KillSidecar { which, away } => {
                let number = self.chosen(which)?;
                self.sidecar(number)?.kill9()?;
                self.clear(number);
                sleep(away).await;
                self.seat(number)?;
            }
            Fault::FreezeSidecar { which, lasts } => {
                let number = self.chosen(which)?;
                self.sidecar(number)?.sigstop()?;
                sleep(lasts).await;
                self.sidecar(number)?.sigcont()?;
            }
            Fault::StallNetwork { which, lasts } => {
                let number = self.chosen(which)?;
                self.seats[number].proxy.stall();
                sleep(lasts).await;
                self.seats[number].proxy.resume();
            }
            Fault::CutNetwork { which } => {
                let number = self.chosen(which)?;
                self.seats[number].proxy.cut();
            }
            Fault::JumpClock {
                which,
                seconds,
                lasts,
            } => {
                let number = self.chosen(which)?;
                let clock = self.seats[number].clock.clone();
                std::fs::write(&clock, seconds.to_string()).context("setting a clock")?;
                sleep(lasts).await;
                std::fs::write(&clock, "0").context("setting a clock")?;
            }
            Fault::TerminateSession { which } => {
                let admin = self.db.connect().await?;
                let pid = one_of(&admin, SESSIONS, which).await?;
                admin
                    .execute("select pg_terminate_backend($1)", &[&pid])
                    .await?;
            }
            Fault::KillSession { which } => self.kill_backend(SESSIONS, which).await?,
            Fault::KillBackend { which } => self.kill_backend(BACKENDS, which).await?,
            Fault::KillPostmaster { away } => {
                cluster.kill9().await?;
                sleep(away).await;
                cluster.launch().await?;
            }
            Fault::StopImmediately { away } => {
                cluster.stop(Stop::Immediate).await?;
                sleep(away).await;
                cluster.launch().await?;
            }
            Fault::ReadOnly { lasts } => {
                self.configure("set default_transaction_read_only = on")
                    .await?;
                sleep(lasts).await;
                self.configure("reset default_transaction_read_only")
                    .await?;
            }
            Fault::HoldRows { which, lasts } => self.hold_rows(which, lasts).await?,
            Fault::FullDataDisk { lasts } => {
                self.limit_files(SEGMENT).await?;
                sleep(lasts).await;
                self.limit_files("unlimited").await?;
                cluster.revive().await?;
            }
            Fault::FullLogDisk { lasts } => {
                self.limit_files("0").await?;
                sleep(lasts).await;
                self.limit_files("unlimited").await?;
                cluster.revive().await?;
            }
            Fault::Join => self.seat(1)?,
            Fault::Leave { killed } => {
                if killed {
                    self.sidecar(1)?.kill9()?;
                } else {
                    self.stop(1).await?;
                }
                self.clear(1);
            }
        }
        Ok(())
    }

    fn chosen(&self, which: usize) -> Result<usize> {
        choose(&self.taken(), which).context("there is no sidecar")
    }

    /// Deliveries that wait for these rows are made when the rows are free; all other deliveries go on.
    async fn hold_rows(&self, which: usize, lasts: Duration) -> Result<()> {
        // Not the one whose deliveries show whether others' go on.
        let tenant = choose(&self.tenants[..TENANTS], which).context("there is no tenant")?;
        let manager = self.db.connect_as(MANAGER_ROLE).await?;
        let lock = format!(
            "begin;
             select webhooks.set_tenant('{tenant}');
             select webhooks.cancel_deliveries(id) from webhooks.list_subscriptions();
             select from webhooks.webhook_subscriptions for update"
        );
        manager.batch_execute(&lock).await?;
        sleep(lasts).await;
        manager.batch_execute("rollback").await?;
        Ok(())
    }

    /// Kills a process of the server and waits until it has recovered from that.
    async fn kill_backend(&self, among: &str, which: usize) -> Result<()> {
        let cluster = self.db.cluster();
        let pid = {
            let admin = self.db.connect().await?;
            one_of(&admin, among, which).await?.unsigned_abs()
        };
        send_signal(pid, Signal::KILL)?;
        // The server may go on accepting for a moment, until its postmaster has noticed.
        let line = format!("(PID {pid}) was terminated by signal 9");
        let noticed = async || {
            let noticed = cluster.server_log().contains(&line);
            Ok(Seen::done_if(noticed, |noticed| *noticed))
        };
        eventually(PATIENCE, noticed).await.context(line.clone())?;
        cluster.wait_accepting().await
    }

    async fn configure(&self, change: &str) -> Result<()> {
        let admin = self.db.connect().await?;
        admin
            .batch_execute(&format!("alter system {change}"))
            .await?;
        admin.batch_execute("select pg_reload_conf()").await?;
        Ok(())
    }

    /// Files that the server's processes, and those they start, write may not be larger than so many bytes.
    async fn limit_files(&self, bytes: &str) -> Result<()> {
        let cluster = self.db.cluster();
        for pid in cluster.processes()? {
            let mut prlimit = cluster.postgres().as_user("prlimit");
            prlimit
                .current_dir("/")
                .args(["--pid", &pid.to_string()])
                .arg(format!("--fsize={bytes}:"));
            if let Err(error) = run(prlimit).await
                && cluster.processes()?.contains(&pid)
            {
                return Err(error.context("limiting a server's files (with prlimit of util-linux)"));
            }
        }
        Ok(())
    }
}

/// A process of those that a query lists; waits while there is none.
async fn one_of(admin: &Client, query: &str, which: usize) -> Result<i32> {
    let any = async || {
        let rows = admin.query(query, &[]).await?;
        let pids: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
        Ok(choose(&pids, which).map_or_else(|| Seen::not_yet("none"), Seen::Done))
    };
    eventually(PATIENCE, any).await.context(query.to_owned())
}

fn choose<T: Copy>(among: &[T], which: usize) -> Option<T> {
    let place = which.checked_rem(among.len())?;
    among.get(place).copied()
}
