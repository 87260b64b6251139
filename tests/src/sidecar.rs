//! The real `webhooks-sidecar`, as a child process.

use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};

pub use crate::log::LogLine;

use crate::database::Database;
use crate::environment::{forget_pg_settings, sidecar_program};
use crate::log::{self, Log};
use crate::process::{Process, Signal};
use crate::{PATIENCE, database};

/// A query: how many shards each sidecar owns, as `8,8`; `none` if none does.
pub const SHARES: &str = "
    select coalesce(string_agg(n::text, ',' order by n desc), 'none')
    from (
        select count(*) as n from pg_locks
        where locktype = 'userlock' and classid = 1464156749
          and database = (select oid from pg_database where datname = current_database())
        group by pid
    ) owners";

/// How to run it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    database_url: Option<String>,
    refuses_private_networks: bool,
    quiet: bool,
}

impl Options {
    /// Does not allow 127.0.0.0/8, where the receivers are: the address policy as it is by default.
    #[must_use]
    pub fn without_private_networks(mut self) -> Self {
        self.refuses_private_networks = true;
        self
    }

    /// Adds an argument after `run`.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Connects with this URL instead of the database's own: through a proxy, say.
    #[must_use]
    pub fn database_url(mut self, url: impl Into<String>) -> Self {
        self.database_url = Some(url.into());
        self
    }

    /// Does not print the log at the end.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }
}

/// A sidecar. Dropping it kills it and prints its log, which the test runner shows if the test has failed.
#[derive(Debug)]
pub struct Sidecar {
    process: Process,
    log: Arc<Log>,
    quiet: bool,
}

impl Sidecar {
    /// Starts a sidecar for a database and waits until it is ready.
    ///
    /// # Errors
    /// With its log when it ends or takes too long.
    pub async fn start(database: &Database) -> Result<Self> {
        let mut sidecar = Self::spawn(database, Options::default())?;
        sidecar.wait_ready().await?;
        Ok(sidecar)
    }

    /// As [`start`](Self::start), run as told.
    ///
    /// # Errors
    /// With its log when it ends or takes too long.
    pub async fn start_with(database: &Database, options: Options) -> Result<Self> {
        let mut sidecar = Self::spawn(database, options)?;
        sidecar.wait_ready().await?;
        Ok(sidecar)
    }

    /// Starts a sidecar and does not wait.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(database: &Database, options: Options) -> Result<Self> {
        let url = options
            .database_url
            .unwrap_or_else(|| database.url(database::SIDECAR_ROLE));
        let mut command = Command::new(sidecar_program()?);
        forget_pg_settings(&mut command);
        command.arg("run");
        if !options.refuses_private_networks {
            command.args(["--allow-network", "127.0.0.0/8"]);
        }
        command
            .args(options.arguments)
            .env("DATABASE_URL", url)
            .env("WEBHOOKS_LOG_FORMAT", "json")
            .envs(options.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = Process::spawn("webhooks-sidecar", &mut command, Signal::KILL)?;
        let log = Arc::new(Log::new());
        let child = process.child_mut();
        log::capture(&log, child.stdout.take().context("no stdout")?)?;
        log::capture(&log, child.stderr.take().context("no stderr")?)?;
        Ok(Self {
            process,
            log,
            quiet: options.quiet,
        })
    }

    /// Where it answers for metrics, if it was started with `--metrics-listen`: host and port.
    ///
    /// # Errors
    /// With its log when it does not say so.
    pub async fn metrics_address(&self) -> Result<String> {
        let line = self
            .wait_log(PATIENCE, |line| line.contains("listening for /metrics"))
            .await?;
        let address = line.field("address").and_then(|field| field.as_str());
        Ok(address.context("no address")?.to_owned())
    }

    /// Waits for the log line `ready`.
    ///
    /// # Errors
    /// With the log, when it ends instead or takes too long.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let log = Arc::clone(&self.log);
        let waited = tokio::select! {
            ready = log.wait(PATIENCE, |line| line.message() == "ready") => ready.map(drop),
            exited = self.wait_exit(2 * PATIENCE) => {
                exited.and_then(|status| Err(anyhow!("the sidecar has ended: {status}")))
            }
        };
        waited.map_err(|error| self.with_log(&error))
    }

    /// Waits for a log line, also one already written.
    ///
    /// # Errors
    /// With the log's end, when none comes within `timeout`.
    pub async fn wait_log(
        &self,
        timeout: Duration,
        condition: impl FnMut(&LogLine) -> bool,
    ) -> Result<LogLine> {
        self.log
            .wait(timeout, condition)
            .await
            .map_err(|error| self.with_log(&error))
    }

    /// Its log so far (standard output and error).
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.log.lines()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        let all = self.log.lines();
        let tail = &all[all.len().saturating_sub(lines)..];
        tail.iter().map(|line| format!("{}\n", line.raw)).collect()
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Returns: how it ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.exited()
    }

    /// Sends SIGKILL and waits for the end.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill9(&mut self) -> Result<ExitStatus> {
        self.process.kill9()
    }

    /// Asks it to drain and end.
    ///
    /// # Errors
    /// When it has ended.
    pub fn sigterm(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// Any other signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }

    /// Freezes it: its sessions stay open, its locks stay taken.
    ///
    /// # Errors
    /// When it has ended.
    pub fn sigstop(&mut self) -> Result<()> {
        self.process.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn sigcont(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Waits for its end, and for the rest of its log.
    ///
    /// # Errors
    /// When it still runs after `timeout`.
    pub async fn wait_exit(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let status = self.process.wait_exit(timeout).await?;
        // A grandchild that holds the streams open is no reason to fail.
        let _ = self.log.wait_end(Duration::from_secs(1)).await;
        Ok(status)
    }

    fn with_log(&self, error: &anyhow::Error) -> anyhow::Error {
        anyhow!("{error:#}\n--- sidecar log (end)\n{}", self.log_tail(40))
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        if !self.quiet {
            // Always: a test that fails with Err does not panic, and the test runner hides what passing ones print.
            let pid = self.pid();
            eprint!("--- sidecar {pid} (end of its log)\n{}", self.log_tail(100));
        }
    }
}
