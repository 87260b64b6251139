//! Long-running child processes: signals, waiting for their end, and none left behind.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use tokio::signal::unix::{SignalKind, signal};

use crate::watchdog::Watchdog;

const POLL: Duration = Duration::from_millis(5);
/// How long a process may take over its last signal before it gets SIGKILL.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for Ctrl-C, or for what a terminal or a supervisor sends at its end.
///
/// # Errors
/// When signals can't be waited for.
pub async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed?,
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}

/// A child in its own process group (Ctrl-C in the terminal does not reach it). Dropping it ends it.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    last_signal: Signal,
    // Declared last: released only after the child has ended.
    _watchdog: Watchdog,
}

impl Process {
    /// Starts a child that is ended with `last_signal` (SIGKILL if that does not help) when it is dropped or when this process dies.
    ///
    /// # Errors
    /// When it can't be started.
    pub fn spawn(name: &str, command: &mut Command, last_signal: Signal) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let signal = if last_signal == Signal::QUIT {
            "QUIT"
        } else {
            "KILL"
        };
        let watchdog = Watchdog::ends_process(child.id(), signal)?;
        Ok(Self {
            name: name.to_owned(),
            child,
            last_signal,
            _watchdog: watchdog,
        })
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if let Some(status) = self.exited()? {
            bail!("{} has already ended: {status}", self.name);
        }
        send_signal(self.pid(), signal).with_context(|| format!("signalling {}", self.name))
    }

    /// Returns: how it ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `timeout`.
    pub async fn wait_exit(&mut self, timeout: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.exited()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!(
                    "{} (pid {}) still runs after {timeout:?}",
                    self.name,
                    self.pid()
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends SIGKILL and reaps.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill9(&mut self) -> Result<ExitStatus> {
        self.child.kill()?;
        Ok(self.child.wait()?)
    }

    /// The process itself, for its pipes.
    pub fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.exited(), Ok(Some(_))) {
            return;
        }
        // A stopped process (SIGSTOP) acts on a signal only once it continues.
        let _ = send_signal(self.pid(), self.last_signal);
        let _ = send_signal(self.pid(), Signal::CONT);
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.exited(), Ok(None)) {
                return;
            }
            std::thread::sleep(POLL);
        }
        let _ = self.kill9();
    }
}

/// Sends a signal to any process, a database backend for instance.
///
/// # Errors
/// When there is no such process, or it belongs to somebody else.
pub fn send_signal(pid: u32, signal: Signal) -> Result<()> {
    let id = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .with_context(|| format!("{pid} is no process id"))?;
    kill_process(id, signal).with_context(|| format!("sending {signal:?} to process {pid}"))
}
