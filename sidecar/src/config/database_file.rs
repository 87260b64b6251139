//! A file of databases (--database-url-file): a URL a line, and comments.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use webhooks_connection::conninfo::Error;

/// What a file says.
#[derive(Debug)]
pub(super) struct DatabaseFile {
    /// The number of each line, and its URL.
    pub(super) lines: Vec<(usize, String)>,
    /// Others can read the passwords.
    pub(super) warning: Option<String>,
}

/// # Errors
/// A file that can't be read, or names no database.
pub(super) fn read(file: &Path) -> Result<DatabaseFile, Error> {
    let shown = file.display();
    let failed = |error: std::io::Error| {
        Error::File(format!("can't read --database-url-file {shown}: {error}"))
    };
    let metadata = std::fs::metadata(file).map_err(failed)?;
    let text = std::fs::read_to_string(file).map_err(failed)?;
    let lines = urls(&text);
    if lines.is_empty() {
        return Err(Error::File(format!(
            "--database-url-file {shown} names no database: write the URL of one into each line"
        )));
    }
    let is_for_others = metadata.permissions().mode() & 0o077 != 0;
    let warning = is_for_others.then(|| {
        format!(
            "--database-url-file {shown}: group or others have access to it, and to the passwords in it; chmod 0600 it"
        )
    });
    Ok(DatabaseFile { lines, warning })
}

fn urls(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().map(str::trim).zip(1..);
    lines
        .filter(|(line, _)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, number)| (number, line.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_url_but_comments() {
        let text = "# first\n\n postgresql://a/b \r\n  # x\nhost=c password='#'\n#host=d";
        let expected = [(3, "postgresql://a/b"), (5, "host=c password='#'")];
        assert_eq!(urls(text), expected.map(|(n, url)| (n, url.to_owned())));
    }

    #[test]
    fn a_file_without_databases_is_refused_and_one_for_others_warned_of() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = read(file.path()).unwrap_err().to_string();
        assert!(error.contains("names no database"), "{error}");
        std::fs::write(file.path(), "host=a\n").unwrap();
        assert!(read(file.path()).unwrap().warning.is_none());
        let permissions = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(file.path(), permissions).unwrap();
        let warning = read(file.path()).unwrap().warning.unwrap();
        assert!(warning.contains("chmod 0600"), "{warning}");
        let error = read(Path::new("/nonexistent")).unwrap_err().to_string();
        assert!(error.contains("can't read --database-url-file /nonexistent"));
    }
}
