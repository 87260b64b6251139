//! SQL scripts, statement by statement.

/// Splits a script into its statements, each with the comments before it and its semicolon.
pub fn split(script: &str) -> Vec<&str> {
    let mut statements = Vec::new();
    let mut rest = script;
    while let Some(length) = length(rest) {
        let (statement, after) = rest.split_at(length);
        statements.push(statement.trim());
        rest = after;
    }
    statements
}

/// A statement without the comments before it.
pub fn without_comments(statement: &str) -> &str {
    let mut text = statement.trim_start();
    while text.starts_with("--") || text.starts_with('\\') {
        text = text
            .split_once('\n')
            .map_or("", |(_, rest)| rest.trim_start());
    }
    text
}

/// Length of the first statement with its semicolon; none if no statement follows.
fn length(text: &str) -> Option<usize> {
    let mut at = 0;
    // Open `begin atomic` and `case`: a semicolon within ends no statement.
    let mut open = 0_usize;
    let mut last_word = "";
    while at < text.len() {
        let rest = &text[at..];
        let word = word(rest);
        if !word.is_empty() {
            match word {
                "atomic" if last_word == "begin" => open += 1,
                "case" if open > 0 => open += 1,
                "end" if open > 0 => open -= 1,
                _ => {}
            }
            last_word = word;
            at += word.len();
            continue;
        }
        if rest.starts_with(';') && open == 0 {
            return Some(at + 1);
        }
        at += token(rest);
    }
    None
}

/// The keyword or name that a text begins with.
fn word(text: &str) -> &str {
    let is_other = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let end = text.find(is_other).unwrap_or(text.len());
    &text[..end]
}

/// Length of what a text begins with and that is no word: a comment, a literal, a quoted name, or a character.
fn token(text: &str) -> usize {
    let through = |from: usize, end: &str| {
        let found = text[from..].find(end);
        found.map_or(text.len(), |at| from + at + end.len())
    };
    match text.as_bytes()[0] {
        b'-' if text.starts_with("--") => through(2, "\n"),
        // psql's \echo, which may hold quotation marks.
        b'\\' => through(1, "\n"),
        // A doubled quote is two literals side by side. Backslashes are characters like others.
        b'\'' => through(1, "'"),
        b'"' => through(1, "\""),
        b'$' => {
            let tag = word(&text[1..]).len() + 2;
            match text.get(..tag) {
                Some(quote) if quote.ends_with('$') => through(tag, quote),
                _ => 1,
            }
        }
        _ => text.chars().next().map_or(1, char::len_utf8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn semicolons_within_a_statement_end_none() {
        let statements = [
            "-- one; comment\ncreate function a() returns text language sql\nbegin atomic\n    select case when true then 'x;''y' end;\n    select 2;\nend;",
            "comment on function a is 'a; b';",
            "do $x$ begin perform 1; perform '$$;'; end $x$;",
            "select \"a;b\", $$;$$, $1;",
        ];
        let script = format!(
            "\\echo \"it's\" \\quit\n{}\n-- the end\n",
            statements.join("\n\n")
        );
        let found = split(&script);
        assert_eq!(
            found[0],
            format!("\\echo \"it's\" \\quit\n{}", statements[0])
        );
        assert_eq!(found[1..], statements[1..]);
        assert!(without_comments(found[0]).starts_with("create function a()"));
    }
}
