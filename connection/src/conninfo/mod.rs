//! Connection strings, as libpq reads them: URIs, or pairs of keyword and value.

mod key_value;
mod keywords;
mod service_file;
mod uri;

use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the connection string is called in messages.
const DATABASE_URL: &str = "the database URL (--database-url or DATABASE_URL)";
const FORMS: &str = "it has to be postgresql://user:password@host/database, where the password has %40 for @, %3F for ? and so on, or key=value pairs, where it is in single quotes";

/// What is wrong with the parameters of a connection. No message has anything that may be part of a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A connection string that can't be read.
    #[error("can't read {DATABASE_URL}: {0}")]
    Malformed(String),
    /// A value that can't be.
    #[error("{parameter}: {reason}")]
    Value {
        /// What it is called where it comes from.
        parameter: String,
        /// What is wrong.
        reason: String,
    },
    /// A parameter that can't be honoured.
    #[error("{parameter} is not supported: {advice}")]
    Refused {
        /// What it is called where it comes from.
        parameter: String,
        /// What to do instead.
        advice: &'static str,
    },
    /// A file that can't be used, and whatever else is not as it has to be.
    #[error("{0}")]
    File(String),
    /// One of these in one of several connection strings.
    #[error("{place}: {error}")]
    At {
        /// Where the connection string stands.
        place: String,
        /// What is wrong with it.
        error: Box<Error>,
    },
}

impl Error {
    /// Says also where the connection string stands.
    pub fn at(self, place: &str) -> Self {
        Self::At {
            place: place.to_owned(),
            error: Box::new(self),
        }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The connection string.
    ConnectionString,
    /// An environment variable.
    Variable(&'static str),
    /// A service file.
    ServiceFile(PathBuf),
}

/// A value, and where it comes from.
#[derive(Clone)]
pub struct Given {
    /// The value.
    pub value: String,
    /// Where it comes from.
    pub source: Source,
}

/// Parameters of a connection by their keywords.
#[derive(Clone, Default)]
pub struct Parameters {
    given: BTreeMap<&'static str, Given>,
}

/// An environment variable; an empty one is none.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads a connection string alone.
///
/// # Errors
/// What is wrong.
pub fn parse(text: &str) -> Result<Parameters, Error> {
    let pairs = match uri::without_scheme(text) {
        Some(rest) => uri::parse(rest),
        None => key_value::parse(text),
    };
    let mut parameters = Parameters::default();
    for (name, value) in pairs.map_err(Error::Malformed)? {
        let Some(keyword) = keywords::find(&name) else {
            return Err(Error::Malformed(unknown(text, &name)));
        };
        parameters.set(keyword.name, value, Source::ConnectionString);
    }
    Ok(parameters)
}

/// A connection string, and what it leaves out from the service file and from the environment.
///
/// # Errors
/// As [`parse`], and parameters that can't be used.
pub fn complete(text: &str, get: impl Fn(&str) -> Option<String>) -> Result<Parameters, Error> {
    let mut parameters = parse(text)?;
    let service = parameters.value("service").map(str::to_owned);
    if let Some(service) = service.or_else(|| get("PGSERVICE")) {
        service_file::complete(&mut parameters, &service, &get)?;
    }
    for keyword in keywords::ALL {
        if let Some(name) = keyword.variable
            && let Some(value) = get(name)
        {
            parameters.set_default(keyword.name, value, Source::Variable(name));
        }
    }
    // Older than PGSSLMODE, and still in some environments.
    if get("PGREQUIRESSL").is_some_and(|value| value.starts_with('1')) {
        let source = Source::Variable("PGREQUIRESSL");
        parameters.set_default("sslmode", "require".to_owned(), source);
    }
    parameters.refuse_what_would_be_ignored()?;
    Ok(parameters)
}

impl Parameters {
    fn set(&mut self, keyword: &'static str, value: String, source: Source) {
        self.given.insert(keyword, Given { value, source });
    }

    fn set_default(&mut self, keyword: &'static str, value: String, source: Source) {
        // An empty value is none.
        let is_given = |given: &Given| !given.value.is_empty();
        if !self.given.get(keyword).is_some_and(is_given) {
            self.set(keyword, value, source);
        }
    }

    /// Takes a parameter from a service file, unless it is given already.
    ///
    /// Returns: false if there is no such keyword.
    fn set_from_service(&mut self, name: &str, value: &str, file: PathBuf) -> bool {
        let Some(keyword) = keywords::find(name) else {
            return false;
        };
        self.set_default(keyword.name, value.to_owned(), Source::ServiceFile(file));
        true
    }

    /// A value that is not empty.
    pub fn value(&self, keyword: &str) -> Option<&str> {
        self.given(keyword).map(|given| given.value.as_str())
    }

    /// A value that is not empty, and where it comes from.
    pub fn given(&self, keyword: &str) -> Option<&Given> {
        self.given.get(keyword).filter(|g| !g.value.is_empty())
    }

    /// An error about a value. The value itself is shown where it can't be part of a password.
    pub fn invalid(&self, keyword: &str, reason: &str) -> Error {
        let Some(given) = self.given.get(keyword) else {
            return Error::File(format!("{keyword}: {reason}"));
        };
        match &given.source {
            Source::ConnectionString => {
                Error::Malformed(format!("invalid value for option `{keyword}`: {reason}"))
            }
            Source::Variable(name) => Error::Value {
                parameter: format!("{name} is {:?}", given.value),
                reason: reason.to_owned(),
            },
            Source::ServiceFile(_) => Error::Value {
                parameter: self.name(keyword),
                reason: reason.to_owned(),
            },
        }
    }

    /// What a parameter is called in messages.
    pub fn name(&self, keyword: &str) -> String {
        match self.given.get(keyword).map(|given| &given.source) {
            None => keyword.to_owned(),
            Some(Source::ConnectionString) => format!("{keyword} in {DATABASE_URL}"),
            Some(Source::Variable(name)) => (*name).to_owned(),
            Some(Source::ServiceFile(file)) => {
                format!("{keyword} in the service file {}", file.display())
            }
        }
    }

    fn refuse_what_would_be_ignored(&self) -> Result<(), Error> {
        for keyword in keywords::ALL {
            let Some(value) = self.value(keyword.name) else {
                continue;
            };
            if let Some(advice) = keyword.problem(value) {
                let parameter = self.name(keyword.name);
                return Err(Error::Refused { parameter, advice });
            }
        }
        Ok(())
    }
}

/// Names an option that there is not, unless it may be part of a password that is not encoded or quoted.
fn unknown(text: &str, option: &str) -> String {
    let is_name = |b: u8| b.is_ascii_lowercase() || b == b'_';
    let (before, after) = text.split_once(option).unwrap_or((text, text));
    let may_be_password = if uri::without_scheme(text).is_some() {
        after.contains('@')
    } else {
        before.contains("password")
    };
    if may_be_password || option.is_empty() || !option.bytes().all(is_name) {
        return FORMS.to_owned();
    }
    format!("unknown option `{option}`")
}

#[cfg(test)]
mod tests;
