//! `keyword = value` pairs, with quotes and backslashes as libpq has them.

use super::FORMS;

/// # Errors
/// What is wrong.
pub(super) fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace());
        let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
        let Some(after) = after.trim_start().strip_prefix('=') else {
            return Err(FORMS.to_owned());
        };
        let (value, after) = value(after.trim_start())?;
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// A value, and what follows it.
fn value(text: &str) -> Result<(String, &str), String> {
    let (is_quoted, text) = match text.strip_prefix('\'') {
        Some(quoted) => (true, quoted),
        None => (false, text),
    };
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\'' if is_quoted => return Ok((value, &text[at + 1..])),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            c if c.is_ascii_whitespace() && !is_quoted => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    if is_quoted {
        return Err(format!("a quoted value has no end; {FORMS}"));
    }
    Ok((value, ""))
}
