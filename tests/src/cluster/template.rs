//! Data directories: `initdb` once per process, then copies.

use std::path::Path;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::server::DATA;
use crate::environment::{Postgres, run};
use crate::watchdog::Watchdog;

/// Copies this process's template to `data`; the first call makes the template.
pub(super) async fn copy_to(postgres: &Postgres, data: &Path) -> Result<()> {
    // Statics are never dropped: the watchdog removes the directory when the process ends.
    static TEMPLATE: OnceCell<(TempDir, Watchdog)> = OnceCell::const_new();
    let (template, _) = TEMPLATE
        .get_or_try_init(|| async {
            let directory = postgres.new_directory()?;
            let watchdog = Watchdog::removes_directory(directory.path())?;
            initdb(postgres, &directory.path().join(DATA), &[]).await?;
            anyhow::Ok((directory, watchdog))
        })
        .await?;
    let mut copy = postgres.as_user("cp");
    copy.arg("-R").arg(template.path().join(DATA)).arg(data);
    run(copy).await.context("copying the template cluster")?;
    Ok(())
}

/// Makes a data directory.
pub(super) async fn initdb(postgres: &Postgres, data: &Path, arguments: &[String]) -> Result<()> {
    let mut initdb = postgres.command("initdb");
    initdb
        .current_dir("/")
        .args(["--no-sync", "--no-instructions", "--username=postgres"])
        .args(["--encoding=UTF8", "--locale=C", "--auth=trust"])
        .arg("-D")
        .arg(data)
        .args(arguments);
    run(initdb).await?;
    Ok(())
}
