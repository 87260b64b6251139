//! PostgreSQL from Debian's or Ubuntu's packages, unpacked into the target directory: needs no root, installs nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use crate::pg_config::PgConfig;
use crate::process;
use crate::project::Project;
use crate::wheel;

/// How deep to follow the dependencies of packages while libraries are still missing.
const DEPTH: usize = 4;

/// Fetches and unpacks the packages of this major, once.
///
/// Returns: what its `pg_config` says, the directory that contains all of it, and the one of its shared libraries.
pub fn fetch(project: &Project, major: u16) -> Result<(PgConfig, PathBuf, PathBuf)> {
    let tree = project
        .toolchain()
        .join(format!("debian-postgresql-{major}"));
    let bindir = PathBuf::from(format!("usr/lib/postgresql/{major}/bin"));
    wheel::unpack_once(&tree, |tree| unpack(tree, major, &bindir))?;
    let libraries = library_directory(&tree)?;
    let config = PgConfig::ask(&tree.join(&bindir).join("pg_config"))?;
    Ok((config, tree, libraries))
}

fn unpack(tree: &Path, major: u16, bindir: &Path) -> Result<()> {
    let mut packages: BTreeSet<String> = [
        format!("postgresql-{major}"),
        format!("postgresql-client-{major}"),
        format!("postgresql-server-dev-{major}"),
        "libpq5".to_owned(),
        "libpq-dev".to_owned(),
    ]
    .into();
    let directory = tree.join("packages");
    for _ in 0..DEPTH {
        let needed = download(tree, &directory, &packages)?;
        let libraries = library_directory(tree)?;
        let missing = missing_libraries(tree, bindir, &libraries)?;
        if missing.is_empty() {
            fs::remove_dir_all(&directory)?;
            drop_jit_without_llvm(tree, major, &libraries)?;
            require_time_zones()?;
            return wheel::open_to_all(tree);
        }
        eprintln!("this machine has no {}", join(&missing));
        packages = needed;
    }
    bail!("shared libraries are missing; install the packages that provide them")
}

/// Downloads and unpacks packages.
///
/// Returns: the libraries that they depend on and that are not installed.
fn download(
    tree: &Path,
    directory: &Path,
    packages: &BTreeSet<String>,
) -> Result<BTreeSet<String>> {
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory)?;
    if packages.is_empty() {
        bail!("no package is known to provide them");
    }
    eprintln!("fetching {} with apt-get", join(packages));
    let fetch = || {
        let mut command = Command::new("apt-get");
        command.args(["--option", "APT::Sandbox::User=root", "--quiet", "download"]);
        process::run(command.args(packages).current_dir(directory))
    };
    let advice = "apt-get cannot fetch these packages";
    if !fetch().context(advice)?.success() {
        if !geteuid().is_root() {
            bail!("{advice}: does `apt-get update` as root help?");
        }
        eprintln!("updating apt's package lists");
        let mut update = Command::new("apt-get");
        process::must(
            update.args(["--quiet", "update"]),
            "Is the network reachable?",
        )?;
        if !fetch()?.success() {
            bail!("{advice}: this system's package archive may not have them");
        }
    }
    let mut needed = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let package = entry?.path();
        let mut unpack = Command::new("dpkg-deb");
        process::must(
            unpack.arg("--extract").arg(&package).arg(tree),
            "The download seems to be damaged: try again.",
        )?;
        let mut fields = Command::new("dpkg-deb");
        let depends = process::ask(fields.arg("--field").arg(&package).arg("Depends"))?;
        needed.extend(libraries_in(&depends).filter(|name| !is_installed(name)));
    }
    Ok(needed)
}

/// Names of library packages in a Depends field; of alternatives the first. LLVM is large and only its absence slows
/// long queries down.
fn libraries_in(depends: &str) -> impl Iterator<Item = String> {
    depends
        .split(',')
        .filter_map(|group| group.split('|').next()?.split_whitespace().next())
        .map(|name| name.split(':').next().unwrap_or(name).to_owned())
        .filter(|name| name.starts_with("lib") || name.starts_with("zlib"))
        .filter(|name| !name.starts_with("libllvm"))
}

fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    process::ask(query.args(["--show", "--showformat=${db:Status-Abbrev}", package]))
        .is_ok_and(|status| status.starts_with("ii"))
}

/// `usr/lib/x86_64-linux-gnu` and its like.
fn library_directory(tree: &Path) -> Result<PathBuf> {
    fs::read_dir(tree.join("usr/lib"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.to_string_lossy().ends_with("-linux-gnu"))
        .with_context(|| format!("{} holds no libraries", tree.display()))
}

/// Shared libraries that neither this machine nor the tree has.
fn missing_libraries(tree: &Path, bindir: &Path, libraries: &Path) -> Result<BTreeSet<String>> {
    let mut missing = BTreeSet::new();
    let modules = tree.join(bindir).with_file_name("lib");
    for directory in [&tree.join(bindir), &modules] {
        for entry in fs::read_dir(directory)? {
            let file = entry?.path();
            if file.is_file() && !file.ends_with("llvmjit.so") {
                missing.extend(unresolved(&file, libraries));
            }
        }
    }
    Ok(missing)
}

fn unresolved(file: &Path, libraries: &Path) -> Vec<String> {
    let mut ldd = Command::new("ldd");
    // ldd fails on what is no dynamic executable, such as a script: nothing is missing there.
    process::ask(ldd.arg(file).env("LD_LIBRARY_PATH", libraries))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.trim().strip_suffix("=> not found"))
        .map(|name| name.trim().to_owned())
        .collect()
}

/// Without libLLVM PostgreSQL must not find its JIT module either: it would fail to load it, not fall back.
fn drop_jit_without_llvm(tree: &Path, major: u16, libraries: &Path) -> Result<()> {
    let module = tree.join(format!("usr/lib/postgresql/{major}/lib/llvmjit.so"));
    if module.is_file() && !unresolved(&module, libraries).is_empty() {
        fs::remove_file(module)?;
    }
    Ok(())
}

/// Debian's PostgreSQL reads the system's time zones, at an absolute path.
fn require_time_zones() -> Result<()> {
    if Path::new("/usr/share/zoneinfo/UTC").exists() {
        return Ok(());
    }
    if !geteuid().is_root() {
        bail!("this machine has no time zones: `apt-get install tzdata` as root");
    }
    let mut install = Command::new("apt-get");
    install.args(["install", "--yes", "--no-install-recommends", "tzdata"]);
    process::must(
        install.env("DEBIAN_FRONTEND", "noninteractive"),
        "PostgreSQL needs the package tzdata.",
    )
}

fn join(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_libraries_that_a_package_depends_on() {
        let depends = "locales | locales-all, libc6 (>= 2.34), libllvm14 (>= 1:9), \
                       libsystemd0 | libelogind0, libssl3:any, tzdata, zlib1g (>= 1:1.1.4)";
        let found: Vec<String> = libraries_in(depends).collect();
        assert_eq!(found, ["libc6", "libsystemd0", "libssl3", "zlib1g"]);
    }
}
