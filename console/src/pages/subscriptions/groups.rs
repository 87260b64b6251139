//! The groups of fields of a subscription's form. Help is the table's own comments, in short.

use super::choices::Choices;
use super::field::Fields;
use super::{condition_rows, retries};
use maud::{Markup, html};
use std::collections::BTreeSet;

pub fn identity(fields: &Fields<'_>) -> Markup {
    html! {
        fieldset {
            legend { "Subscription" }
            (fields.line("name", "Name", "text", "e.g. Production document notifications", "For people. An import finds a subscription by name and environment."))
            (fields.area("description", "Description", "", "For people."))
            (fields.choice("environment", "Environment", &[("dev", "Development"), ("staging", "Staging"), ("production", "Production")], "Events with an environment go to subscriptions of the same one."))
            (fields.choice("delivery", "Delivery", &[("push", "Push: sent to the URL"), ("poll", "Poll: the receiver fetches, for one that can't be reached")], "What is outstanding follows a change."))
            (fields.line("webhook_url", "URL", "url", "https://your-domain.example/webhook", "http or https, without user name and fragment. A receiver that polls needs none."))
            (fields.choice("webhook_method", "Method", &[("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")], ""))
            (fields.switch("is_active", "Active", "Otherwise it matches no events, and its outstanding deliveries are held."))
            (fields.switch("is_enabled", "Enabled", "The switch that the system itself turns off, for example when a receiver answers 410."))
        }
    }
}

pub fn events(fields: &Fields<'_>, choices: &Choices) -> Markup {
    let check = |value: &str, label: &Markup| {
        html! {
            label.check {
                input type="checkbox" name="subscribed_events" value=(value)
                    checked[fields.values.has("subscribed_events", value)];
                span { (label) }
            }
        }
    };
    let categories = choices.categories();
    let known: BTreeSet<&str> = choices
        .event_types
        .iter()
        .map(|t| t.name.as_str())
        .collect();
    let is_known = |event: &&str| {
        *event == "*"
            || known.contains(event)
            || event
                .strip_suffix(".*")
                .is_some_and(|c| categories.contains(c))
    };
    let is_chosen = |category: &str| {
        let of_category = choices
            .event_types
            .iter()
            .filter(|t| t.category == category);
        let mut names = of_category
            .map(|t| t.name.clone())
            .chain([format!("{category}.*")]);
        names.any(|name| fields.values.has("subscribed_events", &name))
    };
    html! {
        fieldset #subscribed_events aria-describedby="error-subscribed_events" {
            legend { "Events" }
            (fields.error("subscribed_events"))
            (check("*", &html! { "All types, also later ones, but for those about endpoints" }))
            // Those that are there no more can be left or taken away.
            @for event in fields.values.all("subscribed_events").filter(|event| !is_known(event)) {
                (check(event, &html! { (event) " " span.muted { "is not registered" } }))
            }
            @for category in &categories {
                details.events open[is_chosen(category)] {
                    summary { (category) }
                    (check(&format!("{category}.*"), &html! { "All of " (category) ".*" }))
                    @for event in choices.event_types.iter().filter(|t| t.category == *category) {
                        (check(&event.name, &html! {
                            (event.name)
                            @if let Some(description) = &event.description { " " span.muted { (description) } }
                            @if let Some(deprecation) = &event.deprecation { " " span.state.held { "deprecated: " (deprecation) } }
                        }))
                    }
                }
            }
        }
    }
}

pub fn authentication(fields: &Fields<'_>, is_new: bool) -> Markup {
    let stored = match is_new {
        true => "",
        false => " Leave it blank to keep the stored one.",
    };
    html! {
        fieldset #auth_config {
            legend { "Authentication" }
            (fields.choice("auth_type", "Kind", &[("none", "None"), ("api_key", "API key in a header"), ("signature", "Signature (Standard Webhooks)")], "How the receiver knows that a request is genuine."))
            div.kind-api_key {
                (fields.line("api_key", "API key", "password", "", &format!("Sent as it is; it can be written, not read.{stored}")))
                (fields.line("api_key_header", "Header of the API key", "text", "Authorization", "Blank: Authorization, with Bearer before the key."))
            }
            div.kind-signature {
                (fields.line("signing_secret", "Signing secret", "password", "whsec_…",
                    match is_new {
                        true => "Blank: a new one is made, and shown once.",
                        false => "Blank: the stored one is kept, or a new one is made and shown once if there is none.",
                    }))
            }
            (fields.error("auth_config"))
        }
        fieldset #webhook_headers {
            legend { "Headers" }
            p.help { "Additional request headers. Values can be written, not read: a blank one keeps what is stored. A blank name takes the header away." }
            (pairs(fields, "header", "Header", 3))
            (fields.error("webhook_headers"))
        }
    }
}

/// Rows of a name and a value that is secret: those that are there, and some more.
fn pairs(fields: &Fields<'_>, prefix: &str, label: &str, more: usize) -> Markup {
    let (names, values) = (format!("{prefix}_name"), format!("{prefix}_value"));
    let given = fields.values.pairs(&names, &values);
    let rows = given
        .iter()
        .copied()
        .chain(std::iter::repeat_n(("", ""), more));
    html! {
        @for (i, (name, value)) in rows.enumerate() {
            div.row.pair {
                label.visually-hidden for={ (names) (i) } { (label) " " (i + 1) ": name" }
                input id={ (names) (i) } name=(names) type="text" value=(name) placeholder="name" autocomplete="off";
                label.visually-hidden for={ (values) (i) } { (label) " " (i + 1) ": value" }
                input id={ (values) (i) } name=(values) type="password" value=(value) autocomplete="new-password"
                    placeholder=(if name.is_empty() { "value" } else { "kept" });
            }
        }
    }
}

pub fn delivery(fields: &Fields<'_>, choices: &Choices) -> Markup {
    let longest = choices.number("max_retry_delay_seconds");
    html! {
        fieldset {
            legend { "Delivery" }
            (fields.number("timeout_seconds", "Timeout", "s", "30", "For connecting, sending and the whole response, 1 to 300 s."))
            (fields.number("retry_count", "Retries", "", "3", "After the first attempt, 0 to 100."))
            (fields.number("retry_delay_seconds", "Delay before the first retry", "s", "60", "It doubles with each retry."))
            (fields.line("retry_schedule", "Schedule", "text", "5 s, 5 min, 30 min, 2 h", "Delays instead of the two above, or standard-webhooks for 28 hours of retries."))
            p #retries { "Retries: " (retries::in_words(fields.values, longest)) }
            (fields.line("no_retry_statuses", "Statuses without a retry", "text", "410", "HTTP statuses, 300 to 599, that fail a delivery at once."))
            (fields.choice("ordering", "Order", &[("none", "Any order, as fast as possible"), ("fifo", "In order: one at a time for each ordering key")], "A change applies to events that are published later."))
            (fields.choice("endpoint_verification", "Verification of the endpoint", &[("", "As the setting says"), ("options", "The receiver must agree first, to an OPTIONS request"), ("none", "None")], &format!("The setting is {}.", choices.setting("endpoint_verification"))))
        }
    }
}

pub fn limits(fields: &Fields<'_>, choices: &Choices) -> Markup {
    let of_setting = |name: &str| choices.setting(name);
    html! {
        fieldset {
            legend { "Limits" }
            (fields.number("max_in_flight", "Requests at once", "", "20", "1 to 1000."))
            (fields.number("rate_limit_per_second", "Requests per second", "", "no limit", "Over time, 0.001 to 100000; 0.1 is one in ten seconds."))
            (fields.number("rate_limit_burst", "Burst", "", "those of one second", "Requests at once after a quiet time."))
            (fields.number("max_payload_size_kb", "Largest body", "KiB", "1024", "A delivery with a larger one fails without a request."))
            (fields.number("breaker_failure_threshold", "Failures that open the circuit breaker", "", &of_setting("breaker_failure_threshold"), "In a row; 0: never. Blank: the setting."))
            (fields.number("breaker_cooldown_seconds", "Time before a probe", "s", &of_setting("breaker_cooldown_seconds"), "That an open circuit breaker waits. Blank: the setting."))
        }
    }
}

pub fn payload(fields: &Fields<'_>) -> Markup {
    html! {
        fieldset {
            legend { "Payload" }
            (fields.choice("payload_format", "Format", &[("envelope", "Envelope: the whole event as JSON"), ("standard", "Standard Webhooks"), ("cloudevents", "CloudEvents 1.0, structured"), ("cloudevents-binary", "CloudEvents 1.0, binary")], "With a template it has to be the envelope."))
            details open[!fields.values.is_blank("payload_template") || !fields.values.is_blank("payload_content_type")] {
                summary { "Template of the body, instead of a format" }
                (fields.area("payload_template", "Template", "{\"text\": \"{{ event.type }}: {{ data.title }}\"}", "A Jinja template, at most 16 KiB. It is checked with the examples of the subscribed event types."))
                (fields.line("payload_content_type", "Content type", "text", "application/json", "Only JSON is checked."))
                div #template_secrets {
                    p.help { "Secrets that the template prints with {{ secrets.name }}. A blank value keeps what is stored." }
                    (pairs(fields, "secret", "Secret", 2))
                    (fields.error("template_secrets"))
                }
            }
        }
    }
}

pub fn filter(fields: &Fields<'_>) -> Markup {
    html! {
        fieldset #event_filters {
            legend { "Filter" }
            p.help { "All of these conditions must hold; blank ones do." }
            (fields.line("filter_resource_type", "Resource type", "text", "document", ""))
            (fields.line("filter_resource_id", "Resource id", "text", "", "A UUID."))
            (condition_rows::fields(fields))
            (fields.line("filter_jsonpath", "SQL/JSON path", "text", "$.lines[*] ? (@.price > 1000)", "It finds something, or its predicate is true."))
            (fields.error("event_filters"))
        }
    }
}
