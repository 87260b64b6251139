//! Which subscriptions are listed.

use super::receiver::STATES;
use crate::pages::layout::path;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// The query of the list's URL.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Filter {
    pub q: String,
    pub environment: String,
    pub state: String,
    pub event: String,
    pub cursor: Option<String>,
    pub done: Option<String>,
}

impl Filter {
    /// Whether anything was given.
    pub fn is_any(&self) -> bool {
        [&self.q, &self.environment, &self.state, &self.event]
            .iter()
            .any(|given| !given.is_empty())
    }

    /// As the query of a URL; what was not given is left out. Ends with `&`.
    pub fn query(&self) -> String {
        let given = [
            ("q", &self.q),
            ("environment", &self.environment),
            ("state", &self.state),
            ("event", &self.event),
        ];
        let given = given.into_iter().filter(|(_, value)| !value.is_empty());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(given);
        match query.finish() {
            query if query.is_empty() => query,
            query => query + "&",
        }
    }

    pub fn form(&self, tenant: Uuid) -> Markup {
        let choice = |name: &str, label: &str, chosen: &str, words: &[&str]| {
            html! {
                div {
                    label for=(name) { (label) }
                    select id=(name) name=(name) data-submit {
                        option value="" { "any" }
                        @for word in words { option value=(word) selected[*word == chosen] { (word) } }
                    }
                }
            }
        };
        html! {
            form.filters method="get" action=(path(tenant, "/subscriptions")) {
                div { label for="q" { "Name, URL or id" } input #q type="search" name="q" value=(self.q); }
                (choice("environment", "Environment", &self.environment, &["production", "staging", "dev"]))
                (choice("state", "State", &self.state, &STATES))
                div { label for="event" { "Gets events of type" } input #event type="text" name="event" value=(self.event) placeholder="job.failed"; }
                button type="submit" { "Show" }
                @if self.is_any() { a href=(path(tenant, "/subscriptions")) { "Show all" } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_has_the_same_filter() {
        let filter = Filter {
            q: "a & b".to_owned(),
            state: "breaker open".to_owned(),
            ..Filter::default()
        };
        assert_eq!(filter.query(), "q=a+%26+b&state=breaker+open&");
        assert_eq!(Filter::default().query(), "");
    }
}
