//! Programs of the tests crate that show something on a cluster of their own, such as the demo.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::account::Account;
use crate::args::ProgramOptions;
use crate::extension::{Build, Extension};
use crate::libclang::Libclang;
use crate::process;
use crate::project::Project;
use crate::scratch::Scratch;
use crate::server::Server;
use crate::steps::Steps;

/// A binary of the package `webhooks-tests`.
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The cargo profile that it, the sidecar and the extension are compiled with.
    pub profile: &'static str,
    /// The packages and features that are compiled.
    pub build: Build,
}

/// Builds all that a program needs, then runs it and forwards its exit status.
pub fn run(project: &Project, program: &Program, options: &ProgramOptions) -> Result<ExitCode> {
    let account = Account::for_postgres(options.run_as.as_deref())?;
    let scratch = Scratch::new(account.as_ref())?;
    let mut steps = Steps::new(2);

    let (server, libclang) = steps.step("get PostgreSQL and libclang", || {
        Ok((
            Server::any(project, options.pg_config.as_deref())?,
            Libclang::find(project)?,
        ))
    })?;
    let name = format!(
        "build the extension for PostgreSQL {}, the sidecar and the {}",
        server.config.version, program.name
    );
    let server = steps.step(&name, || {
        let extension = Extension::new(project, &server.config, &libclang, program.profile);
        extension.build(program.build)?;
        let server = server.clone().for_account(account.as_ref(), &scratch)?;
        extension.install(&server.layout)?;
        Ok(server)
    })?;
    eprintln!("\nready after {}\n", steps.elapsed());

    let mut command = Command::new(project.built(program.profile, program.name));
    command.args(&options.rest).current_dir(&project.root);
    let sidecar = project.built(program.profile, "webhooks-sidecar");
    describe(
        &mut command,
        project,
        &server,
        &sidecar,
        account.as_ref(),
        &scratch,
    );
    let status = process::run(&mut command)?;
    Ok(exit_code(status))
}

/// Tells a program of the tests crate which PostgreSQL and which sidecar to run.
pub fn describe(
    command: &mut Command,
    project: &Project,
    server: &Server,
    sidecar: &Path,
    account: Option<&Account>,
    scratch: &Scratch,
) {
    scratch
        .adopt(command)
        .env("WEBHOOKS_PG_BINDIR", &server.layout.bindir)
        .env("WEBHOOKS_SIDECAR", sidecar)
        .env("WEBHOOKS_VERSION", project.version);
    if let Some(account) = account {
        command
            .env("WEBHOOKS_PG_UID", account.uid.to_string())
            .env("WEBHOOKS_PG_GID", account.gid.to_string());
    }
    server.apply(command);
}

fn exit_code(status: std::process::ExitStatus) -> ExitCode {
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
