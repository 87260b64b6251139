//! The settings of a subscription, all of them. What is secret is named, not shown.

use super::retries;
use super::values::{Values, text};
use maud::{Markup, html};
use serde_json::Value;

/// In this order; what a newer version of the extension adds comes last.
const FIRST: [&str; 10] = [
    "name",
    "description",
    "environment",
    "webhook_url",
    "webhook_method",
    "subscribed_events",
    "event_filters",
    "auth_type",
    "auth_config",
    "webhook_headers",
];
/// Secrets: their names are shown.
const SECRETS: [&str; 3] = ["auth_config", "webhook_headers", "template_secrets"];

pub fn section(settings: &Value, longest_delay: Option<i64>) -> Markup {
    let Some(settings) = settings.as_object() else {
        return html! {};
    };
    let rest = settings
        .keys()
        .map(String::as_str)
        .filter(|name| !FIRST.contains(name));
    let mut values = Values::default();
    values.put(settings);
    html! {
        section #settings {
            h2 { "Settings" }
            p { "Retries: " (retries::in_words(&values, longest_delay)) "." }
            details {
                summary { "All settings" }
                dl.facts {
                    @for name in FIRST.into_iter().chain(rest) {
                        @if let Some(value) = settings.get(name) {
                            dt { (name) }
                            dd { (shown(name, value)) }
                        }
                    }
                }
            }
        }
    }
}

fn shown(name: &str, value: &Value) -> Markup {
    html! {
        @match value {
            Value::Null => span.muted { "null" },
            Value::Object(members) if SECRETS.contains(&name) => {
                @if members.is_empty() { span.muted { "none" } }
                @for (member, value) in members {
                    div.mono { (member) ": " @if value.is_null() { span.muted { "stored, not shown" } } @else { (text(value)) } }
                }
            }
            Value::Object(_) | Value::Array(_) => code { (value) },
            Value::String(long) if long.contains('\n') => pre { (long) },
            other => span.mono { (text(other)) },
        }
    }
}
