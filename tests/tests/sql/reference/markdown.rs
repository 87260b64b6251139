//! Comments of the catalogue as Markdown: plain text, in which names and calls become code.

use std::collections::BTreeSet;

/// The anchor that GitHub makes of a heading.
pub fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric() || "_- ".contains(*c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// A comment. Names in `linked` (functions with parentheses) link to their headings, except `here`.
pub fn prose(comment: &str, linked: &BTreeSet<String>, here: &str) -> String {
    let mut out = String::new();
    let mut rest = comment;
    let mut in_quotes = false;
    while let Some(first) = rest.chars().next() {
        let word = if in_quotes { 0 } else { code(rest) };
        if word > 0 {
            out.push_str(&show_code(&rest[..word], linked, here));
            rest = &rest[word..];
            continue;
        }
        // The whole of a word at once, so that nothing inside of it begins another.
        let length = match rest.find(|c: char| !is_word(c)) {
            Some(0) | None => first.len_utf8(),
            Some(length) => length,
        };
        in_quotes ^= first == '"';
        for c in rest[..length].chars() {
            if "\\`*<>[]|~#$".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
        rest = &rest[length..];
    }
    out
}

/// A line of a table.
pub fn line<S: AsRef<str>>(cells: &[S]) -> String {
    let mut line = "|".to_owned();
    for cell in cells {
        let cell = cell.as_ref().replace("\\|", "|").replace('|', "\\|");
        if !cell.is_empty() {
            line.push(' ');
            line.push_str(&cell);
        }
        line.push_str(" |");
    }
    line.push('\n');
    line
}

/// The first lines of a table.
pub fn head(titles: &[&str]) -> String {
    line(titles) + &line(&vec!["---"; titles.len()])
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

/// How much of the beginning is code: a JSON object, a call, or a name with an underscore or the schema.
fn code(text: &str) -> usize {
    if text.starts_with("{\"") {
        return text.find('}').map_or(0, |end| end + 1);
    }
    let word = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let name = text[..word].trim_end_matches('.');
    if name.is_empty() {
        return 0;
    }
    if name.len() == word && text[word..].starts_with('(') {
        let mut depth = 0;
        for (at, c) in text[word..].char_indices() {
            match c {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return word + at + 1;
            }
        }
    }
    if name.contains('_') || name.starts_with("webhooks.") {
        name.len()
    } else {
        0
    }
}

fn show_code(code: &str, linked: &BTreeSet<String>, here: &str) -> String {
    let name = code.strip_prefix("webhooks.").unwrap_or(code);
    let heading = match name.split_once('(') {
        Some((function, _)) => format!("{function}()"),
        None => name.to_owned(),
    };
    if heading != here && linked.contains(&heading) {
        format!("[`{code}`](#{})", anchor(&heading))
    } else {
        format!("`{code}`")
    }
}

#[test]
fn comments_become_markdown() {
    let linked = BTreeSet::from(["set_setting()".to_owned(), "settings".to_owned()]);
    for (comment, expected) in [
        ("The value in force.", "The value in force."),
        ("Event type, or *.", "Event type, or \\*."),
        ("Shown as resource.data.", "Shown as resource.data."),
        ("As tenant_id says.", "As `tenant_id` says."),
        ("See lane_of().", "See `lane_of()`."),
        (
            "id > webhooks.uuid_v7_floor(now() - interval '1 day') reads",
            "id \\> `webhooks.uuid_v7_floor(now() - interval '1 day')` reads",
        ),
        ("A row (document.*) too", "A row (document.\\*) too"),
        (
            "For example {\"retry_count\": 5}, or",
            "For example `{\"retry_count\": 5}`, or",
        ),
        (
            "\"set webhooks.notify_me = off\" does",
            "\"set webhooks.notify_me = off\" does",
        ),
        (
            "Read webhooks.settings; write with set_setting(name, value).",
            "Read [`webhooks.settings`](#settings); write with [`set_setting(name, value)`](#set_setting).",
        ),
    ] {
        assert_eq!(prose(comment, &linked, ""), expected);
    }
    assert_eq!(
        prose("set_setting()", &linked, "set_setting()"),
        "`set_setting()`"
    );
    assert_eq!(line(&["`a|b`", "", "c\\|d"]), "| `a\\|b` | | c\\|d |\n");
    assert_eq!(anchor("The sidecar's protocol"), "the-sidecars-protocol");
}
