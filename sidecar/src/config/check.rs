//! Settings that contradict each other or the environment of the process. Each message says how to put it right.

use super::RunArgs;
use super::databases::Urls;
use super::open_files;
use ipnet::IpNet;
use std::time::Duration;
use webhooks_connection::conninfo;
use webhooks_connection::warnings::{self, CommandLine};

/// Open files beside those of connections to receivers: sessions with the database, a few look-ups of names, the log.
const OTHER_FILES: u64 = 64;
/// Of each further database: its sessions.
const FILES_PER_DATABASE: u64 = 16;
/// With fewer requests at once, a few receivers that hang leave none to the others.
const FEW: u32 = 16;
/// What subscriptions have unless they say otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// The least that the setting partition_days_ahead can be.
const DAY: Duration = Duration::from_secs(86_400);

/// Settings that contradict each other. The message names the setting and says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub(super) String);

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Result<(), ConfigError> {
    match holds {
        true => Ok(()),
        false => Err(ConfigError(message())),
    }
}

/// What flags can't say.
pub struct ProcessEnvironment {
    /// Most open files of this process.
    pub open_files: u64,
    /// The connection string is an argument, which everybody on this machine can see.
    pub url_is_argument: bool,
    /// An environment variable that is not empty.
    pub variable: fn(&str) -> Option<String>,
}

impl ProcessEnvironment {
    /// That of this process; its limit of open files is raised as far as the system lets it.
    pub fn current() -> Self {
        Self {
            open_files: open_files::raise_limit(),
            url_is_argument: warnings::url_is_argument(),
            variable: conninfo::variable,
        }
    }
}

impl RunArgs {
    /// Refuses what can't work together.
    ///
    /// Returns: warnings about what works, but hardly as meant.
    ///
    /// # Errors
    /// Names the setting and what to do.
    pub fn check(&self, environment: &ProcessEnvironment) -> Result<Vec<String>, ConfigError> {
        self.check_times()?;
        self.check_open_files(environment.open_files)?;
        self.check_databases()?;
        self.collector(environment.variable)?;
        let mut warnings = self.warnings();
        warnings.extend(network_warnings(&self.allow_networks));
        warnings.extend(denial_warnings(&self.allow_networks, &self.deny_networks));
        warnings.extend(self.connection_warnings(environment));
        warnings.extend(self.collector_warnings(environment.variable));
        Ok(warnings)
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let lease = self.lease.as_secs_f64();
        ensure(lease >= 5.0, || {
            format!("--lease is {lease} s, too short to survive a busy second: give at least 5")
        })?;
        ensure(lease <= 3600.0, || {
            format!(
                "--lease is {lease} s: as long, the deliveries of a sidecar that vanished wait for another one; give at most 3600"
            )
        })?;
        let poll = self.poll_interval.as_secs_f64();
        ensure(poll >= 0.1, || {
            format!(
                "--poll-interval is {poll} s: give at least 0.1 (deliveries don't wait for it, it is a backstop)"
            )
        })?;
        let maintain = self.maintain_interval;
        ensure(maintain >= Duration::from_secs(1), || {
            format!(
                "--maintain-interval is {} s: give at least 1",
                maintain.as_secs_f64()
            )
        })?;
        ensure(maintain <= DAY, || {
            format!(
                "--maintain-interval is {} s: partitions may be made for only a day ahead (setting partition_days_ahead), so give at most 86400",
                maintain.as_secs_f64()
            )
        })?;
        Ok(())
    }

    fn check_databases(&self) -> Result<(), ConfigError> {
        ensure(
            self.database_url_file.is_none() || !self.has_database_url(),
            || {
                "--database-url-file is given, and --database-url (or the variable DATABASE_URL) besides: leave one of them out"
                    .to_owned()
            },
        )
    }

    /// Refuses more databases than this process has room for.
    ///
    /// # Errors
    /// Names the setting and what to do.
    pub(super) fn check_count(&self, databases: usize) -> Result<(), ConfigError> {
        let count = databases as u64;
        ensure(u64::from(self.concurrency) >= count, || {
            format!(
                "--concurrency is {}, and there are {count} databases, each of which needs one request at least: give at least {}",
                self.concurrency,
                count * u64::from(FEW)
            )
        })?;
        let needed = self.needed_files() + FILES_PER_DATABASE * count.saturating_sub(1);
        let limit = open_files::raise_limit();
        ensure(limit >= needed, || {
            format!(
                "{count} databases and --concurrency {} need {needed} open files, and this process may have {limit}: raise its hard limit (ulimit -Hn {needed}, with systemd LimitNOFILE={needed})",
                self.concurrency
            )
        })
    }

    /// Open files without which it does not start: idle connections and look-ups of names are as many as fit.
    fn needed_files(&self) -> u64 {
        u64::from(self.concurrency) + OTHER_FILES
    }

    /// Most connections to receivers, idle ones included: each subscription has its own, and with no room beyond those
    /// in use, each request would close another's idle connection and open one.
    pub fn connections(&self) -> usize {
        let spare = open_files::raise_limit().saturating_sub(self.needed_files());
        let idle = (3 * u64::from(self.concurrency)).min(spare / 4);
        usize::try_from(u64::from(self.concurrency) + idle).unwrap_or(usize::MAX)
    }

    /// Open files that are left for look-ups of names.
    pub fn files_for_lookups(&self) -> u64 {
        open_files::raise_limit().saturating_sub(self.connections() as u64 + OTHER_FILES)
    }

    fn check_open_files(&self, limit: u64) -> Result<(), ConfigError> {
        let needed = self.needed_files();
        let lower = match limit.saturating_sub(OTHER_FILES) {
            0 => String::new(),
            possible => format!(", or give --concurrency {possible}"),
        };
        ensure(limit >= needed, || {
            format!(
                "--concurrency {} needs {needed} open files, and this process may have {limit}: raise its hard limit (ulimit -Hn {needed}, with systemd LimitNOFILE={needed}){lower}",
                self.concurrency
            )
        })?;
        Ok(())
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.drain_timeout < DEFAULT_TIMEOUT {
            warnings.push(format!(
                "--drain-timeout is {} s, shorter than the timeout_seconds that subscriptions have by default: requests cut off at shutdown are made again; give at least {} (and more where subscriptions have more)",
                self.drain_timeout.as_secs_f64(),
                DEFAULT_TIMEOUT.as_secs()
            ));
        }
        if self.concurrency < FEW {
            warnings.push(format!(
                "--concurrency is {}: as few receivers that hang hold up all others; give at least {FEW}",
                self.concurrency
            ));
        }
        if self.poll_interval > Duration::from_secs(300) {
            warnings.push(format!(
                "--poll-interval is {} s: events of publishers that don't notify wait as long; give at most 300",
                self.poll_interval.as_secs_f64()
            ));
        }
        warnings
    }

    /// About passwords and TLS. Connection strings that can't be read are refused later, where they are used.
    pub fn connection_warnings(&self, environment: &ProcessEnvironment) -> Vec<String> {
        let Ok(Urls { urls, warning }) = self.urls() else {
            return Vec::new();
        };
        let mut warnings: Vec<String> = warning.into_iter().collect();
        for url in urls {
            let of_url = self.url_warnings(&url.text, environment).into_iter();
            warnings.extend(of_url.map(|warning| url.say(warning)));
        }
        warnings
    }

    fn url_warnings(&self, url: &str, environment: &ProcessEnvironment) -> Vec<String> {
        let line = CommandLine {
            url,
            url_is_argument: environment.url_is_argument && self.database_url_file.is_none(),
            has_password_file: self.password_file.is_some(),
            ca_file: self.database_ca_file.as_deref(),
        };
        warnings::of(&line, environment.variable)
    }
}

fn network_warnings(networks: &[IpNet]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (n, network) in networks.iter().enumerate() {
        if network.prefix_len() == 0 {
            warnings.push(format!(
                "--allow-network {network} allows every address: subscribers can reach your internal network; name the networks of your receivers"
            ));
        }
        let mut others = networks.iter().enumerate().filter(|(m, _)| *m != n);
        let within =
            |(m, other): (usize, &IpNet)| other.contains(network) && (other != network || m < n);
        if let Some((_, other)) = others.find(|(m, other)| within((*m, other))) {
            warnings.push(format!(
                "--allow-network {network} adds nothing to {other}: leave one of them out"
            ));
        }
    }
    warnings
}

fn denial_warnings(allowed: &[IpNet], denied: &[IpNet]) -> Vec<String> {
    let denial_of = |network: &IpNet| {
        denied
            .iter()
            .find(|denied| denied.contains(network))
            .copied()
    };
    allowed
        .iter()
        .filter_map(|network| {
            let denial = denial_of(network)?;
            Some(format!(
                "--allow-network {network} allows nothing, because --deny-network {denial} wins: leave one of them out"
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn parsed(more: &[&str]) -> RunArgs {
        // A variable of whoever runs the tests must not stand in for the flag.
        let base = ["webhooks-sidecar", "run", "--database-url="];
        let url = more.iter().any(|flag| flag.starts_with("--database-url="));
        let base = &base[..if url { 2 } else { 3 }];
        let Command::Run(args) = Cli::parse_from(base.iter().chain(more)).command else {
            panic!("another command");
        };
        *args
    }

    fn environment() -> ProcessEnvironment {
        ProcessEnvironment {
            open_files: 1024,
            url_is_argument: false,
            variable: |_| None,
        }
    }

    fn warnings(more: &[&str], environment: &ProcessEnvironment) -> Vec<String> {
        parsed(more).check(environment).unwrap()
    }

    /// The only warning.
    #[track_caller]
    fn warns(more: &[&str], environment: &ProcessEnvironment, part: &str) {
        let warnings = warnings(more, environment);
        assert!(
            matches!(warnings.as_slice(), [warning] if warning.contains(part)),
            "{more:?}: {warnings:?}"
        );
    }

    #[test]
    fn the_defaults_give_no_warning() {
        assert_eq!(warnings(&[], &environment()), Vec::<String>::new());
    }

    #[test]
    fn contradictions_are_refused() {
        for (flag, fix) in [
            (
                "--lease=4.9",
                "--lease is 4.9 s, too short to survive a busy second: give at least 5",
            ),
            ("--lease=3601", "give at most 3600"),
            (
                "--poll-interval=0",
                "--poll-interval is 0 s: give at least 0.1",
            ),
            ("--poll-interval=0.05", "give at least 0.1"),
            (
                "--maintain-interval=0",
                "--maintain-interval is 0 s: give at least 1",
            ),
            ("--maintain-interval=86401", "give at most 86400"),
            (
                "--database-url=host=a --database-url-file=/etc/databases",
                "leave one of them out",
            ),
            (
                "--concurrency=961",
                "--concurrency 961 needs 1025 open files, and this process may have 1024",
            ),
            ("--concurrency=961", "or give --concurrency 960"),
        ] {
            let flags: Vec<&str> = flag.split(' ').collect();
            let error = parsed(&flags)
                .check(&environment())
                .unwrap_err()
                .to_string();
            assert!(error.contains(fix), "{flag}: {error}");
        }
        let none = ProcessEnvironment {
            open_files: OTHER_FILES,
            ..environment()
        };
        let error = parsed(&[]).check(&none).unwrap_err().to_string();
        assert!(error.ends_with("LimitNOFILE=320)"), "{error}");
    }

    #[test]
    fn limits_themselves_are_fine() {
        for flags in [
            ["--lease=5", "--maintain-interval=1"],
            ["--lease=3600", "--maintain-interval=86400"],
            ["--poll-interval=0.1", "--concurrency=960"],
            ["--poll-interval=300", "--concurrency=16"],
            ["--drain-timeout=30", "--allow-network=10.0.0.0/8"],
        ] {
            assert_eq!(warnings(&flags, &environment()), Vec::<String>::new());
        }
    }

    #[test]
    fn warnings_name_the_cure() {
        for (flag, part) in [
            (
                "--drain-timeout=29",
                "--drain-timeout is 29 s, shorter than the timeout_seconds that subscriptions have by default",
            ),
            ("--drain-timeout=0", "give at least 30"),
            ("--concurrency=15", "give at least 16"),
            ("--poll-interval=301", "give at most 300"),
            (
                "--allow-network=0.0.0.0/0",
                "0.0.0.0/0 allows every address",
            ),
            (
                "--allow-network=10.0.0.0/8,10.0.0.0/8",
                "10.0.0.0/8 adds nothing to 10.0.0.0/8",
            ),
            (
                "--allow-network=10.1.0.0/16,10.0.0.0/8",
                "10.1.0.0/16 adds nothing to 10.0.0.0/8",
            ),
            (
                "--allow-network=fd00::/8,fd12::/16",
                "fd12::/16 adds nothing to fd00::/8",
            ),
        ] {
            warns(&[flag], &environment(), part);
        }
    }

    #[test]
    fn databases_have_names_of_their_own() {
        let names = |flags: &[&str]| {
            let databases = parsed(flags).databases();
            databases.map(|all| all.into_iter().map(|d| d.name).collect::<Vec<_>>())
        };
        let one = ["--database-url=postgresql://u:hush@a/app"];
        assert_eq!(names(&one).unwrap(), ["app"]);
        let two = [one[0], "--database-url=host=b port=5433 dbname=app"];
        assert_eq!(names(&two).unwrap(), ["a:5432/app", "b:5433/app"]);
        let twice = [one[0], "--database-url=host=a dbname=app user=other"];
        let error = names(&twice).unwrap_err().to_string();
        assert!(error.contains("a:5432/app is given twice"), "{error}");
        let few = [two[0], two[1], "--concurrency=1"];
        let error = names(&few).unwrap_err().to_string();
        assert!(error.contains("there are 2 databases"), "{error}");
    }

    #[test]
    fn a_mistake_in_a_file_is_told_with_its_line_and_without_its_password() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let flag = format!("--database-url-file={}", file.path().display());
        let error = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            let error = parsed(&[&flag]).databases().err().unwrap().to_string();
            assert!(!error.contains("hush"), "{error}");
            error
        };
        let malformed = error("host=a\n\npostgresql://u:hush@b:port/d\n");
        assert!(malformed.starts_with("line 3 of /"), "{malformed}");
        let twice = error("host=a dbname=d\n# x\npostgresql://u:hush@a/d\n");
        assert!(twice.contains("by line 1 of /"), "{twice}");
        assert!(twice.contains("and line 3 of /"), "{twice}");
    }

    #[test]
    fn a_denial_wins() {
        let part_of_it = ["--allow-network=10.0.0.0/8", "--deny-network=10.1.0.0/16"];
        assert_eq!(warnings(&part_of_it, &environment()), Vec::<String>::new());
        for denied in ["10.0.0.0/8", "0.0.0.0/0"] {
            warns(
                &[
                    "--allow-network=10.0.0.0/8",
                    &format!("--deny-network={denied}"),
                ],
                &environment(),
                "--allow-network 10.0.0.0/8 allows nothing",
            );
        }
    }

    #[test]
    fn two_passwords_are_one_too_many() {
        let file = "--password-file=/run/secrets/password";
        let with = "--database-url=postgresql://u:secret@h/d";
        warns(
            &[file, with],
            &environment(),
            "another in the connection string: the file's is used",
        );
        let variable = ProcessEnvironment {
            variable: |name| (name == "PGPASSWORD").then(|| "secret".to_owned()),
            ..environment()
        };
        warns(&[file], &variable, "another in PGPASSWORD");
        assert!(warnings(&[file], &environment()).is_empty());
        let visible = ProcessEnvironment {
            url_is_argument: true,
            ..environment()
        };
        warns(&[with], &visible, "give it in the variable DATABASE_URL");
        assert!(warnings(&[with], &environment()).is_empty());
    }

    #[test]
    fn an_authority_is_for_verifying() {
        let file = "--database-ca-file=/etc/ssl/db.pem";
        let url = |mode: &str| format!("--database-url=postgresql://h/d?sslmode={mode}");
        warns(
            &[file, &url("disable")],
            &environment(),
            "is not used, because sslmode is disable",
        );
        warns(
            &[file, &url("prefer")],
            &environment(),
            "set sslmode=verify-full",
        );
        warns(
            &[file, "--database-url=host=h"],
            &environment(),
            "set sslmode=verify-full",
        );
        for mode in ["require", "verify-full"] {
            assert!(warnings(&[file, &url(mode)], &environment()).is_empty());
        }
        let local = "--database-url=host=/run/postgresql";
        assert!(warnings(&[file, local], &environment()).is_empty());
    }
}
