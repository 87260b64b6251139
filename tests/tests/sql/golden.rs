//! Files in the tree that are made from the product, so that every change of it is visible in review.

use std::fs;
use std::path::Path;
use std::process::Command;

/// Compares such a file with what is made now. `UPDATE_GOLDEN=1` writes that down.
pub fn assert_golden(file: &Path, made: &str) {
    check(file, made).unwrap_or_else(|error| panic!("{error}"));
}

/// As [`assert_golden`].
///
/// # Errors
/// With the differences.
pub fn check(file: &Path, made: &str) -> Result<(), String> {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(file, made).unwrap();
    }
    if fs::read_to_string(file).unwrap_or_default() == made {
        return Ok(());
    }
    let new = tempfile::NamedTempFile::new().unwrap();
    fs::write(new.path(), made).unwrap();
    let mut diff = Command::new("diff");
    diff.arg("-uN").args([file, new.path()]);
    let differences = match diff.output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(_) => made.to_owned(),
    };
    Err(format!(
        "{} is not what is made now; if that is right, run again with UPDATE_GOLDEN=1\n{differences}",
        file.display()
    ))
}
