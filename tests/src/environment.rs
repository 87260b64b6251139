//! Facts about this machine that `cargo xtask` gives the tests in environment variables.
//!
//! | variable | what it holds |
//! | --- | --- |
//! | `WEBHOOKS_PG_BINDIR` | `bin` directory of a PostgreSQL that has the extension installed |
//! | `WEBHOOKS_SIDECAR` | path of the `webhooks-sidecar` binary |
//! | `WEBHOOKS_SCHEMATHESIS` | directory with the Python package Schemathesis and what it needs |
//! | `WEBHOOKS_CHROMIUM`, `WEBHOOKS_BROWSER` | Chromium, and the directory with the Python packages that drive it; unset: none |
//! | `WEBHOOKS_PG_UID`, `WEBHOOKS_PG_GID` | as root only: the user that PostgreSQL's programs run as |

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tempfile::TempDir;

/// A PostgreSQL installation and the user that may run it.
#[derive(Debug, Clone)]
pub struct Postgres {
    bindir: PathBuf,
    /// uid and gid; `None`: the current user.
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// Reads `WEBHOOKS_PG_*`.
    ///
    /// # Errors
    /// When a variable is missing or malformed, or when root has no other user to run PostgreSQL as.
    pub fn from_env() -> Result<Self> {
        let bindir = PathBuf::from(required("WEBHOOKS_PG_BINDIR")?);
        ensure!(
            bindir.join("postgres").exists(),
            "WEBHOOKS_PG_BINDIR is {}, which has no program `postgres`",
            bindir.display()
        );
        let user = if rustix::process::geteuid().is_root() {
            Some((number("WEBHOOKS_PG_UID")?, number("WEBHOOKS_PG_GID")?))
        } else {
            None
        };
        Ok(Self { bindir, user })
    }

    /// Path of one of PostgreSQL's programs.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bindir.join(name)
    }

    /// A command that runs one of PostgreSQL's programs as the right user, free of the caller's `PG*` settings.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        self.as_user(self.program(program))
    }

    /// A command that runs any program as the user that PostgreSQL runs as.
    #[must_use]
    pub fn as_user(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        forget_pg_settings(&mut command);
        command.env("LC_ALL", "C").env("TZ", "UTC");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes a new private directory that the PostgreSQL user owns.
    ///
    /// # Errors
    /// When it cannot be made or handed over.
    pub fn new_directory(&self) -> Result<TempDir> {
        let directory = tempfile::Builder::new()
            .prefix("webhooks-")
            .tempdir()
            .with_context(|| format!("making a directory in {}", env::temp_dir().display()))?;
        self.hand_over(directory.path())?;
        Ok(directory)
    }

    /// Makes the PostgreSQL user the owner of a path.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn hand_over(&self, path: &Path) -> Result<()> {
        if let Some((uid, gid)) = self.user {
            chown(path, Some(uid), Some(gid))
                .with_context(|| format!("giving {} to uid {uid}", path.display()))?;
        }
        Ok(())
    }
}

/// Path of the sidecar's binary, from `WEBHOOKS_SIDECAR`.
///
/// # Errors
/// When the variable is missing or names no file.
pub fn sidecar_program() -> Result<PathBuf> {
    let path = PathBuf::from(required("WEBHOOKS_SIDECAR")?);
    ensure!(
        path.is_file(),
        "WEBHOOKS_SIDECAR is {}, which is no file",
        path.display()
    );
    Ok(path)
}

/// Path of the console's binary, which is built beside the sidecar's.
///
/// # Errors
/// When it is not there.
pub fn console_program() -> Result<PathBuf> {
    let path = sidecar_program()?.with_file_name("webhooks-console");
    ensure!(path.is_file(), "there is no {}", path.display());
    Ok(path)
}

/// Directory with the Python package Schemathesis, from `WEBHOOKS_SCHEMATHESIS`.
///
/// # Errors
/// When the variable is missing.
pub fn schemathesis_package() -> Result<PathBuf> {
    required("WEBHOOKS_SCHEMATHESIS").map(PathBuf::from)
}

/// Directory with the Python package that makes a client of the description of the API, from
/// `WEBHOOKS_CLIENT_GENERATOR`.
///
/// # Errors
/// When the variable is missing.
pub fn client_generator() -> Result<PathBuf> {
    required("WEBHOOKS_CLIENT_GENERATOR").map(PathBuf::from)
}

/// What looks at pages.
#[derive(Debug)]
pub struct Browser {
    /// The program.
    pub chromium: PathBuf,
    /// Directory with the Python packages that drive it.
    pub packages: PathBuf,
}

/// The browser, from `WEBHOOKS_CHROMIUM` and `WEBHOOKS_BROWSER`; `None`: this machine has none.
#[must_use]
pub fn browser() -> Option<Browser> {
    Some(Browser {
        chromium: env::var_os("WEBHOOKS_CHROMIUM")?.into(),
        packages: env::var_os("WEBHOOKS_BROWSER")?.into(),
    })
}

/// Keeps the caller's `PGHOST` and the like from redirecting a program to another database.
pub(crate) fn forget_pg_settings(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
}

/// Runs a command to its end, off the async threads; its output is part of the error if it fails.
pub(crate) async fn run(mut command: Command) -> Result<Output> {
    let shown = format!("{command:?}");
    let output = tokio::task::spawn_blocking(move || command.output())
        .await?
        .with_context(|| format!("starting {shown}"))?;
    if !output.status.success() {
        bail!(
            "{shown}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(output)
}

/// Raises this process's limit of open files, and so that of the programs it starts, as far as the system lets it:
/// a receiver of 2,000 requests at once needs as many.
pub(crate) fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where it is refused, a test that needs more says which connection failed.
    let _ = setrlimit(Resource::Nofile, raised);
}

fn required(name: &str) -> Result<String> {
    env::var(name).with_context(|| {
        format!("{name} is not set: start the tests with `cargo xtask test` and the demo with `cargo xtask demo`")
    })
}

fn number(name: &str) -> Result<u32> {
    let value =
        required(name).context("PostgreSQL refuses to run as root and needs another user's ids")?;
    value
        .parse()
        .with_context(|| format!("{name} is {value:?}, not a number"))
}
