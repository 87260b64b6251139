//! Where things are: the repository, its target directory, its version, and cargo itself.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::pins::Pins;

/// The cargo profile of `demo` and `test`, defined in `.cargo/config.toml`.
pub const QUICK: &str = "quick";
/// The cargo profile of what people install.
pub const RELEASE: &str = "release";

/// This repository.
pub struct Project {
    /// Directory of the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Cargo's target directory; everything that is built or fetched lives here.
    pub target: PathBuf,
    /// Version of the extension, the sidecar and this program.
    pub version: &'static str,
    /// pgrx.toml.
    pub pins: Pins,
}

impl Project {
    /// Finds the repository from the environment that `cargo run` sets.
    pub fn open() -> Result<Self> {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|| OsString::from(env!("CARGO_MANIFEST_DIR")));
        let root = Path::new(&manifest)
            .parent()
            .context("xtask/ has no parent directory")?
            .to_path_buf();
        let program = std::env::current_exe().context("cannot find the path of xtask itself")?;
        let target = program
            .ancestors()
            .nth(2)
            .context("xtask must run from cargo's target directory: use `cargo xtask`")?
            .to_path_buf();
        let pins = Pins::read(&root.join("pgrx.toml"))?;
        Ok(Self {
            root,
            target,
            version: env!("CARGO_PKG_VERSION"),
            pins,
        })
    }

    /// Where fetched PostgreSQL servers and libclang are kept.
    pub fn toolchain(&self) -> PathBuf {
        self.target.join("toolchain")
    }

    /// A file that cargo built with `profile`.
    pub fn built(&self, profile: &str, file: &str) -> PathBuf {
        self.target.join(profile).join(file)
    }

    /// `cargo <subcommand>` in the repository, without the variables that `cargo run` set for xtask: build scripts
    /// would see them and cargo would build again what a plain `cargo build` has built.
    pub fn cargo(&self, subcommand: &str) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.arg(subcommand).current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command.env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// The repository that these tests are of.
#[cfg(test)]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}
