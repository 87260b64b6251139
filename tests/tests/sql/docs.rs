//! The documents are executed as they stand, so that the manual cannot lie.
//!
//! - A fenced block `sql` is given to psql. A tutorial or a how-to is one session from beginning to end; elsewhere each
//!   block is a session of its own.
//! - A fenced block `output` directly after a `sql` block is what psql prints for that block: tables, command tags,
//!   notices and errors. `…` stands for any text within its line, and the widths of columns do not count. If the output
//!   has a line that begins with `ERROR:`, the block may fail, and its session goes on.
//!   `UPDATE_GOLDEN=1` writes what was printed into each line that is not so.
//! - HTML comments have the SQL that readers need not see: what must be there before, and what must hold in the end.
//! - A link to a file of this repository, in any of its documents, leads to a file, and to a heading, that exist.

mod blocks;
mod links;
mod output;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::Database;

use crate::golden;
use blocks::{SqlBlock, sql_blocks};

/// Printed before each block's own output.
const MARK: &str = "-- the next block --";

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Markdown files below a directory.
pub fn documents(directory: &Path) -> Vec<PathBuf> {
    files(directory, "md")
}

/// The files below a directory that have an extension, but those in hidden directories and in cargo's.
pub fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" {
                found.extend(files(&path, extension));
            }
        } else if path.extension() == Some(OsStr::new(extension)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn sql_of_documents_runs_and_prints_what_they_show() {
    let mut documents = documents(&repository().join("docs"));
    documents.push(repository().join("README.md"));
    let mut problems = Vec::new();
    for document in documents {
        problems.extend(check(&document).await.err());
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Executes a document and compares the output that it shows.
async fn check(document: &Path) -> Result<(), String> {
    let text = fs::read_to_string(document).unwrap();
    let blocks = sql_blocks(&text);
    if blocks.is_empty() {
        return Ok(());
    }
    // Roles and named databases belong to the cluster.
    let is_apart = ["create role", "create database"]
        .iter()
        .any(|statement| text.contains(statement));
    let cluster = if is_apart {
        Cluster::start(Options::default()).await.unwrap()
    } else {
        Cluster::shared().await.unwrap()
    };
    let db = Database::create_empty(&cluster, "docs").await.unwrap();
    let is_one_session = ["tutorial", "how-to"]
        .iter()
        .any(|kind| document.parent().is_some_and(|d| d.ends_with(kind)));
    let sessions = blocks.chunks(if is_one_session { blocks.len() } else { 1 });
    let mut printed = Vec::new();
    for session in sessions {
        let outputs = run(&db, session).await;
        printed.extend(outputs.map_err(|error| format!("{}: {error}", document.display()))?);
    }
    golden::check(document, &output::renewed(&text, &blocks, &printed))
}

/// Runs blocks in one session.
///
/// Returns: what psql prints for each.
async fn run(db: &Database, blocks: &[SqlBlock]) -> Result<Vec<String>, String> {
    let mut script = String::new();
    for block in blocks {
        let stop = if block.fails { "off" } else { "on" };
        script += &format!("\\echo '{MARK}'\n\\set ON_ERROR_STOP {stop}\n{}", block.sql);
    }
    let files = tempfile::tempdir().unwrap();
    let (input, output) = (files.path().join("input"), files.path().join("output"));
    fs::write(&input, script).unwrap();
    // Notices belong between the results, so standard output and error are one file.
    let printed = File::create(&output).unwrap();
    let mut psql = db.cluster().client_program("psql", db.name());
    psql.args(["-X", "-v", "SHOW_CONTEXT=never"])
        .stdin(File::open(&input).unwrap())
        .stderr(printed.try_clone().unwrap())
        .stdout(printed);
    let status = tokio::task::spawn_blocking(move || psql.status()).await;
    let status = status.unwrap().unwrap();
    let printed = fs::read_to_string(&output).unwrap();
    let outputs: Vec<String> = printed
        .split(&format!("{MARK}\n"))
        .skip(1)
        .map(str::to_owned)
        .collect();
    if !status.success() {
        let failed = blocks.get(outputs.len().saturating_sub(1));
        let line = failed.map_or(0, |block| block.line);
        return Err(format!(
            "the SQL of line {line} fails\n{}",
            outputs.last().unwrap_or(&printed)
        ));
    }
    assert_eq!(outputs.len(), blocks.len(), "{printed}");
    Ok(outputs)
}
