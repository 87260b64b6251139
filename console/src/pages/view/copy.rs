//! What is to be copied: ids, and the SQL that does what a page does.

use maud::{Markup, html};
use uuid::Uuid;

/// Shortened, where a link leads to the page that has it whole.
pub fn short(id: Uuid) -> Markup {
    let text = id.to_string();
    html! { span.id title=(text) { (&text[..8]) "…" (&text[32..]) } }
}

/// Shortened in the middle; whole on hover and when it is copied.
pub fn id(id: Uuid) -> Markup {
    let text = id.to_string();
    let (head, tail) = (&text[..8], &text[32..]);
    html! {
        span.id title=(text) { (head) "…" (tail) }
        " "
        button.plain type="button" data-copy=(text) aria-label={ "Copy " (text) } { "copy" }
    }
}

/// The statement that does the same as the page.
pub fn as_sql(statement: &str) -> Markup {
    html! {
        details.sql {
            summary { "The same in SQL" }
            pre { code { (statement) } }
            button type="button" data-copy=(statement) { "Copy as SQL" }
        }
    }
}

/// A text as a literal of SQL.
pub fn sql_text(text: &str) -> String {
    match text.contains('\\') {
        true => format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        false => format!("'{}'", text.replace('\'', "''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_literals() {
        assert_eq!(sql_text("it's"), "'it''s'");
        assert_eq!(sql_text("a\\'b"), " E'a\\\\''b'");
    }
}
