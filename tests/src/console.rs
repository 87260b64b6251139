//! The real `webhooks-console`, as a child process, and requests to it.

use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::PATIENCE;
use crate::database::{self, Database};
use crate::environment::{console_program, forget_pg_settings};
use crate::http::{self, Answer, send};
use crate::log::{self, Log, LogLine};
use crate::process::{Process, Signal};

/// A console. Dropping it kills it and prints its log, which the test runner shows if the test has failed.
#[derive(Debug)]
pub struct Console {
    process: Process,
    log: Arc<Log>,
    address: String,
    is_quiet: bool,
}

impl Console {
    /// Starts a console for a database, as the role that is a member of `webhooks_console` alone, and waits until it
    /// listens.
    ///
    /// # Errors
    /// With its log when it ends or takes too long.
    pub async fn start(database: &Database) -> Result<Self> {
        Self::start_with(&database.url(database::CONSOLE_ROLE), &[]).await
    }

    /// As [`start`](Self::start), with this connection string and more arguments.
    ///
    /// # Errors
    /// With its log when it ends or takes too long.
    pub async fn start_with(database_url: &str, arguments: &[&str]) -> Result<Self> {
        let mut console = Self::spawn(database_url, arguments, &[])?;
        console.wait_listening().await?;
        Ok(console)
    }

    /// Starts a console with these variables besides, and waits for nothing.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn spawn(
        database_url: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let mut command = Command::new(console_program()?);
        forget_pg_settings(&mut command);
        command
            .args(["run", "--listen", "0", "--log-format", "json"])
            .args(arguments)
            .env("DATABASE_URL", database_url)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Process::spawn("webhooks-console", &mut command, Signal::KILL)?;
        let log = Arc::new(Log::new());
        log::capture(
            &log,
            process.child_mut().stderr.take().context("no stderr")?,
        )?;
        Ok(Self {
            process,
            log,
            address: String::new(),
            is_quiet: false,
        })
    }

    /// Waits until it listens.
    ///
    /// # Errors
    /// With its log when it ends or takes too long.
    pub async fn wait_listening(&mut self) -> Result<()> {
        let line = self.wait_log(|line| line.message() == "listening").await?;
        let address = line.field("address").and_then(Value::as_str);
        address.context("no address")?.clone_into(&mut self.address);
        Ok(())
    }

    /// Its log is not printed at its end.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.is_quiet = true;
        self
    }

    /// Where it listens: host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<Answer> {
        send(&self.address, method, path, headers, body).await
    }

    /// Gets a path, without a token.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> Result<(u16, String)> {
        http::get(&self.address, path).await
    }

    /// Waits for a log line, also one already written.
    ///
    /// # Errors
    /// When none comes.
    pub async fn wait_log(&self, condition: impl FnMut(&LogLine) -> bool) -> Result<LogLine> {
        self.log.wait(PATIENCE, condition).await
    }

    /// Its log so far.
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.log.lines()
    }

    /// Asks it to finish what it does, and to end.
    ///
    /// # Errors
    /// When it has ended.
    pub fn sigterm(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// Waits for its end, and for the rest of its log.
    ///
    /// # Errors
    /// When it still runs after `timeout`.
    pub async fn wait_exit(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let status = self.process.wait_exit(timeout).await?;
        let _ = self.log.wait_end(Duration::from_secs(1)).await;
        Ok(status)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if self.is_quiet {
            return;
        }
        eprintln!("--- console {} (its log)", self.process.pid());
        for line in self.log.lines() {
            eprintln!("{}", line.raw);
        }
    }
}
