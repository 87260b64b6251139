//! JSON for people to read.

/// Indents compact JSON without touching its keys' order or its numbers, as parsing and printing it would.
#[must_use]
pub fn indented(compact: &str) -> String {
    let mut pretty = String::with_capacity(compact.len() * 2);
    let mut depth = 0;
    let mut in_string = false;
    let mut escaped = false;
    let mut characters = compact.chars().peekable();
    while let Some(character) = characters.next() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
            pretty.push(character);
            continue;
        }
        let new_line = |depth: usize| format!("\n{}", "  ".repeat(depth));
        match character {
            '{' | '[' => {
                pretty.push(character);
                if !matches!(characters.peek(), Some('}' | ']')) {
                    depth += 1;
                    pretty.push_str(&new_line(depth));
                }
            }
            '}' | ']' => {
                if !pretty.ends_with(['{', '[']) {
                    depth = depth.saturating_sub(1);
                    pretty.push_str(&new_line(depth));
                }
                pretty.push(character);
            }
            ',' => {
                pretty.push(',');
                pretty.push_str(&new_line(depth));
            }
            ':' => pretty.push_str(": "),
            character if character.is_whitespace() => {}
            character => {
                in_string = character == '"';
                pretty.push(character);
            }
        }
    }
    pretty
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn indents_and_changes_nothing_else() {
        let compact = r#"{"b":{"z":1.50,"a":[]},"s":"a,{\"}:\\","n":[1,{}]}"#;
        let pretty = "{\n  \"b\": {\n    \"z\": 1.50,\n    \"a\": []\n  },\n  \"s\": \"a,{\\\"}:\\\\\",\n  \"n\": [\n    1,\n    {}\n  ]\n}";
        assert_eq!(indented(compact), pretty);
        assert_eq!(indented(pretty), pretty);
    }
}
