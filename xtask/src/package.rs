//! `cargo xtask package`: what to copy to another machine of the same kind, as a directory and a tarball.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::args::PackageOptions;
use crate::copy;
use crate::extension::{Build, Extension, PROGRAMS_DELIVERED, Place};
use crate::libclang::Libclang;
use crate::pg_config::PgConfig;
use crate::process;
use crate::project::{Project, RELEASE};
use crate::server::Server;
use crate::steps::Steps;

const INSTALL: &str = "\
Install (as a user who may write into the server's directories):
    install -m 755 lib/webhooks.so \"$(pg_config --pkglibdir)\"
    install -m 644 share/extension/* \"$(pg_config --sharedir)/extension\"
Then `CREATE EXTENSION webhooks;` and keep `bin/webhooks-sidecar run` running; see docs/how-to/run-the-sidecar.md.
`bin/webhooks-console run` serves the HTTP API and the console; see docs/how-to/use-the-http-api.md. Units for systemd are in
ops/systemd.
";

/// Runs the command.
pub fn run(project: &Project, options: &PackageOptions) -> Result<ExitCode> {
    let mut steps = Steps::new(3);
    let (config, libclang) = steps.step("get PostgreSQL and libclang", || {
        let config = match PgConfig::wanted(project, options.pg_config.as_deref())? {
            Some(config) => config,
            None => Server::embedded(project)?.config,
        };
        Ok((config, Libclang::find(project)?))
    })?;
    let extension = Extension::new(project, &config, &libclang, RELEASE);
    let step = format!(
        "build the extension for PostgreSQL {}, the sidecar and the console",
        config.version
    );
    steps.step(&step, || extension.build(Build::Delivered))?;

    let name = format!(
        "webhooks-{}-pg{}-{}",
        project.version,
        config.major,
        std::env::consts::ARCH
    );
    let packages = project.target.join("package");
    let directory = packages.join(&name);
    steps.step("pack", || {
        fill(project, &extension, &directory)?;
        pack(&packages, &name)
    })?;
    println!("{}", directory.display());
    println!("{}.tar.gz", directory.display());
    Ok(ExitCode::SUCCESS)
}

fn fill(project: &Project, extension: &Extension, directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    for file in extension.files()? {
        file.write(&directory.join(match file.place {
            Place::Library => "lib",
            Place::Share => "share/extension",
        }))?;
    }
    fs::create_dir_all(directory.join("bin"))?;
    for program in PROGRAMS_DELIVERED {
        let built = project.built(RELEASE, program);
        fs::copy(&built, directory.join("bin").join(program))
            .with_context(|| format!("cannot copy {}", built.display()))?;
    }
    // What README.md and the guides link to.
    for folder in ["docs", "ops"] {
        copy::tree(&project.root.join(folder), &directory.join(folder))?;
    }
    for document in [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        "LICENSE",
    ] {
        let original = project.root.join(document);
        fs::copy(&original, directory.join(document))
            .with_context(|| format!("cannot copy {}", original.display()))?;
    }
    fs::write(directory.join("INSTALL"), INSTALL)?;
    Ok(())
}

/// Two packages of the same files are the same bytes.
fn pack(packages: &Path, name: &str) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"])
        .args(["--mtime=@0", "--mode=u+w,go+r,go-w", "--gzip", "--create"])
        .arg(format!("--file={name}.tar.gz"))
        .arg(name)
        .current_dir(packages);
    process::must(&mut tar, "Is there room left on the disk?")
}
