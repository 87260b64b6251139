//! The output of psql in a document, compared with what psql prints.

use super::blocks::SqlBlock;

/// A document with each output as it was printed. Lines that fit what was printed stay as they are.
pub fn renewed(document: &str, blocks: &[SqlBlock], printed: &[String]) -> String {
    let mut lines: Vec<&str> = document.lines().collect();
    for (block, printed) in blocks.iter().zip(printed).rev() {
        if let Some(range) = &block.output {
            let merged = merged(&lines[range.clone()], printed);
            lines.splice(range.clone(), merged);
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// The lines that were printed, those that fit as the document has them.
fn merged<'a>(shown: &[&'a str], printed: &'a str) -> Vec<&'a str> {
    let mut rest = shown;
    let printed = printed.trim_end().lines().map(str::trim_end);
    printed
        .map(
            |line| match rest.iter().position(|shown| fits(shown, line)) {
                Some(at) => {
                    let shown = rest[at];
                    rest = &rest[at + 1..];
                    shown
                }
                None => line,
            },
        )
        .collect()
}

/// Whether a line is as shown, where `…` stands for any text.
fn fits(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (squeezed(shown), squeezed(printed));
    let Some((first, parts)) = shown.split_once('…') else {
        return shown == printed;
    };
    let Some(mut rest) = printed.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = parts.rsplit_once('…').unwrap_or(("", parts));
    for part in middle.split('…') {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Without what depends on the widths of columns: runs of spaces and of dashes become one.
fn squeezed(line: &str) -> String {
    let mut squeezed = String::new();
    for c in line.trim_end().chars() {
        if !(matches!(c, ' ' | '-') && squeezed.ends_with(c)) {
            squeezed.push(c);
        }
    }
    squeezed
}

#[test]
fn dots_stand_for_any_text_and_widths_do_not_count() {
    for (shown, printed, expected) in [
        (" id | n", " id                | n ", true),
        ("----+---", "-------------------+---", true),
        (" 01a2… | 3", " 01a20cb0-1742-71ae | 3", true),
        (" 01a2… | … ms | 3", " 01a20cb0 | 17 ms | 3", true),
        (" 01a2… | 3", " 01a20cb0-1742-71ae | 4", false),
        ("…", "anything", true),
        ("a…a", "a", false),
        ("(1 row)", "(2 rows)", false),
    ] {
        assert_eq!(fits(shown, printed), expected, "{shown} {printed}");
    }
}

#[test]
fn only_lines_that_differ_are_renewed() {
    let shown = [" id", "---", " 0…", "(1 row)"];
    let printed = " id \n----\n 017\n 018\n(2 rows)\n\n";
    assert_eq!(
        merged(&shown, printed),
        [" id", "---", " 0…", " 018", "(2 rows)"]
    );
}
