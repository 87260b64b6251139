//! Lists in pages.

use maud::{Markup, html};

/// Where the rest of a list is; `None`: there is none.
pub fn next_page(path: Option<&str>) -> Markup {
    html! {
        @if let Some(path) = path {
            nav.pages aria-label="Pages" { a href=(path) rel="next" { "More" } }
        }
    }
}
