//! Which field an error of the database is about: its message names it first.

/// Settings of one word. All others have an underscore, which no other word of a message has.
const WORDS: [&str; 5] = ["name", "description", "environment", "ordering", "delivery"];

/// The field that a message names, such as `retry_count` in `invalid retry_count: 101`.
pub fn named_in(message: &str) -> Option<&str> {
    if let Some((_, rest)) = message.split_once(" has no setting \"") {
        return rest.strip_suffix('"');
    }
    let (is_invalid, rest) = match message.strip_prefix("invalid ") {
        Some(rest) => (true, rest),
        None => (false, message),
    };
    let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'))?;
    let (word, after) = rest.split_at(end);
    let is_setting = word.contains('_') || is_invalid && WORDS.contains(&word);
    (is_setting && after.starts_with([':', ' '])).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::named_in;

    #[test]
    fn messages_name_their_field_first() {
        for (message, field) in [
            ("invalid retry_count: 101", Some("retry_count")),
            ("invalid name: null", Some("name")),
            ("a subscription has no setting \"colour\"", Some("colour")),
            (
                "subscribed_events names \"x.y\", which is no event type",
                Some("subscribed_events"),
            ),
            (
                "created_by of a subscription can't change",
                Some("created_by"),
            ),
            ("there is no subscription 0197", None),
            ("delivery 0197 is outstanding", None),
            ("invalid input syntax for type json", None),
            ("", None),
        ] {
            assert_eq!(named_in(message), field, "{message}");
        }
    }
}
