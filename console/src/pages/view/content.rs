//! What was sent and answered: text, whatever it is.

use maud::{Markup, html};
use serde_json::Value;

/// Beyond this, a page shows the beginning.
const MAX_SHOWN: usize = 64 * 1024;

/// A body.
pub fn body(text: Option<&str>) -> Markup {
    match text {
        None => html! { p.muted { "There is none." } },
        Some("") => html! { p.muted { "It is empty." } },
        Some(text) => {
            let end = text.floor_char_boundary(MAX_SHOWN);
            html! {
                pre { code { (&text[..end]) } }
                @if end < text.len() {
                    p.muted { "These are the first " (super::count(end as i64)) " of " (super::count(text.len() as i64)) " bytes." }
                }
            }
        }
    }
}

/// Headers: an object of names and values.
pub fn headers(headers: Option<&Value>) -> Markup {
    let Some(Value::Object(headers)) = headers else {
        return html! { p.muted { "There are none." } };
    };
    let mut lines = String::new();
    for (name, value) in headers {
        let values = match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        for value in values {
            lines.push_str(name);
            lines.push_str(": ");
            match value {
                Value::String(text) => lines.push_str(text),
                other => lines.push_str(&other.to_string()),
            }
            lines.push('\n');
        }
    }
    html! { pre { code { (lines) } } }
}
