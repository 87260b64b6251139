//! Flags and environment: what they are here, how single values are read in [`parse`], which may not stand together in
//! [`check`]; the databases that they name in [`databases`]; what is logged of all that first in [`banner`].

pub mod banner;
mod check;
mod database_file;
mod databases;
mod open_files;
pub mod otlp;
mod parse;

pub use check::{ConfigError, ProcessEnvironment};
pub use databases::NamedDatabase;

use crate::log::LogFormat;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, Parser, Subcommand};
use hyper::header::HeaderValue;
use ipnet::IpNet;
use parse::{collector_url, dns_server, listen_address, log_filter, network, seconds, user_agent};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// Delivers the webhooks that the PostgreSQL extension `webhooks` queued.
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
    /// Deliver until SIGTERM or SIGINT. Run as many as you like against one database: they share the work.
    Run(Box<RunArgs>),

    /// Ask a sidecar on this machine whether it is ready to deliver, for systemd and containers. Prints the answer; exit
    /// status 0 if it is, 1 if not or if nothing answers. It needs --metrics-listen, as the sidecar does.
    Health(HealthArgs),

    /// Look for what keeps deliveries from being made, or may do so soon: options, connection, versions, privileges,
    /// clocks, and what webhooks.doctor() finds. Takes the options of `run`, and changes nothing. Exit status 0 if all
    /// is well, 1 with warnings, 2 with errors.
    Doctor(Box<DoctorArgs>),
}

#[derive(Args, Clone)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub run: RunArgs,

    /// Print findings as a JSON array.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Clone)]
pub struct HealthArgs {
    /// Where the sidecar listens: what it was given as --metrics-listen.
    #[arg(long, env = "WEBHOOKS_METRICS_LISTEN", value_name = "ADDRESS", value_parser = listen_address)]
    pub metrics_listen: SocketAddr,

    /// Ask only whether it is alive, whatever the database does.
    #[arg(long)]
    pub alive: bool,

    /// How long to wait for the answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub timeout: Duration,
}

#[derive(Args, Clone)]
pub struct RunArgs {
    /// Connection string as libpq takes it, postgresql://… or key=value. What it leaves out comes from its service,
    /// from libpq's variables (PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, PGSERVICE, PGSSLMODE, PGSSLROOTCERT and
    /// so on) and from ~/.pgpass. The user needs to be a member of webhooks_sidecar, nothing else. Repeatable: one
    /// sidecar delivers from several databases.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "")]
    pub database_url: Vec<String>,

    /// File of databases to deliver from, instead of --database-url: a connection string a line, as --database-url
    /// takes it; lines that begin with # are comments. On SIGHUP it is read again: databases that are new in it are
    /// delivered from, those that are no longer in it are left as by SIGTERM. Nobody else should be able to read it.
    #[arg(long, env = "WEBHOOKS_DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,

    /// File with the password for all databases (its last newline is dropped): keeps it out of the environment.
    #[arg(long, env = "WEBHOOKS_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// PEM file of certificate authorities to trust for the database, and no others. Wins over sslrootcert and
    /// PGSSLROOTCERT. Set sslmode=verify-full with it.
    #[arg(long, env = "WEBHOOKS_DATABASE_CA_FILE", value_name = "FILE")]
    pub database_ca_file: Option<PathBuf>,

    /// End after so long without a session with the database, in seconds, for a supervisor to act: with exit code 78 if
    /// something has to be put right, 69 if the database is only away. Unless given, it tries for ever. Of several
    /// databases none has a session then.
    #[arg(long, env = "WEBHOOKS_GIVE_UP_AFTER", value_name = "SECONDS", value_parser = seconds)]
    pub give_up_after: Option<Duration>,

    /// Requests under way at once, over all subscriptions. Each subscription has its own max_in_flight besides. Of
    /// several databases each has its even part of one half; the other half is for those that need more.
    /// 256 keeps 20 subscriptions at their default limit of 20 busy and costs a few MiB; receivers that misbehave can
    /// make each cost 100 KiB. Each needs an open file (ulimit -n).
    #[arg(long, env = "WEBHOOKS_CONCURRENCY", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub concurrency: u32,

    /// Requests under way at once to one host and port, over all subscriptions and all databases of this process: for
    /// receivers that many subscriptions share. Others do not wait for those that wait for it. Tests of subscriptions
    /// and questions to receivers do not count. Unless given, only max_in_flight of each subscription limits them.
    #[arg(long, env = "WEBHOOKS_CONCURRENCY_PER_DESTINATION", value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub concurrency_per_destination: Option<u32>,

    /// Addresses to allow although they are not public: receivers on private networks. Repeatable, or comma-separated.
    #[arg(
        long = "allow-network",
        env = "WEBHOOKS_ALLOW_NETWORKS",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = network
    )]
    pub allow_networks: Vec<IpNet>,

    /// Addresses to refuse although they are public or allowed: what belongs to your own infrastructure. Repeatable, or
    /// comma-separated.
    #[arg(
        long = "deny-network",
        env = "WEBHOOKS_DENY_NETWORKS",
        value_name = "CIDR",
        value_delimiter = ',',
        value_parser = network
    )]
    pub deny_networks: Vec<IpNet>,

    /// DNS servers to ask for receivers' names, instead of those in /etc/resolv.conf: an address, or an address and a
    /// port (127.0.0.1:5353, [::1]:5353). Repeatable, or comma-separated.
    #[arg(
        long = "dns-server",
        env = "WEBHOOKS_DNS_SERVERS",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = dns_server
    )]
    pub dns_servers: Vec<SocketAddr>,

    /// PEM file of certificate authorities to trust for receivers, besides the system's.
    #[arg(long, env = "WEBHOOKS_RECEIVER_CA_FILE", value_name = "FILE")]
    pub receiver_ca_file: Option<PathBuf>,

    /// User-Agent of requests.
    #[arg(long, env = "WEBHOOKS_USER_AGENT", default_value = concat!("webhooks-sidecar/", env!("CARGO_PKG_VERSION")), value_parser = user_agent)]
    pub user_agent: HeaderValue,

    /// How often to look without being woken, in seconds: the backstop for publishers that turned NOTIFY off.
    #[arg(long, env = "WEBHOOKS_POLL_INTERVAL", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub poll_interval: Duration,

    /// After so long without a sign of life the server ends the owning session and others take its shards, in seconds.
    #[arg(long, env = "WEBHOOKS_LEASE", value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    pub lease: Duration,

    /// On SIGTERM, how long requests under way may take to finish, in seconds. What is cut off is delivered again.
    #[arg(long, env = "WEBHOOKS_DRAIN_TIMEOUT", value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub drain_timeout: Duration,

    /// How often to call webhooks.maintain(), in seconds.
    #[arg(long, env = "WEBHOOKS_MAINTAIN_INTERVAL", value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    pub maintain_interval: Duration,

    /// Where to answer requests for /metrics (Prometheus), /healthz and /readyz: a port, which only this machine
    /// reaches, or an address and a port. Whoever reaches it can read numbers and the names of databases, and nothing
    /// else. Unless given, nothing listens.
    #[arg(long, env = "WEBHOOKS_METRICS_LISTEN", value_name = "ADDRESS", value_parser = listen_address)]
    pub metrics_listen: Option<SocketAddr>,

    /// OpenTelemetry collector that spans of attempts are exported to, by OTLP over HTTP (http/protobuf): its URL up to
    /// /v1/traces, such as http://localhost:4318. Wins over OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and
    /// OTEL_EXPORTER_OTLP_ENDPOINT; the specification's other variables count as well. Unless one of them is given,
    /// nothing is exported.
    #[arg(long, env = "WEBHOOKS_OTLP_ENDPOINT", value_name = "URL", hide_env_values = true, value_parser = collector_url)]
    pub otlp_endpoint: Option<Url>,

    /// How log lines look.
    #[arg(long, env = "WEBHOOKS_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// What to log: error, warn, info, debug, trace, or a filter such as webhooks_sidecar=debug.
    #[arg(
        long,
        env = "WEBHOOKS_LOG",
        value_name = "FILTER",
        default_value = "info",
        value_parser = log_filter
    )]
    pub log_level: String,
}

/// The flags of a command that are given, and not as they are by default. Those that may have secrets are only named.
pub fn given(matches: &ArgMatches) -> Vec<String> {
    let Some((name, matches)) = matches.subcommand() else {
        return Vec::new();
    };
    let cli = Cli::command();
    let arguments = cli
        .find_subcommand(name)
        .into_iter()
        .flat_map(|c| c.get_arguments());
    let given = arguments.filter_map(|argument| {
        let id = argument.get_id().as_str();
        let flag = argument.get_long()?;
        let source = matches.value_source(id)?;
        let values: Vec<_> = matches.get_raw(id)?.collect();
        if source == ValueSource::DefaultValue || argument.get_default_values() == values {
            return None;
        }
        if argument.is_hide_env_values_set() {
            return Some(format!("--{flag}"));
        }
        let values: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
        Some(format!("--{flag}={}", values.join(",")))
    });
    given.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_the_defaults_is_told_without_secrets() {
        let arguments = [
            "webhooks-sidecar",
            "run",
            "--lease=20",
            "--poll-interval=10",
            "--database-url=postgresql://u:hush@h/d",
            "--allow-network=10.0.0.0/8,fd00::/8",
        ];
        let matches = Cli::command().get_matches_from(arguments);
        let given = given(&matches);
        assert_eq!(
            given,
            [
                "--database-url",
                "--allow-network=10.0.0.0/8,fd00::/8",
                "--lease=20"
            ]
        );
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
