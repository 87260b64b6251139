//! Nothing outlives the tests, even when they are killed with SIGKILL.
//!
//! Each process and directory of the harness gets a watchdog: a shell that waits on a pipe whose other end only
//! this process holds. A line on the pipe releases the watchdog; the pipe's end without one means that this process
//! is gone, and the watchdog ends the watched process or removes the directory.
//!
//! Why not `PR_SET_PDEATHSIG`: it fires when the *thread* that forked ends (each test has its own, a shared cluster
//! would die with the first one), it needs `unsafe` (`pre_exec`), it is lost at a change of user, and it cannot remove
//! a directory. The same pipe also ends a shared cluster at the normal exit of a test binary, where no `Drop` runs.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// Waits for release or end of file, in a process group of its own so that Ctrl-C does not end it first.
const WAIT: &str = "trap '' INT TERM HUP QUIT; read -r released && exit 0; ";

/// `$1` signal, `$2` process id. Asks, then insists after 10 s. A zombie that nobody has reaped yet is ended enough.
const END_PROCESS: &str = r#"
kill -s "$1" "$2"; kill -s CONT "$2"
tries=0
while kill -0 "$2" && ! grep -q '^State:.Z' "/proc/$2/status"; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || kill -s KILL "$2"
    [ $tries -lt 300 ] || exit 1
    sleep 0.05
done
"#;

/// `$1` directory. Programs that are just ending may still write to it.
const REMOVE_DIRECTORY: &str = r#"
tries=0
until rm -rf -- "$1" && [ ! -e "$1" ]; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || exit 1
    sleep 0.05
done
"#;

/// A watchdog; dropping it releases the watched thing.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    /// Sends a signal (then SIGKILL) to a process if this one is gone.
    pub(crate) fn ends_process(pid: u32, signal: &str) -> Result<Self> {
        Self::start(END_PROCESS, [signal.as_ref(), pid.to_string().as_ref()])
    }

    /// Removes a directory if this process is gone.
    pub(crate) fn removes_directory(path: &Path) -> Result<Self> {
        Self::start(REMOVE_DIRECTORY, [path.as_os_str()])
    }

    fn start<const N: usize>(act: &str, arguments: [&std::ffi::OsStr; N]) -> Result<Self> {
        Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("{WAIT}{act}"))
            .arg("webhooks-watchdog")
            .args(arguments)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
            .context("starting a watchdog (/bin/sh)")
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some(mut pipe) = self.0.stdin.take() {
            // A watchdog that is gone has nothing left to release.
            let _ = pipe.write_all(b"released\n");
        }
        let _ = self.0.wait();
    }
}
