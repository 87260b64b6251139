//! How findings are printed: as text to read, or as JSON.

use crate::model::finding::Finding;
use serde_json::json;
use std::io::{self, Write};

/// A finding, and of which database it is.
pub(super) struct Entry {
    /// `None`: of the options, or of this machine.
    database: Option<String>,
    pub(super) finding: Finding,
}

impl Entry {
    pub(super) fn of_process(finding: Finding) -> Self {
        Self {
            database: None,
            finding,
        }
    }

    pub(super) fn of_database(name: &str, finding: Finding) -> Self {
        Self {
            database: Some(name.to_owned()),
            finding,
        }
    }
}

/// # Errors
/// Those of the output.
pub(super) fn print(entries: &[Entry], as_json: bool, output: &mut impl Write) -> io::Result<()> {
    if as_json {
        let findings: Vec<_> = entries.iter().map(object).collect();
        return writeln!(output, "{:#}", serde_json::Value::from(findings));
    }
    for entry in entries {
        let Finding {
            severity,
            check,
            finding,
            meaning,
            advice,
        } = &entry.finding;
        let database = entry.database.as_deref().unwrap_or("-");
        let severity = severity.name();
        writeln!(output, "{severity:<8} {database}  {check}: {finding}")?;
        for more in [meaning, advice] {
            if !more.is_empty() {
                writeln!(output, "         {more}")?;
            }
        }
    }
    Ok(())
}

fn object(entry: &Entry) -> serde_json::Value {
    let Finding {
        severity,
        check,
        finding,
        meaning,
        advice,
    } = &entry.finding;
    json!({
        "severity": severity.name(),
        "database": entry.database,
        "check": check,
        "finding": finding,
        "meaning": meaning,
        "advice": advice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Severity;

    fn printed(as_json: bool) -> String {
        let finding = Finding::new(Severity::Error, "version", "it is old").advice("Upgrade it.");
        let entries = [
            Entry::of_database("app", finding),
            Entry::of_process(Finding::new(Severity::Info, "setting", "fine")),
        ];
        let mut output = Vec::new();
        print(&entries, as_json, &mut output).unwrap();
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn a_finding_is_a_line_and_what_to_do_another() {
        let expected =
            "error    app  version: it is old\n         Upgrade it.\ninfo     -  setting: fine\n";
        assert_eq!(printed(false), expected);
    }

    #[test]
    fn json_has_all_of_it() {
        let found: serde_json::Value = serde_json::from_str(&printed(true)).unwrap();
        assert_eq!(found[0]["severity"], "error");
        assert_eq!(found[0]["database"], "app");
        assert_eq!(found[0]["advice"], "Upgrade it.");
        assert_eq!(found[1]["database"], serde_json::Value::Null);
    }
}
