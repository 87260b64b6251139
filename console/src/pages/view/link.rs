//! Links to pages that a session may or may not see.

use maud::{Markup, html};

/// What leads to a page, or, if the session may not see that, what it says.
pub fn linked(may_see: bool, path: &str, what: &Markup) -> Markup {
    html! {
        @if may_see { a href=(path) { (what) } } @else { (what) }
    }
}
