//! `webhooks-console`: the HTTP API and the web console of the extension `webhooks`.
//!
//! One rule: SQL decides. A request is one transaction, in which the database looks up the access token, and the role
//! and the tenant that it gives are set; row-level security and the functions of the extension do the rest. A handler
//! calls a function, and passes on what it returns.
//!
//! # Layout
//! Each folder uses only those below it.
//! - [`run`]: what is started, and in which order it ends
//! - [`router`]: what answers a request
//! - [`developer`]: commands for who develops a receiver
//! - [`api`]: JSON for programs, a file for each kind of resource; [`pages`]: HTML for people
//! - [`http`]: what all requests have in common: connections, limits, credentials, problems, request ids
//! - [`telemetry`] has metrics
//! - [`database`]: the pool, and the transaction of a request
//! - [`config`]: flags and environment
//! - [`log`]: what is printed; [`scope`]: what tokens can permit; [`shutdown`]: signals

mod api;
mod config;
mod database;
mod developer;
mod http;
#[cfg(test)]
mod layers;
mod log;
mod pages;
mod router;
mod run;
mod scope;
mod shutdown;
mod telemetry;

use clap::Parser;
use config::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => {
            log::start(args.log_format, &args.log_level);
            let done = on_a_runtime(run::run(*args));
            return exit_code(done.map_err(|error| tracing::error!("{error:#}")));
        }
        Command::Listen(args) => on_a_runtime(developer::listen(&args)),
        Command::Trigger(args) => on_a_runtime(developer::trigger(&args)),
    };
    // For who sits at the terminal.
    exit_code(done.map_err(|error| eprintln!("{error:#}")))
}

fn exit_code<E>(done: Result<(), E>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn on_a_runtime(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}
