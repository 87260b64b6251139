//! Spelling of the whole repository, checked by `typos`. `_typos.toml` has the project's own words.

use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::project::Project;
use crate::wheel;

/// Errors if a word is misspelled; `typos` has printed it, then.
pub fn check(project: &Project) -> Result<()> {
    let requirement = &project.pins.typos_wheel;
    let scripts = format!("{}.data/scripts", requirement.replace("==", "-"));
    let program = wheel::fetch(project, requirement)?
        .join(scripts)
        .join("typos");
    process::must(
        Command::new(program).current_dir(&project.root),
        "Correct the words, or add them to _typos.toml.",
    )
}
