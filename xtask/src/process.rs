//! Child processes that end when xtask does.
//!
//! Each child leads a process group of its own, so one signal reaches cargo and everything that cargo started.
//! Ctrl-C, SIGTERM and SIGHUP are passed on; a child that then outstays [`GRACE`] is killed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long a child may take to stop a cluster and remove its files after Ctrl-C.
const GRACE: Duration = Duration::from_secs(20);

/// The child that runs now: the id of its process group.
static CURRENT: Mutex<Option<Pid>> = Mutex::new(None);
static STOPPING: AtomicBool = AtomicBool::new(false);

/// The user asked us to stop.
#[derive(Debug)]
pub struct Interrupted;

impl std::fmt::Display for Interrupted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Passes signals on to the current child from now on.
pub fn watch_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals")?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            let again = STOPPING.swap(true, Ordering::SeqCst);
            let Some(group) = *current() else { continue };
            let passed_on = match signal {
                _ if again => Signal::KILL,
                SIGINT => Signal::INT,
                _ => Signal::TERM,
            };
            signal_group(group, passed_on);
            std::thread::spawn(move || {
                std::thread::sleep(GRACE);
                if *current() == Some(group) {
                    signal_group(group, Signal::KILL);
                }
            });
        }
    });
    Ok(())
}

/// Runs a command to its end. Its output goes where ours goes; it has no standard input.
pub fn run(command: &mut Command) -> Result<ExitStatus> {
    let mut child = start(command)?;
    let status = child.wait();
    finish(command, status)
}

/// Like [`run`], and each line of its standard output is also shown to `look`.
pub fn run_watching(command: &mut Command, mut look: impl FnMut(&str)) -> Result<ExitStatus> {
    let mut child = start(command.stdout(Stdio::piped()))?;
    if let Some(output) = child.stdout.take() {
        let mut stdout = std::io::stdout();
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { break };
            let text = String::from_utf8_lossy(&line);
            look(&text);
            // A closed pipe on our side must not stop the tests from cleaning up.
            let _ = writeln!(stdout, "{text}");
        }
    }
    let status = child.wait();
    finish(command, status)
}

/// Runs a command that must succeed; `advice` says what to do if it does not.
pub fn must(command: &mut Command, advice: &str) -> Result<()> {
    let status = run(command)?;
    if !status.success() {
        bail!("{} ended with {status}. {advice}", shown(command));
    }
    Ok(())
}

/// The trimmed standard output of a short command that must succeed.
pub fn ask(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            shown(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Errors if the user asked us to stop.
pub fn check_interrupted() -> Result<()> {
    if STOPPING.load(Ordering::SeqCst) {
        bail!(Interrupted);
    }
    Ok(())
}

fn start(command: &mut Command) -> Result<std::process::Child> {
    // The lock is held across the start, so that a signal sees either no child or this one.
    let mut current = current();
    check_interrupted()?;
    let child = command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run {}", shown(command)))?;
    *current = Some(Pid::from_child(&child));
    Ok(child)
}

fn finish(command: &Command, status: std::io::Result<ExitStatus>) -> Result<ExitStatus> {
    if let Some(group) = current().take() {
        // Ends processes that a test program left in its group. PostgreSQL shuts down on TERM.
        signal_group(group, Signal::TERM);
    }
    check_interrupted()?;
    status.with_context(|| format!("lost track of {}", shown(command)))
}

/// A group that is gone already is no error.
fn signal_group(group: Pid, signal: Signal) {
    let _ = kill_process_group(group, signal);
}

fn current() -> MutexGuard<'static, Option<Pid>> {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn shown(command: &Command) -> String {
    let mut text = format!("`{}", command.get_program().to_string_lossy());
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text.push('`');
    text
}
