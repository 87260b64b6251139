//! An installation of PostgreSQL, as its `pg_config` describes it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::layout::Layout;
use crate::process;
use crate::project::Project;

/// The answers of one `pg_config`.
#[derive(Clone, Debug)]
pub struct PgConfig {
    /// The program itself.
    pub path: PathBuf,
    /// Major version.
    pub major: u16,
    /// `18.6`.
    pub version: String,
    /// Where things are.
    pub layout: Layout,
    headers: PathBuf,
}

impl PgConfig {
    /// Asks a `pg_config`.
    pub fn ask(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path)?;
        let get = |option: &str| {
            process::ask(Command::new(&path).arg(option))
                .with_context(|| format!("{} is not a usable pg_config", path.display()))
        };
        let text = get("--version")?;
        let (version, major) = parse_version(&text)
            .with_context(|| format!("{} has version `{text}`", path.display()))?;
        Ok(Self {
            major,
            version,
            layout: Layout {
                bindir: get("--bindir")?.into(),
                pkglibdir: get("--pkglibdir")?.into(),
                sharedir: get("--sharedir")?.into(),
            },
            headers: get("--includedir-server")?.into(),
            path,
        })
    }

    fn has_headers(&self) -> bool {
        self.headers.join("postgres.h").is_file()
    }

    /// Like [`PgConfig::ask`], for one that the user named: refuses one with which the extension cannot be built.
    pub fn chosen(project: &Project, path: &Path) -> Result<Self> {
        let found = Self::ask(path)?;
        project.pins.check_supported(found.major)?;
        if !found.has_headers() {
            bail!(
                "{} has no server headers in {}: install them (Debian: `apt-get install postgresql-server-dev-{}`)",
                found.path.display(),
                found.headers.display(),
                found.major
            );
        }
        Ok(found)
    }

    /// The `pg_config` of `--pg-config` or `PG_CONFIG`, if there is one.
    pub fn wanted(project: &Project, option: Option<&Path>) -> Result<Option<Self>> {
        let variable = std::env::var_os("PG_CONFIG").filter(|value| !value.is_empty());
        option
            .or(variable.as_deref().map(Path::new))
            .map(|path| Self::chosen(project, path))
            .transpose()
    }

    /// The first complete installation of this machine that the extension supports, of `major` if given.
    pub fn on_this_machine(project: &Project, major: Option<u16>) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut candidates: Vec<PathBuf> = std::env::split_paths(&path)
            .map(|directory| directory.join("pg_config"))
            .collect();
        if let Some(major) = major {
            candidates.push(format!("/usr/lib/postgresql/{major}/bin/pg_config").into());
            candidates.push(format!("/usr/pgsql-{major}/bin/pg_config").into());
        }
        candidates
            .iter()
            .filter(|candidate| candidate.is_file())
            .filter_map(|candidate| Self::ask(candidate).ok())
            .filter(|found| major.is_none_or(|major| major == found.major))
            .filter(|found| found.has_headers() && found.layout.bindir.join("postgres").is_file())
            .find(|found| project.pins.check_supported(found.major).is_ok())
    }
}

/// `PostgreSQL 15.18 (Debian …)`, `PostgreSQL 18beta1`.
fn parse_version(text: &str) -> Option<(String, u16)> {
    let version = text.split_whitespace().nth(1)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some((version.to_owned(), digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions_as_pg_config_prints_them() {
        let version = |text| parse_version(text).map(|(_, major)| major);
        assert_eq!(
            version("PostgreSQL 15.18 (Debian 15.18-0+deb12u1)"),
            Some(15)
        );
        assert_eq!(version("PostgreSQL 18.6"), Some(18));
        assert_eq!(version("PostgreSQL 19beta1"), Some(19));
        assert_eq!(version("PostgreSQL"), None);
    }
}
