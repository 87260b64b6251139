//! What was done, after a redirect: a word in the query, which is told in a sentence here.

use maud::{Markup, html};

pub fn note(word: Option<&str>) -> Markup {
    let told = match word {
        Some("created") => "The subscription was created.",
        Some("saved") => "The changes were saved.",
        Some("enabled") => "Enabled: events from now on match, and what was held is delivered.",
        Some("disabled") => "Disabled: no event matches, and outstanding deliveries are held.",
        Some("reset") => {
            "The circuit breaker is closed, and a pause that the receiver asked for has ended."
        }
        Some("nothing-to-reset") => "There was nothing to reset.",
        Some("verifying") => "The receiver is asked whether it agrees to deliveries.",
        Some("deleted") => "Deleted.",
        Some("imported") => "The subscriptions were imported.",
        Some("chosen-none") => "Nothing was chosen.",
        _ => return html! {},
    };
    html! { div.note.delivered role="status" { p { (told) } } }
}
