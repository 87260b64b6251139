//! A file with the password and nothing else (--password-file).

use crate::conninfo::Error;
use std::path::Path;

/// # Errors
/// A file that can't be read, or is empty.
pub fn read(file: &Path) -> Result<String, Error> {
    let shown = file.display();
    let password = std::fs::read_to_string(file)
        .map_err(|error| Error::File(format!("can't read the password file {shown}: {error}")))?;
    let password = password.strip_suffix('\n').unwrap_or(&password);
    // As editors of other systems end a line.
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Error::File(format!(
            "the password file {shown} is empty: write the password into it, or leave --password-file out"
        )));
    }
    Ok(password.to_owned())
}
