//! How the database is reached: flags, connection string, service file and PG* variables together.

use super::RunArgs;
use std::time::Duration;
use webhooks_connection::conninfo::{self, Error};
use webhooks_connection::password_file;
use webhooks_connection::settings::{Overrides, Settings};
use webhooks_connection::warnings::{self, CommandLine};

/// Longest attempt at one address, unless connect_timeout says otherwise: a request waits meanwhile.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long what was sent may stay unanswered by the server's system, unless tcp_user_timeout says otherwise.
const USER_TIMEOUT: Duration = Duration::from_secs(15);

impl RunArgs {
    /// Where to connect to, and whom to trust there.
    ///
    /// # Errors
    /// A malformed connection string, an unreadable file.
    pub fn connection(&self) -> Result<Settings, Error> {
        let parameters = conninfo::complete(&self.database_url, conninfo::variable)?;
        let password = self.password_file.as_deref().map(password_file::read);
        let overrides = Overrides {
            password: password.transpose()?,
            ca_file: self.database_ca_file.clone(),
        };
        let mut settings = Settings::new(&parameters, &overrides)?;
        if parameters.value("connect_timeout").is_none() {
            settings.connect_timeout = Some(CONNECT_TIMEOUT);
        }
        if parameters.value("tcp_user_timeout").is_none() {
            settings.liveness.user_timeout = Some(USER_TIMEOUT);
        }
        Ok(settings)
    }

    /// About passwords and TLS: what works, but hardly as meant.
    pub fn connection_warnings(&self) -> Vec<String> {
        let line = CommandLine {
            url: &self.database_url,
            url_is_argument: warnings::url_is_argument(),
            has_password_file: self.password_file.is_some(),
            ca_file: self.database_ca_file.as_deref(),
        };
        warnings::of(&line, conninfo::variable)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cli, Command};
    use super::*;
    use clap::Parser;

    fn settings(url: &str) -> Settings {
        let url = format!("--database-url={url}");
        let Command::Run(args) = Cli::parse_from(["webhooks-console", "run", &url]).command else {
            panic!("another command");
        };
        args.connection().unwrap()
    }

    #[test]
    fn a_request_does_not_wait_for_ever_unless_told_to() {
        let usual = settings("host=h user=u");
        assert_eq!(usual.connect_timeout, Some(CONNECT_TIMEOUT));
        assert_eq!(usual.liveness.user_timeout, Some(USER_TIMEOUT));
        let given = settings("host=h user=u connect_timeout=0 tcp_user_timeout=1000");
        assert_eq!(given.connect_timeout, None);
        let user_timeout = given.liveness.user_timeout;
        assert_eq!(user_timeout, Some(Duration::from_secs(1)));
    }
}
