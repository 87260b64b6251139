//! `cargo xtask install`: into a server that people use.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::args::InstallOptions;
use crate::extension::{Build, Extension, File, Place};
use crate::layout::Layout;
use crate::libclang::Libclang;
use crate::pg_config::PgConfig;
use crate::process;
use crate::project::{Project, RELEASE};
use crate::steps::Steps;

/// Runs the command.
pub fn run(project: &Project, options: &InstallOptions) -> Result<ExitCode> {
    let config = match PgConfig::wanted(project, options.pg_config.as_deref())? {
        Some(config) => config,
        None => PgConfig::on_this_machine(project, None).context(
            "no pg_config of a supported PostgreSQL with server headers is on the PATH: name it with --pg-config",
        )?,
    };
    if !options.sudo {
        check_writable(&config.layout)?;
    }
    let mut steps = Steps::new(3);
    let libclang = steps.step("get libclang", || Libclang::find(project))?;
    let extension = Extension::new(project, &config, &libclang, RELEASE);
    let name = format!(
        "build the extension for PostgreSQL {}, the sidecar and the console",
        config.version
    );
    steps.step(&name, || extension.build(Build::Delivered))?;
    let written = steps.step("install", || {
        let files = extension.files()?;
        if options.sudo {
            with_sudo(project, &files, &config.layout)
        } else {
            directly(&files, &config.layout)
        }
    })?;
    for path in &written {
        println!("installed {}", path.display());
    }
    print!(
        "{}",
        next_steps(
            &project.built(RELEASE, "webhooks-sidecar"),
            &project.built(RELEASE, "webhooks-console"),
        )
    );
    Ok(ExitCode::SUCCESS)
}

/// Fails before the long build rather than after it.
fn check_writable(layout: &Layout) -> Result<()> {
    for place in [Place::Library, Place::Share] {
        let directory = place.directory(layout);
        let probe = directory.join(format!(".webhooks-{}", std::process::id()));
        if let Err(error) = std::fs::write(&probe, "") {
            bail!(
                "cannot write to {}: {error}. Add --sudo to copy the finished files with sudo, or run as root",
                directory.display()
            );
        }
        std::fs::remove_file(&probe)?;
    }
    Ok(())
}

fn directly(files: &[File], layout: &Layout) -> Result<Vec<PathBuf>> {
    let mut written = Vec::new();
    for file in files {
        let directory = file.place.directory(layout);
        file.write(&directory)?;
        written.push(directory.join(&file.name));
    }
    Ok(written)
}

fn with_sudo(project: &Project, files: &[File], layout: &Layout) -> Result<Vec<PathBuf>> {
    let staging = project.target.join("install");
    let mut written = Vec::new();
    for file in files {
        file.write(&staging)?;
        let target = file.place.directory(layout).join(&file.name);
        let mode = match file.place {
            Place::Library => "0755",
            Place::Share => "0644",
        };
        let mut sudo = Command::new("sudo");
        sudo.args(["install", "-m", mode]);
        // sudo asks for the password on the terminal itself, not on standard input.
        process::must(
            sudo.arg(staging.join(&file.name)).arg(&target),
            "Is sudo allowed to write there?",
        )?;
        written.push(target);
    }
    Ok(written)
}

fn next_steps(sidecar: &Path, console: &Path) -> String {
    format!(
        "
Next, in the database that publishes events, as a superuser:
    CREATE EXTENSION webhooks;
    GRANT webhooks_publisher TO <role of the application>;
    SELECT webhooks.grant_all_tenants('<role of the application>');   -- or it calls webhooks.set_tenant() before it publishes
    GRANT webhooks_sidecar TO <role of the sidecar>;

Then keep the sidecar running, on this or any machine that reaches the database and the receivers:
    DATABASE_URL=postgres://<role of the sidecar>@<host>/<database> {} run

For an HTTP API and web pages, GRANT webhooks_console TO a role of their own, and run:
    DATABASE_URL=postgres://<role of the console>@<host>/<database> {} run

No restart and no shared_preload_libraries needed. Both programs are one file each: copy them where you like.
",
        sidecar.display(),
        console.display()
    )
}
