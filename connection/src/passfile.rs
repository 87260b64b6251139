//! Password files (~/.pgpass): lines of `host:port:database:user:password`, the first that matches counts.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What a password is for.
pub(super) struct Key<'a> {
    /// The host as it is given; `localhost` for a socket in its usual directory.
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// A password file that was read.
#[derive(Default)]
pub(super) struct Passfile {
    text: String,
}

impl Passfile {
    /// Reads the file. `named`: the one to read instead of ~/.pgpass.
    ///
    /// Returns also: what is wrong, if it can't be used; as to libpq, that is no error.
    pub(super) fn read(named: Option<&str>) -> (Self, Option<String>) {
        let file = match named {
            Some(file) => Some(PathBuf::from(file)),
            None => std::env::home_dir().map(|home| home.join(".pgpass")),
        };
        let Some(file) = file else {
            return (Self::default(), None);
        };
        match content(&file) {
            Ok(text) => (Self { text }, None),
            // Nobody asked for it.
            Err(Unusable::Missing) if named.is_none() => (Self::default(), None),
            Err(reason) => {
                let warning = format!("the password file {} is not used: {reason}", file.display());
                (Self::default(), Some(warning))
            }
        }
    }

    /// The password for a connection.
    pub(super) fn password(&self, key: &Key<'_>) -> Option<String> {
        let port = key.port.to_string();
        let wanted = [key.host, &port, key.database, key.user];
        self.text.lines().find_map(|line| password_of(line, wanted))
    }
}

#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("there is no such file")]
    Missing,
    #[error("it is no plain file")]
    NoFile,
    #[error("group or others have access to it; chmod 0600 it")]
    Permissions,
    #[error("{0}")]
    Unreadable(std::io::Error),
}

fn content(file: &Path) -> Result<String, Unusable> {
    let unreadable = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Unusable::Missing,
        _ => Unusable::Unreadable(error),
    };
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Unusable::NoFile);
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(Unusable::Permissions);
    }
    std::fs::read_to_string(file).map_err(unreadable)
}

fn password_of(line: &str, wanted: [&str; 4]) -> Option<String> {
    if line.starts_with('#') {
        return None;
    }
    let mut rest = line;
    for wanted in wanted {
        let (field, after) = field(rest)?;
        if field != wanted && rest.get(..2) != Some("*:") {
            return None;
        }
        rest = after;
    }
    // What follows a fifth field is nobody's.
    let password = field(rest).map_or_else(|| unescaped(rest), |(password, _)| password);
    Some(password).filter(|password| !password.is_empty())
}

/// What comes before the next colon that is not escaped, and what comes after it.
fn field(text: &str) -> Option<(String, &str)> {
    let mut is_escaped = false;
    let end = text.find(|c| {
        let is_end = c == ':' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    })?;
    Some((unescaped(&text[..end]), &text[end + 1..]))
}

fn unescaped(text: &str) -> String {
    let mut characters = text.chars();
    let mut result = String::with_capacity(text.len());
    while let Some(character) = characters.next() {
        match character {
            '\\' => result.extend(characters.next()),
            other => result.push(other),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn password(text: &str, host: &str) -> Option<String> {
        let passfile = Passfile {
            text: text.to_owned(),
        };
        passfile.password(&Key {
            host,
            port: 5432,
            database: "d",
            user: "u:v",
        })
    }

    #[test]
    fn the_first_line_that_matches_counts() {
        let text = "#h:5432:d:u\\:v:comment\nh:5433:d:u\\:v:port\nother:*:*:*:other\nh:*:d:u\\:v:r\\:i\\\\ght\n*:*:*:*:last\r\n";
        assert_eq!(password(text, "h").as_deref(), Some("r:i\\ght"));
        assert_eq!(password(text, "x").as_deref(), Some("last"));
        assert_eq!(password("h:5432:d:u\\:v:", "h"), None);
        assert_eq!(password("h:5432:d", "h"), None);
        assert_eq!(password("\\*:5432:d:u\\:v:x", "h"), None);
        assert_eq!(password("::1:5432:d:u\\:v:x", "::1"), None);
        let ipv6 = "\\:\\:1:5432:d:u\\:v:x";
        assert_eq!(password(ipv6, "::1").as_deref(), Some("x"));
    }

    #[test]
    fn a_file_for_others_is_not_used() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"*:*:*:*:pw\n").unwrap();
        let path = file.path().to_str().unwrap();
        assert!(Passfile::read(Some(path)).1.is_none());
        for mode in [0o640, 0o604] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(path, permissions).unwrap();
            let (passfile, warning) = Passfile::read(Some(path));
            assert!(passfile.text.is_empty());
            assert!(warning.unwrap().contains("chmod 0600"));
        }
        assert!(Passfile::read(Some("/nonexistent")).1.is_some());
        assert!(Passfile::read(Some("/")).1.unwrap().contains("plain"));
    }
}
