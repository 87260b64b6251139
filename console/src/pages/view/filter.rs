//! Forms that choose what a page shows. They are sent by GET, so that the address of the page has what was chosen.

use maud::{Markup, html};

/// What can be chosen: the value, and the words for it.
pub type Choice = (String, String);

pub fn filters(path: &str, fields: &Markup) -> Markup {
    html! {
        form.filters method="get" action=(path) {
            (fields)
            div { button type="submit" { "Show" } }
        }
    }
}

pub fn text_filter(name: &str, label: &str, value: Option<&str>) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            input id=(name) type="text" name=(name) value=[value] autocomplete="off" spellcheck="false";
        }
    }
}

/// A time, in UTC.
pub fn time_filter(name: &str, label: &str, value: Option<&str>) -> Markup {
    html! {
        div {
            label for=(name) { (label) " (UTC)" }
            input id=(name) type="datetime-local" step="1" name=(name) value=[value];
        }
    }
}

/// One of some, or, with the words `all`, none.
pub fn choice_filter(
    name: &str,
    label: &str,
    choices: &[Choice],
    value: Option<&str>,
    all: &str,
) -> Markup {
    let is_other = value.is_some_and(|value| choices.iter().all(|(choice, _)| choice != value));
    html! {
        div {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                option value="" { (all) }
                @for (choice, words) in choices {
                    option value=(choice) selected[value == Some(choice)] { (words) }
                }
                // What a link chose stays chosen.
                @if let (true, Some(value)) = (is_other, value) {
                    option value=(value) selected { (value) }
                }
            }
        }
    }
}
