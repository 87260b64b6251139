//! PostgreSQL's client programs, run against a cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Cluster;
use crate::environment::run;

impl Cluster {
    /// Runs SQL (or psql's `\` commands) with `psql` as superuser, stopping at the first error.
    ///
    /// Returns: what psql prints, unaligned, without headers.
    ///
    /// # Errors
    /// With psql's messages.
    pub async fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let mut psql = self.client_program("psql", database);
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-f"]);
        // A file, not an argument or a pipe: dumps are large and psql may stop reading early.
        let script = tempfile::NamedTempFile::new()?;
        self.postgres().hand_over(script.path())?;
        std::fs::write(script.path(), sql)?;
        psql.arg(script.path());
        let output = run(psql).await?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Dumps a database with `pg_dump`.
    ///
    /// Returns: the dump, as SQL.
    ///
    /// # Errors
    /// With pg_dump's messages.
    pub async fn dump(&self, database: &str, arguments: &[&str]) -> Result<String> {
        let mut pg_dump = self.client_program("pg_dump", database);
        pg_dump.args(arguments);
        let output = run(pg_dump).await?;
        String::from_utf8(output.stdout).context("the dump is not UTF-8")
    }

    /// Restores a dump into an existing database, stopping at the first error.
    ///
    /// # Errors
    /// With psql's messages.
    pub async fn restore(&self, database: &str, dump: &str) -> Result<()> {
        self.psql(database, dump).await.map(drop)
    }

    /// Dumps a database into an archive with `pg_dump -Fc`.
    ///
    /// Returns: its path, in the cluster's directory.
    ///
    /// # Errors
    /// With pg_dump's messages.
    pub async fn archive(&self, database: &str, arguments: &[&str]) -> Result<PathBuf> {
        let archive = self.directory().join(format!("{database}.archive"));
        let mut pg_dump = self.client_program("pg_dump", database);
        pg_dump.args(["-Fc", "-f"]).arg(&archive).args(arguments);
        run(pg_dump).await?;
        Ok(archive)
    }

    /// Restores an archive into an existing database with `pg_restore`, stopping at the first error.
    ///
    /// # Errors
    /// With pg_restore's messages.
    pub async fn restore_archive(
        &self,
        database: &str,
        archive: &Path,
        arguments: &[&str],
    ) -> Result<()> {
        let mut pg_restore = self.client_program("pg_restore", database);
        pg_restore
            .arg("--exit-on-error")
            .args(arguments)
            .arg(archive);
        run(pg_restore).await.map(drop)
    }

    /// One of PostgreSQL's client programs, connected to a database as superuser.
    #[must_use]
    pub fn client_program(&self, program: &str, database: &str) -> Command {
        let mut command = self.postgres().command(program);
        command
            .current_dir("/")
            .arg("-h")
            .arg(self.directory())
            .args(["-p", &self.port().to_string()])
            .args(["-U", "postgres", "-d", database]);
        command
    }
}
