//! The user that runs PostgreSQL. Its programs refuse to run as root, so root needs another account for them.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

/// A user other than root.
#[derive(Clone, Debug, PartialEq)]
pub struct Account {
    /// User name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of the user's own group.
    pub gid: u32,
}

impl Account {
    /// The account for PostgreSQL, or none if we are not root and run it ourselves.
    pub fn for_postgres(wanted: Option<&str>) -> Result<Option<Self>> {
        if !geteuid().is_root() {
            if wanted.is_some() {
                bail!("--run-as needs root; as an ordinary user PostgreSQL runs as yourself");
            }
            return Ok(None);
        }
        let passwd = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let candidates = match &wanted {
            Some(name) => vec![*name],
            None => vec!["postgres", "nobody"],
        };
        for name in &candidates {
            if let Some(account) = find(&passwd, name) {
                if account.uid == 0 {
                    bail!("PostgreSQL refuses to run as root: choose another user with --run-as");
                }
                return Ok(Some(account));
            }
        }
        bail!(
            "PostgreSQL refuses to run as root and /etc/passwd has no user {}: name one with --run-as",
            candidates.join(" or ")
        )
    }

    /// Whether this user can start `program`, for instance because no directory on its way is closed to them.
    pub fn can_run(&self, program: &Path) -> bool {
        self.succeeds(Command::new(program).arg("--version"))
    }

    /// Whether this user can enter `directory`.
    pub fn can_enter(&self, directory: &Path) -> bool {
        self.succeeds(
            Command::new("sh")
                .args(["-c", "cd \"$1\"", "sh"])
                .arg(directory),
        )
    }

    fn succeeds(&self, command: &mut Command) -> bool {
        command
            .uid(self.uid)
            .gid(self.gid)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

fn find(passwd: &str, name: &str) -> Option<Account> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[..] {
            [user, _, uid, gid, ..] if user == name => Some(Account {
                name: name.to_owned(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
            }),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_user_by_its_whole_name() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres2:x:7:7::/:/bin/sh\npostgres:x:101:104:PG,,,:/var:/bin/sh\n";
        let account = find(passwd, "postgres").unwrap();
        assert_eq!((account.uid, account.gid), (101, 104));
        assert_eq!(find(passwd, "nobody"), None);
    }
}
