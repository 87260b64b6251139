//! Service files (pg_service.conf): parameters of connections by the name of a service.

use super::{Error, Parameters};
use std::path::{Path, PathBuf};

/// Where installations keep the file for everybody, unless PGSYSCONFDIR says where.
const SYSTEM_DIRECTORIES: &[&str] = &[
    "/etc/postgresql-common",
    "/etc/sysconfig/pgsql",
    "/etc",
    "/usr/local/pgsql/etc",
];

/// Adds what the service has and `parameters` leave out.
///
/// # Errors
/// A service that is in no file, a file that can't be read.
pub(super) fn complete(
    parameters: &mut Parameters,
    service: &str,
    get: &impl Fn(&str) -> Option<String>,
) -> Result<(), Error> {
    let files = files(parameters.value("servicefile"), get);
    for file in &files {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => {
                let file = file.display();
                return Err(Error::File(format!(
                    "can't read the service file {file}: {error}"
                )));
            }
        };
        if take(parameters, service, &text, file)? {
            return Ok(());
        }
    }
    let looked_in: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
    Err(Error::File(format!(
        "there is no service {service:?}: write it into one of {} (PGSERVICEFILE names another)",
        looked_in.join(", ")
    )))
}

/// The user's file, then the system's.
fn files(named: Option<&str>, get: &impl Fn(&str) -> Option<String>) -> Vec<PathBuf> {
    let users = match named.map(str::to_owned).or_else(|| get("PGSERVICEFILE")) {
        Some(file) => Some(PathBuf::from(file)),
        None => std::env::home_dir().map(|home| home.join(".pg_service.conf")),
    };
    let system: Vec<PathBuf> = match get("PGSYSCONFDIR") {
        Some(directory) => vec![directory.into()],
        None => SYSTEM_DIRECTORIES.iter().map(PathBuf::from).collect(),
    };
    let system = system.into_iter().map(|d| d.join("pg_service.conf"));
    users.into_iter().chain(system).collect()
}

/// Returns: whether the service is in this text.
fn take(
    parameters: &mut Parameters,
    service: &str,
    text: &str,
    file: &Path,
) -> Result<bool, Error> {
    let mut is_found = false;
    let mut is_here = false;
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        let wrong = |what: &str| {
            let (file, n) = (file.display(), n + 1);
            Err(Error::File(format!(
                "line {n} of the service file {file}: {what}"
            )))
        };
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if is_found {
                break;
            }
            is_here = section.strip_suffix(']') == Some(service);
            is_found = is_here;
            continue;
        }
        if !is_here {
            continue;
        }
        if line.starts_with("ldap") {
            return wrong("LDAP is not supported: write the parameters themselves");
        }
        let Some((name, value)) = line.split_once('=') else {
            return wrong("it has to be keyword=value");
        };
        if ["service", "servicefile"].contains(&name) {
            return wrong("a service can't refer to another one");
        }
        if !parameters.set_from_service(name, value, file.to_owned()) {
            return wrong("there is no such keyword");
        }
    }
    Ok(is_found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(text: &str) -> Result<(bool, Parameters), Error> {
        let mut parameters = super::super::parse("user=mine")?;
        let is_found = take(&mut parameters, "hooks", text, Path::new("/s.conf"))?;
        Ok((is_found, parameters))
    }

    #[test]
    fn a_service_fills_what_is_left_out() {
        let text = "# comment\n[other]\nhost=wrong\n\n[hooks]\n host=a,b \nuser=theirs\npassword=p=w\n[hooks]\nport=1\n";
        let (is_found, parameters) = taken(text).unwrap();
        assert!(is_found);
        let value = |keyword| parameters.value(keyword);
        assert_eq!(
            (value("host"), value("user"), value("password")),
            (Some("a,b"), Some("mine"), Some("p=w"))
        );
        assert_eq!(value("port"), None);
    }

    #[test]
    fn mistakes_are_named_by_their_line_alone() {
        assert!(!taken("[other]\nnonsense\n").unwrap().0);
        for (text, part) in [
            (
                "[hooks]\nhush",
                "line 2 of the service file /s.conf: it has to be",
            ),
            ("[hooks]\nhush=hush", "no such keyword"),
            ("[hooks]\nservice=hush", "another one"),
            ("[hooks]\nldap://hush/", "LDAP"),
        ] {
            let error = taken(text).err().unwrap().to_string();
            assert!(error.contains(part) && !error.contains("hush"), "{error}");
        }
    }

    #[test]
    fn a_missing_service_says_where_it_was_looked_for() {
        let mut parameters = Parameters::default();
        let get = |name: &str| Some(format!("/nonexistent/{name}"));
        let error = complete(&mut parameters, "hooks", &get).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("\"hooks\"") && error.contains("/nonexistent/PGSERVICEFILE"));
        assert!(error.contains("/nonexistent/PGSYSCONFDIR/pg_service.conf"));
    }
}
