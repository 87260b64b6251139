//! The server process: start, readiness, and the end of its backends.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio_postgres::Client;

use crate::environment::Postgres;
use crate::process::{Process, Signal, send_signal};

pub(super) const DATA: &str = "data";
pub(super) const LOG: &str = "server.log";

const POLL: Duration = Duration::from_millis(10);
/// Crash recovery with default settings on a slow disk takes seconds.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Backends notice the postmaster's death at once when they wait, later when they compute.
const ORPHANS_LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// A port that is free now and outside the range from which the kernel takes ports of outgoing connections:
/// otherwise one of those could sit on it during a restart.
pub(super) fn choose_port() -> Result<u16> {
    for _ in 0..1000 {
        let port = rand::random_range(15_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free TCP port between 15000 and 32000 on 127.0.0.1")
}

pub(super) fn spawn(postgres: &Postgres, directory: &Path) -> Result<Process> {
    let path = directory.join(LOG);
    let log = File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    let mut command = postgres.command("postgres");
    command
        .arg("-D")
        .arg(directory.join(DATA))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Process::spawn("postgres", &mut command, Signal::QUIT)
}

pub(super) async fn wait_accepting<F>(
    connect: impl Fn() -> F,
    mut exited: impl FnMut() -> Result<Option<ExitStatus>>,
) -> Result<()>
where
    F: Future<Output = Result<Client>>,
{
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(status) = exited()? {
            bail!("postgres ended while starting: {status}");
        }
        match connect().await {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() >= deadline => {
                return Err(error.context(format!("no connection within {START_TIMEOUT:?}")));
            }
            Err(_) => tokio::time::sleep(POLL).await,
        }
    }
}

/// Waits until no process works in the data directory any more; ends those that take too long.
pub(super) async fn wait_backends_gone(data: &Path) -> Result<()> {
    let data = data.canonicalize()?;
    let started = Instant::now();
    loop {
        let left = processes_in(&data)?;
        if left.is_empty() {
            return Ok(());
        }
        if started.elapsed() > 2 * ORPHANS_LEAVE_WITHIN {
            bail!("backends {left:?} of a killed postmaster do not end");
        }
        if started.elapsed() > ORPHANS_LEAVE_WITHIN {
            for pid in left {
                // Gone in the meantime is as good.
                let _ = send_signal(pid, Signal::KILL);
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Ids of the processes whose working directory this is, as every PostgreSQL process's is the data directory.
pub(super) fn processes_in(directory: &Path) -> Result<Vec<u32>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("reading /proc")? {
        let entry = entry?;
        if let Ok(pid) = entry.file_name().to_string_lossy().parse()
            && std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == directory)
        {
            found.push(pid);
        }
    }
    Ok(found)
}
