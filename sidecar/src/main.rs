//! `webhooks-sidecar`: delivers what the extension `webhooks` queued.
//!
//! One rule: SQL owns every state change; this process waits, reads, sends and reports.
//!
//! # Layout
//! How the database is reached is in the crate `webhooks_connection`, whom TLS trusts in `webhooks_tls`.
//! Each folder uses only those below it; a test holds that (`layers`).
//! - [`run`]: what is started, and in which order it ends
//! - [`tasks`]: what runs: the engine, which owns all state and drives a delivery's way from claim to record, and what
//!   it makes others do
//! - [`schedule`]: what may be claimed and sent next, of which shards, and when to look, without any I/O;
//!   [`postgres`]: a file for each SQL function; [`http`]: requests to receivers. None of these three uses another
//! - [`model`]: what all of them pass around; beside it [`config`]: flags and environment
//! - [`telemetry`]: metrics, health and spans of this process; [`ask_health`]: the command that asks for its health;
//!   [`doctor`]: the one that looks for what is wrong
//! - [`log`]: what is printed; [`clock`]: the time; [`signals`]: what the system asks for; [`task_group`]: the tasks of a
//!   database; `failpoint`: where crash tests stop the process (cargo feature `failpoints`)

mod ask_health;
mod clock;
mod config;
mod doctor;
#[cfg(feature = "failpoints")]
mod failpoint;
mod http;
#[cfg(test)]
mod layers;
mod log;
mod model;
mod postgres;
mod run;
mod schedule;
mod signals;
mod task_group;
mod tasks;
mod telemetry;

use clap::{CommandFactory, FromArgMatches};
use config::{Cli, Command, NamedDatabase, ProcessEnvironment, RunArgs};
use run::RunError;
use std::process::ExitCode;

/// As clap exits when it refuses the command line.
const BAD_ARGUMENTS: u8 = 2;
/// Of sysexits.h, for supervisors: the database is away (EX_UNAVAILABLE), or somebody has to put something right
/// (EX_CONFIG).
const UNAVAILABLE: u8 = 69;
const MISCONFIGURED: u8 = 78;

fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let Cli { command } = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let args = match command {
        Command::Run(args) => *args,
        Command::Health(args) => return ask_health::run(&args),
        Command::Doctor(args) => {
            log::start(args.run.log_format, &args.run.log_level);
            webhooks_tls::install_provider();
            return doctor::run(&args);
        }
    };
    log::start(args.log_format, &args.log_level);
    let warnings = match args.check(&ProcessEnvironment::current()) {
        Ok(warnings) => warnings,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(BAD_ARGUMENTS);
        }
    };
    webhooks_tls::install_provider();
    let databases = args.databases();
    if let Ok(databases) = &databases {
        config::banner::say(databases, &config::given(&matches));
    }
    warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    #[cfg(feature = "failpoints")]
    if let Err(error) = failpoint::arm() {
        tracing::error!("{error}");
        return ExitCode::from(BAD_ARGUMENTS);
    }
    let ended = databases
        .map_err(anyhow::Error::from)
        .and_then(|databases| run(args, databases));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            exit_code(&error)
        }
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<RunError>() {
        Some(RunError::GaveUp(gave_up)) if gave_up.trouble.is_permanent => {
            ExitCode::from(MISCONFIGURED)
        }
        Some(RunError::GaveUp(_)) => ExitCode::from(UNAVAILABLE),
        _ => ExitCode::FAILURE,
    }
}

fn run(args: RunArgs, databases: Vec<NamedDatabase>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // On a worker: the main thread would be woken across threads for every event.
    runtime.block_on(async {
        let running = tokio::spawn(run::run(args, databases, signals::shutdown()));
        Ok(running.await??)
    })
}
