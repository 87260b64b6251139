//! How the database is reached: flags, connection string, service file and PG* variables together.

use super::RunArgs;
use super::connection::conninfo::{self, Error};
use super::connection::settings::{Overrides, Settings};
use std::path::Path;

impl RunArgs {
    /// # Errors
    /// A malformed connection string, an unreadable file.
    pub fn connection_settings(&self) -> Result<Settings, Error> {
        let parameters = conninfo::complete(&self.database_url, conninfo::variable)?;
        let password = self.password_file.as_deref().map(password_in);
        let overrides = Overrides {
            password: password.transpose()?,
            ca_file: self.database_ca_file.clone(),
        };
        let mut settings = Settings::new(&parameters, &overrides)?;
        if parameters.value("tcp_user_timeout").is_none() {
            settings.liveness.user_timeout = Some(self.lease);
        }
        if parameters.value("connect_timeout").is_none() {
            settings.connect_timeout = settings.connect_timeout.map(|most| most.min(self.lease));
        }
        Ok(settings)
    }
}

fn password_in(file: &Path) -> Result<String, Error> {
    let shown = file.display();
    let password = std::fs::read_to_string(file)
        .map_err(|error| Error::File(format!("can't read the password file {shown}: {error}")))?;
    let password = password.strip_suffix('\n').unwrap_or(&password);
    // As editors of other systems end a line.
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Error::File(format!(
            "the password file {shown} is empty: write the password into it, or leave --password-file out"
        )));
    }
    Ok(password.to_owned())
}
