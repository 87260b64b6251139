//! The temporary directory of one run, and the promise that nothing survives it.
//!
//! Test programs put their clusters below `TMPDIR`, which is this directory, and PostgreSQL's processes work inside
//! their data directory. So whatever still runs in here at the end was left by a program that crashed or was killed.

use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::account::Account;

/// Every descendant of the test programs inherits this variable.
const TAG: &str = "WEBHOOKS_XTASK_RUN";

/// A directory that goes away with everything that runs in it.
pub struct Scratch {
    path: PathBuf,
    tag: String,
}

impl Scratch {
    /// A fresh directory that `account` can enter.
    pub fn new(account: Option<&Account>) -> Result<Self> {
        let stamp = SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |time| time.subsec_nanos());
        let tag = format!("webhooks-{}-{stamp:08x}", std::process::id());
        let usual = std::env::temp_dir();
        let base = [usual.as_path(), Path::new("/tmp"), Path::new("/var/tmp")]
            .into_iter()
            .find(|base| base.is_dir() && account.is_none_or(|user| user.can_enter(base)));
        let Some(base) = base else {
            bail!("no temporary directory that PostgreSQL's user can enter: set TMPDIR to one");
        };
        let path = base.join(&tag);
        // As root, both we and PostgreSQL's user write here: shared like /tmp itself.
        let mode = if account.is_some() { 0o1777 } else { 0o700 };
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(mode)))
            .with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, tag })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a command and all its descendants ours.
    pub fn adopt<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("TMPDIR", &self.path).env(TAG, &self.tag)
    }

    /// Processes that belong to this run.
    fn processes(&self) -> Vec<Pid> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let tag = format!("{TAG}={}", self.tag).into_bytes();
        entries
            .filter_map(|entry| Pid::from_raw(entry.ok()?.file_name().to_str()?.parse().ok()?))
            .filter(|pid| {
                let process = Path::new("/proc").join(pid.to_string());
                let inside = fs::read_link(process.join("cwd"))
                    .is_ok_and(|directory| directory.starts_with(&self.path));
                let tagged = fs::read(process.join("environ"))
                    .is_ok_and(|vars| vars.split(|byte| *byte == 0).any(|var| var == tag));
                inside || tagged
            })
            .collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // QUIT is PostgreSQL's immediate shutdown; a server that ignores even that is killed.
        let signals = [(Signal::TERM, 5), (Signal::QUIT, 20), (Signal::KILL, 20)];
        for (signal, patience) in signals {
            let mut tries = 0;
            while tries <= patience {
                let left = self.processes();
                if left.is_empty() {
                    break;
                }
                if tries == 0 {
                    for pid in left {
                        // One that is gone already is no error.
                        let _ = kill_process(pid, signal);
                    }
                }
                tries += 1;
                sleep(Duration::from_millis(100));
            }
        }
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("warning: cannot remove {}: {error}", self.path.display());
        }
    }
}
