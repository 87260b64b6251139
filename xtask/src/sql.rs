//! `cargo xtask sql`: the SQL scripts as they are installed, to read, to try and to freeze.

use std::process::ExitCode;

use anyhow::Result;

use crate::extension::sql_files;
use crate::project::Project;

/// Runs the command.
pub fn run(project: &Project) -> Result<ExitCode> {
    let directory = project.target.join("sql");
    for file in sql_files(&project.root, project.version)? {
        file.write(&directory)?;
        println!("{}", directory.join(&file.name).display());
    }
    Ok(ExitCode::SUCCESS)
}
