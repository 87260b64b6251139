//! Files in the tree that are made from the schema, so that every change of it is visible in review.

use std::path::Path;
use std::process::Command;

use webhooks_tests::database::Database;

/// Compares such a file with what the schema says now. `UPDATE_GOLDEN=1` writes that down.
pub fn assert_golden(db: &Database, file: &Path, found: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, found).unwrap();
    }
    if std::fs::read_to_string(file).unwrap_or_default() == found {
        return;
    }
    let new = db.cluster().directory().join(file.file_name().unwrap());
    std::fs::write(&new, found).unwrap();
    let diff = Command::new("diff").arg("-uN").args([file, &new]).output();
    let diff = diff.map_or(found.to_owned(), |d| {
        String::from_utf8_lossy(&d.stdout).into_owned()
    });
    panic!(
        "{} is not what the schema says now; if the schema is right, run again with UPDATE_GOLDEN=1\n{diff}",
        file.display()
    );
}
