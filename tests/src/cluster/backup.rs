//! Base backups: standbys that are made of them, and restores to a point in time.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::server::DATA;
use super::{Cluster, Options};
use crate::environment::{Postgres, run};

/// A server with this file follows another one, until it is promoted.
const STANDBY_SIGNAL: &str = "standby.signal";
/// A server with this file restores what is archived, up to its target.
const RECOVERY_SIGNAL: &str = "recovery.signal";

impl Cluster {
    /// Copies the files of the running server with `pg_basebackup`.
    ///
    /// Returns: a directory that has them, and is removed when it is dropped.
    ///
    /// # Errors
    /// With pg_basebackup's messages.
    pub async fn base_backup(&self) -> Result<TempDir> {
        let backup = self.postgres().new_directory()?;
        let mut pg_basebackup = self.postgres().command("pg_basebackup");
        pg_basebackup
            .current_dir("/")
            .arg("-h")
            .arg(self.directory())
            .args(["-p", &self.port().to_string(), "-U", "postgres"])
            .args(["--checkpoint=fast", "--no-sync", "-D"])
            .arg(backup.path().join(DATA));
        run(pg_basebackup).await?;
        Ok(backup)
    }

    /// Starts a hot standby that streams from this server, at the address by which it shall reach it.
    ///
    /// # Errors
    /// With the messages of pg_basebackup or the standby's log.
    pub async fn standby(&self, upstream: SocketAddr) -> Result<Arc<Self>> {
        let (host, port) = (upstream.ip(), upstream.port());
        let primary = format!("host={host} port={port} user=postgres application_name=standby");
        let backup = self.base_backup().await?;
        let options = Options::default().set("primary_conninfo", &primary);
        Self::start_backup(self.postgres(), backup.path(), STANDBY_SIGNAL, &options).await
    }

    /// Starts a server on a base backup that restores what is in the archive, up to a time (as text, with its time
    /// zone), and then accepts writes.
    ///
    /// # Errors
    /// With the server's log when it does not start.
    pub async fn restore_until(backup: &Path, archive: &Path, time: &str) -> Result<Arc<Self>> {
        let restore = format!("cp {}/%f %p", archive.display());
        let options = Options::default()
            .set("archive_mode", "off")
            .set("restore_command", &restore)
            .set("recovery_target_time", time)
            .set("recovery_target_action", "promote");
        let postgres = Postgres::from_env()?;
        Self::start_backup(&postgres, backup, RECOVERY_SIGNAL, &options).await
    }

    /// Starts a server on a copy of a base backup.
    async fn start_backup(
        postgres: &Postgres,
        backup: &Path,
        signal: &str,
        options: &Options,
    ) -> Result<Arc<Self>> {
        let make = || async {
            let cluster = Self::empty(postgres.clone())?;
            let data = cluster.data_directory();
            let mut copy = postgres.as_user("cp");
            copy.arg("-R").arg(backup.join(DATA)).arg(&data);
            run(copy).await.context("copying the base backup")?;
            cluster.configure(options)?;
            let signal = data.join(signal);
            std::fs::write(&signal, "")?;
            postgres.hand_over(&signal)?;
            Ok(cluster)
        };
        Self::start_made(make).await
    }
}

impl Options {
    /// Archives the write-ahead log in a directory that belongs to the user that PostgreSQL runs as.
    #[must_use]
    pub fn archives_to(self, archive: &Path) -> Self {
        let copy = format!("cp %p {}/%f", archive.display());
        self.set("archive_mode", "on").set("archive_command", &copy)
    }
}
