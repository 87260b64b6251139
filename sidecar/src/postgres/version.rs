//! Which versions of the extension this sidecar works with: those of its own minor version, of the one before and of the
//! one after, so that sidecars of neighbouring versions deliver side by side while a fleet is upgraded.
//!
//! What the sidecar calls that the minor version before lacks is optional, and what that one calls stays for one minor
//! version more. Types at the boundary only ever get attributes.

use std::fmt;
use tokio_postgres::{Client, Error};

/// This sidecar's.
const OWN: &str = env!("CARGO_PKG_VERSION");

/// A version without its patch number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Minor {
    major: u32,
    minor: u32,
}

impl Minor {
    fn of(version: &str) -> Option<Self> {
        let mut numbers = version.split('.').map(str::parse);
        Some(Self {
            major: numbers.next()?.ok()?,
            minor: numbers.next()?.ok()?,
        })
    }

    fn works_with(self, other: Self) -> bool {
        self.major == other.major && self.minor.abs_diff(other.minor) <= 1
    }
}

impl fmt::Display for Minor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The version of the extension in a session's database; none if it is not installed there.
///
/// # Errors
/// Those of the statement.
pub async fn installed(client: &Client) -> Result<Option<String>, Error> {
    let query = "select extversion from pg_catalog.pg_extension where extname = 'webhooks'";
    let row = client.query_opt(query, &[]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Refuses an extension that this sidecar does not know.
///
/// # Errors
/// Which side to upgrade.
pub fn check(extension: &str) -> Result<(), String> {
    check_versions(extension, OWN)
}

/// Whether the extension is of this sidecar's minor version.
pub fn is_own_minor(extension: &str) -> bool {
    Minor::of(extension) == Minor::of(OWN)
}

fn check_versions(extension: &str, own: &str) -> Result<(), String> {
    let (Some(theirs), Some(ours)) = (Minor::of(extension), Minor::of(own)) else {
        return Err(format!(
            "the extension's version is {extension}, which is no version that was released: run ALTER EXTENSION webhooks UPDATE"
        ));
    };
    if ours.works_with(theirs) {
        return Ok(());
    }
    let from = Minor {
        minor: ours.minor.saturating_sub(1),
        ..ours
    };
    let to = Minor {
        minor: ours.minor.saturating_add(1),
        ..ours
    };
    let advice = match theirs < ours {
        true => "upgrade the extension (install its files, then ALTER EXTENSION webhooks UPDATE)",
        false => "upgrade this sidecar",
    };
    Err(format!(
        "the extension is version {extension}, and this sidecar {own} works with {from} to {to}: {advice}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_work_together() {
        for extension in ["0.3.0", "0.3.999", "0.2.0", "0.4.7"] {
            assert_eq!(check_versions(extension, "0.3.1"), Ok(()), "{extension}");
        }
        assert_eq!(check(OWN), Ok(()));
    }

    #[test]
    fn others_are_told_which_side_to_upgrade() {
        for (extension, expected) in [
            ("0.1.9", "ALTER EXTENSION webhooks UPDATE"),
            ("0.5.0", "upgrade this sidecar"),
            ("1.3.0", "upgrade this sidecar"),
            ("main", "ALTER EXTENSION webhooks UPDATE"),
        ] {
            let words = check_versions(extension, "0.3.1").unwrap_err();
            assert!(words.contains(expected), "{words}");
            assert!(words.contains(extension), "{words}");
        }
        let words = check_versions("0.5.0", "0.3.1").unwrap_err();
        assert!(words.contains("works with 0.2 to 0.4"), "{words}");
    }
}
