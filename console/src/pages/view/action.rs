//! Actions that send or end something: they ask once, and say what will happen. They work without scripts.

use maud::{Markup, html};

/// A button that opens what will happen, and a second one that does it.
///
/// `fields`: what else the form has, such as a choice.
pub fn action(
    label: &str,
    path: &str,
    csrf: &str,
    what_happens: &str,
    fields: Option<Markup>,
) -> Markup {
    html! {
        details.action {
            summary { (label) }
            form method="post" action=(path) {
                input type="hidden" name="csrf" value=(csrf);
                p { (what_happens) }
                @if let Some(fields) = fields { (fields) }
                button.primary type="submit" { (label) }
            }
        }
    }
}
