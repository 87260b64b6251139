//! `webhooks-sidecar`: delivers what the extension `webhooks` queued.
//!
//! One rule: SQL owns every state change; this process waits, reads, sends and reports.
//!
//! # Layout
//! The path of a delivery: [`wake`] → [`claim`] → [`dispatch`] → [`deliver`] → [`record`], driven by [`engine`].
//! - [`args`]: flags and environment; [`log`]: what is printed
//! - [`connection_string`] and [`database`]: connections; [`owner`]: the session that owns shards, listens and claims; [`shards`]: which ones
//! - [`wake`]: when to sleep, when to look
//! - [`claim`]: reading ready deliveries; [`message`]: what they say, [`templating`]: in a subscription's own words;
//!   [`subscriptions`]: where they go
//! - [`dispatch`]: what may be sent next, fairly
//! - [`deliver`]: one HTTP attempt; [`client`]: what makes it; [`request`] and [`response`]: its two halves;
//!   [`resolve`]: names to addresses; [`tls`]: to receivers and the database
//! - [`record`]: results back to SQL; [`blockers`]: who keeps it waiting; [`maintain`]: regular upkeep
//! - [`open_files`]: how many there may be; [`clock`]: the time; signals: [`shutdown`]
//! - `failpoint`: where crash tests stop the process (cargo feature `failpoints`)

mod args;
mod blockers;
mod claim;
mod clock;
mod connection_string;
mod database;
mod deliver;
mod dispatch;
mod engine;
#[cfg(feature = "failpoints")]
mod failpoint;
mod handshake;
mod http;
mod log;
mod maintain;
mod message;
mod open_files;
mod owner;
mod permission;
mod record;
mod request;
mod resolve;
mod shards;
mod shutdown;
mod subscriptions;
mod templating;
mod tls;
mod wake;

use clap::Parser;
use std::process::ExitCode;

/// As clap exits when it refuses the command line.
const BAD_ARGUMENTS: u8 = 2;

fn main() -> ExitCode {
    let args::Cli { command } = args::Cli::parse();
    let args::Command::Run(args) = command;
    log::start(args.log_format, &args.log_level);
    match args.check(&args::Surroundings::of_this_process()) {
        Ok(warnings) => warnings
            .iter()
            .for_each(|warning| tracing::warn!("{warning}")),
        Err(error) => {
            tracing::error!("{error:#}");
            return ExitCode::from(BAD_ARGUMENTS);
        }
    }
    #[cfg(feature = "failpoints")]
    if let Err(error) = failpoint::arm() {
        tracing::error!("{error:#}");
        return ExitCode::from(BAD_ARGUMENTS);
    }
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: args::RunArgs) -> anyhow::Result<()> {
    tls::install_provider();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    // On a worker: the main thread would be woken across threads for every event.
    runtime.block_on(async { tokio::spawn(engine::run(args, shutdown::requested())).await? })
}
