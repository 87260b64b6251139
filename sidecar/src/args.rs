//! Flags and environment.

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use std::path::PathBuf;
use std::time::Duration;

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
    Run(RunArgs),
}

#[derive(Clone, Copy, ValueEnum)]
pub enum LogFormat {
    /// One line of text per message.
    Text,
    /// One JSON object per line.
    Json,
}

#[derive(Args, Clone)]
pub struct RunArgs {
    /// Connection string, postgresql://… or key=value. What it leaves out comes from PGHOST, PGPORT, PGUSER,
    /// PGPASSWORD, PGDATABASE, PGSSLMODE. The user needs to be a member of webhooks_sidecar, nothing else.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, default_value = "")]
    pub database_url: String,

    /// File with the database password (its last newline is dropped): keeps it out of the environment.
    #[arg(long, env = "WEBHOOKS_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// PEM file of certificate authorities to trust for the database, besides the system's.
    #[arg(long, env = "PGSSLROOTCERT", value_name = "FILE")]
    pub database_ca_file: Option<PathBuf>,

    /// Requests under way at once, over all subscriptions. Each subscription has its own max_in_flight besides.
    /// 256 keeps 20 subscriptions at their default limit of 20 busy and costs a few MiB.
    #[arg(long, env = "WEBHOOKS_CONCURRENCY", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub concurrency: u32,

    /// Addresses to allow although they are not public: receivers on private networks. Repeatable, or comma-separated.
    #[arg(
        long = "allow-network",
        env = "WEBHOOKS_ALLOW_NETWORKS",
        value_name = "CIDR",
        value_delimiter = ','
    )]
    pub allow_networks: Vec<IpNet>,

    /// PEM file of certificate authorities to trust for receivers, besides the system's.
    #[arg(long, env = "WEBHOOKS_RECEIVER_CA_FILE", value_name = "FILE")]
    pub receiver_ca_file: Option<PathBuf>,

    /// User-Agent of requests.
    #[arg(long, env = "WEBHOOKS_USER_AGENT", default_value = concat!("webhooks-sidecar/", env!("CARGO_PKG_VERSION")))]
    pub user_agent: String,

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

    /// How log lines look.
    #[arg(long, env = "WEBHOOKS_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// What to log: error, warn, info, debug, trace, or a filter such as webhooks_sidecar=debug.
    #[arg(
        long,
        env = "WEBHOOKS_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    pub log_level: String,
}

impl RunArgs {
    /// Refuses settings that can't work together and warns about risky ones.
    ///
    /// # Errors
    /// Names the setting and what to do.
    pub fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.lease >= Duration::from_secs(5),
            "--lease is {} s, too short to survive a busy second: give at least 5",
            self.lease.as_secs()
        );
        anyhow::ensure!(
            !self.poll_interval.is_zero(),
            "--poll-interval is 0: give at least 1 second (deliveries don't wait for it, it is a backstop)"
        );
        anyhow::ensure!(
            self.maintain_interval >= Duration::from_secs(1),
            "--maintain-interval is 0: give at least 1 second"
        );
        if self.drain_timeout < Duration::from_secs(5) {
            tracing::warn!(
                seconds = self.drain_timeout.as_secs(),
                "--drain-timeout is short: requests cut off at shutdown are delivered again"
            );
        }
        for network in &self.allow_networks {
            if network.prefix_len() == 0 {
                tracing::warn!(%network, "--allow-network allows every address: subscribers can reach your internal network");
            }
        }
        Ok(())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=31_536_000.0).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err("give a number of seconds, 0 to 31536000".to_owned()),
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
    fn seconds_are_bounded() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for bad in ["-1", "nan", "inf", "1e99", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let parse = |more: &[&str]| {
            let Command::Run(args) =
                Cli::parse_from(["webhooks-sidecar", "run"].iter().chain(more)).command;
            args
        };
        assert!(parse(&[]).check().is_ok());
        for bad in [
            ["--lease", "1"],
            ["--poll-interval", "0"],
            ["--maintain-interval", "0"],
        ] {
            assert!(parse(&bad).check().is_err(), "{bad:?}");
        }
    }
}
