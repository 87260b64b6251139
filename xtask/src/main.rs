//! The commands of this repository: `cargo xtask demo | test | docs | sql | crash | bench | install | package`.
//!
//! # Layout
//! - `args`: the command line and `--help`
//! - `program`, `test`, `docs`, `sql`, `install`, `package`: the commands; demo, crash and bench are programs of the tests
//!   crate
//! - `extension`: builds the extension and knows which files it consists of; `scripts`, `statements`: its SQL scripts
//! - `pg_config`, `layout`: an installation of PostgreSQL; `server`: the private copy that runs; `wheel`, `debian`, `copy`:
//!   where it comes from
//! - `libclang`: what pgrx's bindings generator loads; `spelling`: the spelling checker
//! - `account`, `scratch`: the user that runs PostgreSQL, and the temporary directory of one run
//! - `project`, `pins`: paths, versions and pgrx.toml
//! - `process`, `steps`: child processes that end when we do; headers with the time each step took

mod account;
mod args;
mod browser;
mod copy;
mod debian;
mod docs;
mod extension;
mod install;
mod layout;
mod libclang;
mod package;
mod pg_config;
mod pins;
mod process;
mod program;
mod project;
mod scratch;
mod scripts;
mod server;
mod spelling;
mod sql;
mod statements;
mod steps;
mod test;
mod wheel;

use std::process::ExitCode;

use args::Command;
use extension::Build;
use program::Program;
use project::Project;

const DEMO: Program = Program {
    name: "demo",
    profile: project::QUICK,
    build: Build::Workspace,
};
const CRASH: Program = Program {
    name: "crash",
    profile: project::QUICK,
    build: Build::WithFailpoints,
};
/// Measures what people install, so it is compiled like that.
const BENCH: Program = Program {
    name: "bench",
    profile: project::RELEASE,
    build: Build::Workspace,
};

/// Exit status after Ctrl-C, as shells report it: 128 + SIGINT.
const INTERRUPTED: u8 = 130;
/// Exit status when the command line makes no sense.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error:#}\nSee `cargo xtask --help`.");
            return ExitCode::from(USAGE);
        }
    };
    match run(command) {
        Ok(code) => code,
        Err(error) if error.is::<process::Interrupted>() => ExitCode::from(INTERRUPTED),
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    if let Command::Help = command {
        print!("{}", args::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    let project = Project::open()?;
    process::watch_signals()?;
    match command {
        Command::Help => Ok(ExitCode::SUCCESS),
        Command::Demo(options) => program::run(&project, &DEMO, &options),
        Command::Crash(options) => program::run(&project, &CRASH, &options),
        Command::Bench(options) => program::run(&project, &BENCH, &options),
        Command::Test(options) => test::run(&project, &options),
        Command::Docs(options) => docs::run(&project, &options),
        Command::Sql => sql::run(&project),
        Command::Install(options) => install::run(&project, &options),
        Command::Package(options) => package::run(&project, &options),
    }
}
