//! Chromium, and what drives it, for the tests of the console's pages.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use rustix::process::geteuid;

use crate::process;
use crate::project::Project;
use crate::wheel;

/// Names of the program, as distributions have it.
const NAMES: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// A browser.
pub struct Browser {
    /// The program.
    pub chromium: PathBuf,
    /// Directory with the Python packages that drive it.
    pub packages: PathBuf,
}

impl Browser {
    /// The one of this machine. As root, Debian's package is installed where there is none; otherwise the tests that
    /// need one are left out, and `None` is returned.
    ///
    /// # Errors
    /// What drives it can't be fetched.
    pub fn find(project: &Project) -> Result<Option<Self>> {
        let Some(chromium) = installed().or_else(install) else {
            eprintln!(
                "no Chromium: the tests of pages in a browser are left out (Debian: `apt-get install chromium`)"
            );
            return Ok(None);
        };
        let packages = wheel::install(project, &project.pins.browser_packages)?;
        Ok(Some(Self { chromium, packages }))
    }
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let programs = NAMES.iter().flat_map(|name| {
        directories
            .iter()
            .map(move |directory| directory.join(name))
    });
    programs.into_iter().find(|program| program.is_file())
}

/// Installs Debian's package, if that can be done without a question.
fn install() -> Option<PathBuf> {
    if !geteuid().is_root() {
        return None;
    }
    eprintln!("installing chromium with apt-get");
    let run = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["--quiet", "--yes"]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        process::run(&mut command).is_ok_and(|status| status.success())
    };
    let package = ["install", "--no-install-recommends", "chromium"];
    let done = run(&package) || run(&["update"]) && run(&package);
    done.then(installed).flatten()
}
