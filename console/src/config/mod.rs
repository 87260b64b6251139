//! Flags and environment; how the database is reached is read in [`connection`], and how pages
//! look in [`pages`]; [`jwt`] has who else than the database says who may, [`developer`] the commands for who develops a receiver.

mod connection;
mod developer;
mod jwt;
mod pages;

pub use developer::{ApiArgs, ListenArgs, TriggerArgs};
pub use jwt::JwtArgs;
pub use pages::PagesArgs;

use crate::log::LogFormat;
use clap::{Args, Parser, Subcommand};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use tracing::Level;

/// The HTTP API and the web console of the PostgreSQL extension `webhooks`.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "Every flag can be given by the environment variable that its help names."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Answer requests until SIGTERM or SIGINT.
    Run(Box<RunArgs>),
    /// Forward to a port of this machine what a subscription would be sent, until SIGINT or SIGTERM. The receiver needs no
    /// public address: a subscription is made for as long as this runs, and its deliveries are fetched over the API. Each
    /// is shown with the receiver's answer, whatever it is; while nothing answers there, it is tried again. The access
    /// token needs the scopes webhook_subscriptions:create, :read, :update, :delete and :poll.
    Listen(ListenArgs),
    /// Publish the example of an event type. The access token needs the scopes events:read and events:publish.
    Trigger(TriggerArgs),
}

#[derive(Args)]
pub struct RunArgs {
    /// Connection string as libpq takes it, postgresql://… or key=value. What it leaves out comes from its service,
    /// from libpq's variables (PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSERVICE, PGSSLMODE, PGSSLROOTCERT and
    /// so on) and from ~/.pgpass. The user needs to be a member of webhooks_console, nothing else.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "")]
    pub database_url: String,

    /// File with the database password (its last newline is dropped): keeps it out of the environment.
    #[arg(long, env = "WEBHOOKS_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// PEM file of certificate authorities to trust for the database, and no others. Wins over sslrootcert and
    /// PGSSLROOTCERT. Set sslmode=verify-full with it.
    #[arg(long, env = "WEBHOOKS_DATABASE_CA_FILE", value_name = "FILE")]
    pub database_ca_file: Option<PathBuf>,

    /// Where to answer: a port, which only this machine reaches, or an address and a port. It speaks HTTP: put a proxy
    /// with TLS in front of it for others.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_LISTEN",
        value_name = "ADDRESS",
        default_value = "9745",
        value_parser = listen_address
    )]
    pub listen: SocketAddr,

    /// Where to answer /metrics, in the text format of Prometheus: a port, which only this machine reaches, or an address
    /// and a port. Unless given, nothing listens.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_METRICS_LISTEN",
        value_name = "ADDRESS",
        value_parser = listen_address
    )]
    pub metrics_listen: Option<SocketAddr>,

    /// Connections with the database, at most. A request has one for its transaction; more wait for up to 5 seconds.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_CONNECTIONS",
        value_name = "NUMBER",
        default_value_t = 8,
        value_parser = clap::value_parser!(u32).range(1..=1000)
    )]
    pub connections: u32,

    /// How long a statement may take, in seconds.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_STATEMENT_TIMEOUT",
        value_name = "SECONDS",
        default_value = "15",
        value_parser = seconds
    )]
    pub statement_timeout: Duration,

    /// Requests that may be sent within a minute with an access token, and as many in a session of pages; and as many from
    /// each address without a token or session that is known to be valid. 0: no limit.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_RATE_LIMIT",
        value_name = "REQUESTS",
        default_value_t = 1200,
        value_parser = clap::value_parser!(u32).range(0..=1_000_000)
    )]
    pub rate_limit: u32,

    /// All requests come through a proxy, which adds the client's address to X-Forwarded-For: the last one there counts
    /// as the client's. Without a proxy that does so, clients could say that they are others. Unless this is given, an
    /// address has 256 connections at the most.
    #[arg(long, env = "WEBHOOKS_CONSOLE_BEHIND_PROXY")]
    pub behind_proxy: bool,

    /// On SIGTERM, how long requests under way may take to finish, in seconds.
    #[arg(
        long,
        env = "WEBHOOKS_CONSOLE_DRAIN_TIMEOUT",
        value_name = "SECONDS",
        default_value = "30",
        value_parser = seconds
    )]
    pub drain_timeout: Duration,

    /// Change nothing: each transaction of a request is READ ONLY. Who may log in still does.
    #[arg(long, env = "WEBHOOKS_CONSOLE_READ_ONLY")]
    pub read_only: bool,

    #[command(flatten)]
    pub pages: PagesArgs,

    #[command(flatten)]
    pub jwt: JwtArgs,

    /// How log lines look.
    #[arg(long, env = "WEBHOOKS_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// From which level on to log: error, warn, info, debug or trace. info has a line for each request.
    #[arg(
        long,
        env = "WEBHOOKS_LOG",
        value_name = "LEVEL",
        default_value = "info"
    )]
    pub log_level: Level,
}

/// A port of this machine alone, or an address and a port. 0: any that is free.
fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let address = text.parse().map(local);
    address.or_else(|_| text.parse()).map_err(|_| {
        "give a port, which only this machine reaches, or an address and a port, such as 9745 or 0.0.0.0:9745".to_owned()
    })
}

/// A number of seconds, from a tenth to an hour.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.trim().parse::<f64>() {
        Ok(seconds) if (0.1..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("give a number of seconds, 0.1 to 3600".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn it_listens_on_this_machine_unless_told() {
        let Ok(address) = listen_address("9745") else {
            panic!("a port alone");
        };
        assert!(address.ip().is_loopback());
        assert!(listen_address("0.0.0.0:9745").is_ok());
        assert!(listen_address("everywhere").is_err());
    }

    #[test]
    fn seconds_are_bounded() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["0", "-1", "nan", "inf", "3601", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
