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
//! - [`api`]: JSON for programs, a file for each kind of resource; [`pages`]: HTML for people
//! - [`http`]: what all requests have in common: connections, limits, credentials, problems, request ids
//! - [`telemetry`] has metrics
//! - [`database`]: the pool, and the transaction of a request
//! - [`config`]: flags and environment
//! - [`log`]: what is printed; [`scope`]: what tokens can permit; [`shutdown`]: signals

mod api;
mod config;
mod database;
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
    let Cli {
        command: Command::Run(args),
    } = Cli::parse();
    log::start(args.log_format, &args.log_level);
    match start(*args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: config::RunArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run::run(args))
}
