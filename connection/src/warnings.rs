//! What works, but hardly as meant: passwords that others can see or that are not used, TLS that protects nothing.

use crate::conninfo;
use crate::conninfo::Source;
use crate::settings::{Overrides, Settings, SslMode};
use std::path::Path;

/// How the command line says that the database is reached.
pub struct CommandLine<'a> {
    /// The connection string.
    pub url: &'a str,
    /// It is an argument, which everybody on this machine can see.
    pub url_is_argument: bool,
    /// There is a --password-file.
    pub has_password_file: bool,
    /// That of --database-ca-file.
    pub ca_file: Option<&'a Path>,
}

/// Whether the connection string is among the arguments of this process.
pub fn url_is_argument() -> bool {
    let is_url =
        |argument: &str| argument == "--database-url" || argument.starts_with("--database-url=");
    std::env::args_os().any(|argument| is_url(&argument.to_string_lossy()))
}

/// The warnings. A connection string that can't be read has none: it is refused where it is used.
pub fn of(line: &CommandLine<'_>, get: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut warnings = Vec::new();
    let Ok(written) = conninfo::parse(line.url) else {
        return warnings;
    };
    let Ok(parameters) = conninfo::complete(line.url, get) else {
        return warnings;
    };
    if line.url_is_argument && written.value("password").is_some() {
        warnings.push(
            "--database-url has a password, which everybody on this machine can see: give it in the variable DATABASE_URL, or in --password-file".to_owned(),
        );
    }
    if line.has_password_file
        && let Some(password) = parameters.given("password")
    {
        let other = match &password.source {
            Source::ConnectionString => "in the connection string",
            Source::Variable(_) => "in PGPASSWORD",
            Source::ServiceFile(_) => "in the service file",
        };
        warnings.push(format!(
            "there is a password in --password-file and another {other}: the file's is used; take the other one out"
        ));
    }
    let overrides = Overrides {
        password: None,
        ca_file: line.ca_file.map(Path::to_owned),
    };
    if let Ok(settings) = Settings::new(&parameters, &overrides)
        && settings.is_remote()
    {
        warnings.extend(tls_warning(&settings, line.ca_file.is_some()));
    }
    warnings
}

fn tls_warning(settings: &Settings, has_ca_file: bool) -> Option<String> {
    match settings.tls.mode {
        SslMode::Disable if has_ca_file => Some(
            "--database-ca-file is not used, because sslmode is disable: leave one of them out".to_owned(),
        ),
        mode @ (SslMode::Allow | SslMode::Prefer) if has_ca_file => Some(format!(
            "--database-ca-file protects nothing while sslmode is {}, which goes on without TLS where none is offered: set sslmode=verify-full",
            mode.name()
        )),
        SslMode::Require if settings.tls.roots.is_none() => Some(
            "sslmode=require encrypts, and does not find out who the server is: set sslmode=verify-full".to_owned(),
        ),
        _ => None,
    }
}
