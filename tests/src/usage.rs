//! The resources that a run used: CPU seconds of processes, memory, WAL bytes, statements.

use std::path::Path;

use anyhow::{Context, Result};
use tokio_postgres::Client;

/// CPU seconds of a process, its threads and its ended children, from /proc.
///
/// # Errors
/// When there is no such process.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    // Fields after the command's name, which may hold spaces: utime is the 12th of them, cstime the 15th.
    let fields = stat.rsplit_once(')').context("malformed /proc stat")?.1;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|field| field.parse::<f64>().ok())
        .sum::<f64>();
    Ok(ticks / 100.0)
}

/// CPU seconds of a postmaster and all its children.
///
/// # Errors
/// When it does not run.
pub fn cluster_cpu_seconds(data_directory: &Path) -> Result<f64> {
    let postmaster = postmaster_pid(data_directory)?;
    let mut seconds = cpu_seconds(postmaster)?;
    let children =
        std::fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children"))?;
    for child in children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
    {
        seconds += cpu_seconds(child).unwrap_or(0.0);
    }
    Ok(seconds)
}

fn postmaster_pid(data_directory: &Path) -> Result<u32> {
    let file = std::fs::read_to_string(data_directory.join("postmaster.pid"))?;
    file.lines()
        .next()
        .and_then(|line| line.trim().parse().ok())
        .context("malformed postmaster.pid")
}

/// Largest resident set of a process so far, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn peak_rss(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .context("no VmHWM")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|n| n.parse().ok())
        .context("malformed VmHWM")?;
    Ok(kib * 1024.0)
}

/// WAL written so far, in bytes.
///
/// # Errors
/// When the query fails.
pub async fn wal_bytes(client: &Client) -> Result<f64> {
    let row = client
        .query_one("select (pg_current_wal_insert_lsn() - '0/0')::float8", &[])
        .await?;
    Ok(row.get(0))
}

/// Statements of a role so far (needs pg_stat_statements).
///
/// # Errors
/// When the query fails.
pub async fn statements(client: &Client, role: &str) -> Result<f64> {
    let query = "select coalesce(sum(calls), 0)::float8 from pg_stat_statements where userid = $1::text::regrole and toplevel";
    Ok(client.query_one(query, &[&role]).await?.get(0))
}
