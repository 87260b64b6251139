//! What was done, and what went wrong.

use crate::http::problem::Problem;
use maud::{Markup, html};

/// What an action did. `audit`: where the audit log tells of it.
pub fn done(words: &str, audit: Option<&str>) -> Markup {
    html! {
        div.note.delivered role="status" {
            p { (words) @if let Some(audit) = audit { " " a href=(audit) { "Audit log" } } }
        }
    }
}

/// Why what was chosen can't be shown.
pub fn refused(problem: &Problem) -> Markup {
    html! {
        div.note.failed role="alert" {
            p { (problem.detail()) }
            @if let Some(hint) = problem.advice() { p.muted { (hint) } }
        }
    }
}
