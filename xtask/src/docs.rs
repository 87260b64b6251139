//! `cargo xtask docs`: writes the references in docs/reference that are made from the product, or compares them.
//!
//! The tests `reference` of the tests crate make them, in the same way for both and as part of `cargo xtask test`.

use std::process::ExitCode;

use anyhow::Result;

use crate::args::{DocsOptions, TestOptions};
use crate::pg_config::PgConfig;
use crate::project::Project;
use crate::test;

/// Tells the tests to write what they make.
const UPDATE: &str = "UPDATE_GOLDEN";

/// Runs the command.
pub fn run(project: &Project, options: &DocsOptions) -> Result<ExitCode> {
    let majors = match PgConfig::wanted(project, options.pg_config.as_deref())? {
        Some(_) => Vec::new(),
        None => vec![project.pins.embedded_major],
    };
    let tests = TestOptions {
        pg_config: options.pg_config.clone(),
        run_as: options.run_as.clone(),
        majors,
        only: Some("reference::".to_owned()),
        rest: Vec::new(),
    };
    test::run_with(project, &tests, |command| {
        if options.check {
            command.env_remove(UPDATE);
        } else {
            command.env(UPDATE, "1");
        }
    })
}
