//! `webhooks-sidecar`: delivers what the extension `webhooks` queued.
//!
//! One rule: SQL owns every state change; this process waits, reads, sends and reports.
//!
//! # Layout
//! The path of a delivery: [`claim`] → [`schedule`] → [`deliver`] → [`record`], driven by [`engine`].
//! - [`args`]: flags and environment; [`log`]: what is printed
//! - [`postgres`]: connecting as libpq does; [`database`]: sessions; [`owner`]: the session that owns shards, listens and claims
//! - [`claim`]: reading ready deliveries; [`message`]: what they say, [`templating`]: in a subscription's own words;
//!   [`subscriptions`]: where they go
//! - [`schedule`]: what may be claimed and sent next, fairly; when to sleep; which shards to keep
//! - [`deliver`]: one HTTP attempt; [`client`]: what makes it; [`request`] and [`response`]: its two halves;
//!   [`resolve`]: names to addresses; [`tls`]: to receivers and the database
//! - [`record`]: results back to SQL; [`blockers`]: who keeps it waiting; [`maintain`]: regular upkeep
//! - [`open_files`]: how many there may be; [`clock`]: the time; signals: [`shutdown`]
//! - `failpoint`: where crash tests stop the process (cargo feature `failpoints`)

mod args;
mod blockers;
mod claim;
mod clock;
mod database;
mod deliver;
mod engine;
#[cfg(feature = "failpoints")]
mod failpoint;
mod handshake;
mod http;
mod log;
mod maintain;
mod message;
mod model;
mod open_files;
mod owner;
mod permission;
mod postgres;
mod record;
mod request;
mod resolve;
mod schedule;
mod shutdown;
mod subscriptions;
mod templating;
mod tls;

use clap::{CommandFactory, FromArgMatches};
use std::process::ExitCode;

/// As clap exits when it refuses the command line.
const BAD_ARGUMENTS: u8 = 2;
/// Of sysexits.h, for supervisors: the database is away (EX_UNAVAILABLE), or somebody has to put something right (EX_CONFIG).
const UNAVAILABLE: u8 = 69;
const MISCONFIGURED: u8 = 78;

fn main() -> ExitCode {
    let matches = args::Cli::command().get_matches();
    let args::Cli { command } =
        args::Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let args::Command::Run(args) = command;
    log::start(args.log_format, &args.log_level);
    let warnings = match args.check(&args::Surroundings::of_this_process()) {
        Ok(warnings) => warnings,
        Err(error) => {
            tracing::error!("{error:#}");
            return ExitCode::from(BAD_ARGUMENTS);
        }
    };
    tls::install_provider();
    let database = database::Database::new(&args);
    if let Ok(database) = &database {
        postgres::banner::say(database.settings(), &args::given(&matches));
        let more = &database.settings().warnings;
        more.iter().for_each(|warning| tracing::warn!("{warning}"));
    }
    warnings
        .iter()
        .for_each(|warning| tracing::warn!("{warning}"));
    #[cfg(feature = "failpoints")]
    if let Err(error) = failpoint::arm() {
        tracing::error!("{error:#}");
        return ExitCode::from(BAD_ARGUMENTS);
    }
    match database.and_then(|database| run(args, database)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            exit_code(&error)
        }
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref::<engine::GaveUp>() {
        Some(gave_up) if gave_up.trouble.is_permanent => ExitCode::from(MISCONFIGURED),
        Some(_) => ExitCode::from(UNAVAILABLE),
        None => ExitCode::FAILURE,
    }
}

fn run(args: args::RunArgs, database: database::Database) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // On a worker: the main thread would be woken across threads for every event.
    runtime
        .block_on(async { tokio::spawn(engine::run(args, database, shutdown::requested())).await? })
}
