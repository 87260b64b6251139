//! Values of any size, as error messages and reasons show them: quoted, escaped and short.

use serde_json::Value;
use std::fmt::{self, Display, Formatter, Write};

/// Longest excerpt, in bytes of what is shown (before escaping).
const LIMIT: usize = 80;

/// A string in quotes, control characters escaped, cut after [`LIMIT`] bytes.
pub struct Excerpt<'a>(pub &'a str);

impl Display for Excerpt<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.floor_char_boundary(LIMIT)];
        let cut = if shown.len() < self.0.len() {
            "…"
        } else {
            ""
        };
        write!(f, "{shown:?}{cut}")
    }
}

/// A JSON value as compact text, cut after [`LIMIT`] bytes; the rest of a huge value is never written.
pub struct JsonExcerpt<'a>(pub &'a Value);

impl Display for JsonExcerpt<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut clip = Clip {
            out: f,
            left: LIMIT,
            full: false,
        };
        match write!(clip, "{}", self.0) {
            Err(_) if clip.full => f.write_str("…"),
            result => result,
        }
    }
}

struct Clip<'f, 'a> {
    out: &'f mut Formatter<'a>,
    left: usize,
    full: bool,
}

impl Write for Clip<'_, '_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let end = s.floor_char_boundary(self.left);
        self.out.write_str(&s[..end])?;
        self.left -= end;
        if end < s.len() {
            // An error is the only way to make the serialiser stop.
            self.full = true;
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// What kind of JSON value this is, for "must be a string, not an array".
pub fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_are_quoted_escaped_and_cut() {
        assert_eq!(Excerpt("a\"b\n").to_string(), r#""a\"b\n""#);
        let long = Excerpt(&"é".repeat(1000)).to_string();
        assert_eq!(long, format!("\"{}\"…", "é".repeat(LIMIT / 2)));
    }

    #[test]
    fn values_are_compact_and_cut() {
        assert_eq!(
            JsonExcerpt(&json!({"a": [1, "x"]})).to_string(),
            r#"{"a":[1,"x"]}"#
        );
        let long = JsonExcerpt(&json!("é".repeat(1000))).to_string();
        assert!(long.starts_with("\"éé") && long.ends_with("é…"), "{long}");
        assert!(long.len() <= LIMIT + "…".len());
    }
}
