//! Builds the extension and puts its files together: the library, the control file and the SQL scripts.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::layout::Layout;
use crate::libclang::Libclang;
use crate::pg_config::PgConfig;
use crate::process;
use crate::project::Project;
use crate::scripts::{self, Script, read};

/// What runs beside the server.
pub const PROGRAMS_DELIVERED: [&str; 2] = ["webhooks-sidecar", "webhooks-console"];
/// The library as cargo names it; PostgreSQL loads it as `$libdir/webhooks`.
const BUILT_LIBRARY: &str = "libwebhooks.so";

/// The extension for one PostgreSQL.
pub struct Extension<'a> {
    project: &'a Project,
    config: &'a PgConfig,
    libclang: &'a Libclang,
    profile: &'a str,
}

/// Packages and features to compile along with the extension.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Build {
    /// The packages that `install` and `package` deliver.
    Delivered,
    /// All of the workspace, with the programs of the tests crate.
    Workspace,
    /// The same, and the sidecar gets the failpoints that crash tests need.
    WithFailpoints,
    /// The sidecar with failpoints, and the integration tests. As these have dependencies of their own, it is the same
    /// build as for unit tests.
    Tests,
}

/// The cargo feature of the failpoints.
pub const FAILPOINTS: &str = "webhooks-sidecar/failpoints";
/// The cargo feature of the programs demo, crash and bench.
const PROGRAMS: &str = "webhooks-tests/programs";
/// A sidecar that was built with failpoints logs this text at its start, so only its binary holds the text.
const SAYS_FAILPOINTS: &str = "built with failpoints: for tests only";

impl Build {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Delivered => &[
                "--package",
                "webhooks",
                "--package",
                "webhooks-sidecar",
                "--package",
                "webhooks-console",
            ],
            Self::Workspace => &["--workspace", "--features", PROGRAMS],
            Self::WithFailpoints => &[
                "--workspace",
                "--features",
                PROGRAMS,
                "--features",
                FAILPOINTS,
            ],
            Self::Tests => &[
                "--workspace",
                "--features",
                FAILPOINTS,
                "--lib",
                "--bins",
                "--test",
                "*",
            ],
        }
    }

    /// Refuses a sidecar with failpoints anywhere but in tests, and one without them there.
    fn check_sidecar(self, path: &Path) -> Result<()> {
        let wanted = matches!(self, Self::WithFailpoints | Self::Tests);
        let binary = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let text = SAYS_FAILPOINTS.as_bytes();
        let found = binary.windows(text.len()).any(|window| window == text);
        if found != wanted {
            bail!(
                "{} has {} failpoints, which is wrong here",
                path.display(),
                if found { "the" } else { "no" }
            );
        }
        Ok(())
    }
}

/// One file of the extension.
pub struct File {
    /// Which of PostgreSQL's directories it belongs in.
    pub place: Place,
    /// Its name there.
    pub name: String,
    /// Its contents.
    pub contents: Vec<u8>,
}

/// A directory of a PostgreSQL installation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// `pg_config --pkglibdir`
    Library,
    /// `extension` in `pg_config --sharedir`
    Share,
}

impl<'a> Extension<'a> {
    /// The extension for `config`, compiled with a cargo profile.
    pub fn new(
        project: &'a Project,
        config: &'a PgConfig,
        libclang: &'a Libclang,
        profile: &'a str,
    ) -> Self {
        Self {
            project,
            config,
            libclang,
            profile,
        }
    }

    /// Compiles it, and the packages of `what`.
    pub fn build(&self, what: Build) -> Result<()> {
        let mut command = self.cargo("build");
        command.args(what.arguments());
        process::must(&mut command, "cargo says above what is wrong.")?;
        what.check_sidecar(&self.project.built(self.profile, "webhooks-sidecar"))
    }

    /// Lints it and the rest of the workspace, as it is delivered and as it is tested.
    pub fn clippy(&self) -> Result<()> {
        for what in [Build::Workspace, Build::WithFailpoints] {
            let mut command = self.cargo("clippy");
            command.args(what.arguments());
            command.args(["--all-targets", "--", "--deny", "warnings"]);
            process::must(&mut command, "clippy says above what is wrong.")?;
        }
        Ok(())
    }

    fn cargo(&self, subcommand: &str) -> Command {
        let mut command = self.project.cargo(subcommand);
        command
            .args(["--profile", self.profile])
            .args(["--features", &format!("webhooks/pg{}", self.config.major)])
            .env("PGRX_PG_CONFIG_PATH", &self.config.path);
        self.libclang.apply(&mut command);
        command
    }

    /// Its files, after [`Extension::build`].
    pub fn files(&self) -> Result<Vec<File>> {
        let library = self.project.built(self.profile, BUILT_LIBRARY);
        let mut files = sql_files(&self.project.root, self.project.version)?;
        files.push(File {
            place: Place::Library,
            name: "webhooks.so".to_owned(),
            contents: fs::read(&library)
                .with_context(|| format!("cannot read {}", library.display()))?,
        });
        Ok(files)
    }

    /// Writes its files into an installation.
    pub fn install(&self, layout: &Layout) -> Result<()> {
        for file in self.files()? {
            file.write(&file.place.directory(layout))?;
        }
        Ok(())
    }

    /// Writes its files and the install scripts of former versions, from which tests upgrade. Scripts of other versions
    /// that are there are removed: of branches that were built here before.
    pub fn install_for_tests(&self, layout: &Layout) -> Result<()> {
        let directory = Place::Share.directory(layout);
        remove_scripts(&directory)
            .with_context(|| format!("cannot remove scripts from {}", directory.display()))?;
        for script in scripts::former(&self.project.root)? {
            File::from(script).write(&directory)?;
        }
        self.install(layout)
    }
}

impl Place {
    /// The directory in an installation.
    pub fn directory(self, layout: &Layout) -> PathBuf {
        match self {
            Self::Library => layout.pkglibdir.clone(),
            Self::Share => layout.sharedir.join("extension"),
        }
    }
}

impl File {
    /// Writes it. A file of that name is replaced as a whole: a server that has it loaded keeps the old one.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let target = directory.join(&self.name);
        let fresh = directory.join(format!(".{}.new", self.name));
        let mode = match self.place {
            Place::Library => 0o755,
            Place::Share => 0o644,
        };
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&fresh, &self.contents))
            .and_then(|()| fs::set_permissions(&fresh, Permissions::from_mode(mode)))
            .and_then(|()| fs::rename(&fresh, &target))
            .with_context(|| format!("cannot write {}", target.display()))
    }
}

fn remove_scripts(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("webhooks--") && name.ends_with(".sql") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The control file, the install script and the upgrade scripts.
pub fn sql_files(root: &Path, version: &str) -> Result<Vec<File>> {
    let mut files = vec![File {
        place: Place::Share,
        name: "webhooks.control".to_owned(),
        contents: control(root, version)?.into_bytes(),
    }];
    files.extend(
        scripts::delivered(root, version)?
            .into_iter()
            .map(File::from),
    );
    Ok(files)
}

impl From<Script> for File {
    fn from(script: Script) -> Self {
        Self {
            place: Place::Share,
            name: script.name,
            contents: script.text.into_bytes(),
        }
    }
}

fn control(root: &Path, version: &str) -> Result<String> {
    let path = root.join("extension/webhooks.control");
    let text = read(&path)?.replace("@VERSION@", version);
    if let Some(line) = text.lines().find(|line| line.contains('@')) {
        bail!("{} has an unknown placeholder: {line}", path.display());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::repository;

    #[test]
    fn only_tests_get_failpoints() {
        for what in [Build::Delivered, Build::Workspace] {
            assert!(!what.arguments().concat().contains("failpoints"));
        }
        assert!(Build::WithFailpoints.arguments().contains(&FAILPOINTS));
        let without = repository().join("Cargo.toml");
        let with = repository().join("sidecar/src/failpoint.rs");
        for (what, right, wrong) in [
            (Build::Delivered, &without, &with),
            (Build::Workspace, &without, &with),
            (Build::WithFailpoints, &with, &without),
        ] {
            assert!(what.check_sidecar(right).is_ok(), "{what:?}");
            assert!(what.check_sidecar(wrong).is_err(), "{what:?}");
        }
    }

    #[test]
    fn the_control_file_names_the_version_and_the_library() {
        let text = control(&repository(), "1.2.3").unwrap();
        assert!(text.contains("default_version = '1.2.3'"), "{text}");
        assert!(
            text.contains("module_pathname = '$libdir/webhooks'"),
            "{text}"
        );
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let directory = std::env::temp_dir().join(format!("xtask-install-{}", std::process::id()));
        let file = |text: &str| File {
            place: Place::Share,
            name: "a.control".to_owned(),
            contents: text.as_bytes().to_vec(),
        };
        file("old and long").write(&directory).unwrap();
        file("new").write(&directory).unwrap();
        assert_eq!(read(&directory.join("a.control")).unwrap(), "new");
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
        fs::remove_dir_all(directory).unwrap();
    }
}
