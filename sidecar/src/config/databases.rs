//! Which databases are delivered from, and how each is reached: flags, connection strings, service file and PG*
//! variables together.

use super::RunArgs;
use super::database_file;
use std::collections::HashMap;
use webhooks_connection::conninfo::{self, Error};
use webhooks_connection::password_file;
use webhooks_connection::settings::{Overrides, Settings};

/// A database to deliver from.
#[derive(Clone, PartialEq)]
pub struct NamedDatabase {
    /// In log lines and metrics, where no other has it: its name alone, or with its servers where there may be several.
    pub name: String,
    pub settings: Settings,
}

/// A connection string.
pub(super) struct Url {
    pub(super) text: String,
    /// Where it stands in the file, for messages.
    place: Option<String>,
}

/// Connection strings, and what is to be warned of.
pub(super) struct Urls {
    pub(super) urls: Vec<Url>,
    pub(super) warning: Option<String>,
}

impl Url {
    /// Says where what is wrong stands.
    pub(super) fn say(&self, message: String) -> String {
        match &self.place {
            Some(place) => format!("{place}: {message}"),
            None => message,
        }
    }

    /// What log lines can show.
    fn shown(&self) -> &str {
        self.place.as_deref().unwrap_or("--database-url")
    }
}

impl RunArgs {
    /// Whether there are several databases, or may be.
    pub fn has_fleet(&self) -> bool {
        self.database_url_file.is_some() || self.database_url.len() > 1
    }

    /// Whether --database-url or its variable says something.
    pub(super) fn has_database_url(&self) -> bool {
        self.database_url.iter().any(|url| !url.is_empty())
    }

    /// The connection strings, as they stand in the file now.
    pub(super) fn urls(&self) -> Result<Urls, Error> {
        let Some(file) = &self.database_url_file else {
            let url = |text: &String| Url {
                text: text.clone(),
                place: None,
            };
            return Ok(Urls {
                urls: self.database_url.iter().map(url).collect(),
                warning: None,
            });
        };
        let read = database_file::read(file)?;
        let lines = read.lines.into_iter().map(|(number, text)| Url {
            text,
            place: Some(format!("line {number} of {}", file.display())),
        });
        Ok(Urls {
            urls: lines.collect(),
            warning: read.warning,
        })
    }

    /// All databases, as their file says now.
    ///
    /// # Errors
    /// A malformed connection string, an unreadable file, the same database twice, more databases than --concurrency
    /// or the limit of open files allow.
    pub fn databases(&self) -> Result<Vec<NamedDatabase>, Error> {
        let urls = self.urls()?.urls;
        let password = self.password_file.as_deref().map(password_file::read);
        let overrides = Overrides {
            password: password.transpose()?,
            ca_file: self.database_ca_file.clone(),
        };
        let mut databases = Vec::new();
        let mut places = HashMap::new();
        for url in &urls {
            let settings = self.settings(&url.text, &overrides);
            let settings = settings.map_err(|error| match &url.place {
                Some(place) => error.at(place),
                None => error,
            })?;
            let name = match self.has_fleet() {
                true => format!("{}/{}", settings.servers(), settings.database),
                false => settings.database.clone(),
            };
            if let Some(first) = places.insert(name.clone(), url.shown()) {
                return Err(Error::File(format!(
                    "{name} is given twice, by {first} and {}: leave one of them out",
                    url.shown()
                )));
            }
            databases.push(NamedDatabase { name, settings });
        }
        self.check_count(databases.len())
            .map_err(|error| Error::File(error.to_string()))?;
        Ok(databases)
    }

    fn settings(&self, url: &str, overrides: &Overrides) -> Result<Settings, Error> {
        let parameters = conninfo::complete(url, conninfo::variable)?;
        let mut settings = Settings::new(&parameters, overrides)?;
        if parameters.value("tcp_user_timeout").is_none() {
            settings.liveness.user_timeout = Some(self.lease);
        }
        if parameters.value("connect_timeout").is_none() {
            settings.connect_timeout = settings.connect_timeout.map(|most| most.min(self.lease));
        }
        Ok(settings)
    }
}
