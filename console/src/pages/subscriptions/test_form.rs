//! The form of a test: a type of events, and its example, which can be changed before it is sent.

use super::field::summary;
use super::of;
use super::values::Values;
use crate::database::{ReadError, Request};
use crate::http::problem::Problem;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// What a test can be of.
#[derive(Deserialize)]
pub struct Example {
    event_type: String,
    event_data: String,
}

pub struct Types {
    names: Vec<String>,
    /// Of the type that was chosen, or else of a subscribed one; `None`: there is none.
    example: Option<Example>,
}

/// # Errors
/// The database's.
pub async fn types(
    request: &Request<'_>,
    subscription: Uuid,
    chosen: Option<&str>,
) -> Result<Types, ReadError> {
    let names = request
        .items(
            "select to_json(c.name)::text as item from webhooks.event_type_catalogue c
             where c.is_current order by c.name limit 2000",
            &[],
        )
        .await?;
    // As test_subscription() chooses one.
    let examples = request
        .items(
            "select json_build_object('event_type', c.name, 'event_data', jsonb_pretty(c.example))::text as item
             from webhooks.event_type_catalogue c
             where c.is_current
               and (c.name = $2 or $2::text is null and exists (
                    select from webhooks.webhook_subscriptions s
                    where s.id = $1
                      and s.subscribed_events ?| array[c.name::text, split_part(c.name, '.', 1) || '.*', '*']))
             order by c.example = '{}', c.name limit 1",
            &[&subscription, &chosen],
        )
        .await?;
    Ok(Types {
        names,
        example: examples.into_iter().next(),
    })
}

/// The section of a subscription's page. The answer comes in place, or without scripts on a page of its own.
pub fn section(tenant: Uuid, id: Uuid, csrf: &str, types: &Types) -> Markup {
    let example = types.example.as_ref();
    let chosen = example.map(|example| example.event_type.as_str());
    html! {
        section #test {
            h2 { "Test" }
            form.filters method="get" action={ (of(tenant, id, "")) "#test" } {
                div {
                    label for="event_type" { "Example of" }
                    select #event_type name="event_type" data-submit {
                        @if chosen.is_none() { option value="" selected { "choose a type" } }
                        @for name in &types.names { option value=(name) selected[chosen == Some(name)] { (name) } }
                    }
                }
                button type="submit" { "Show its example" }
            }
            @if let Some(example) = example {
                (form(tenant, id, csrf, &example.event_type, &example.event_data))
            }
            p.muted { "Sends one made-up event to this receiver, now, also while the subscription is disabled, and waits up to 30 s for the answer." }
            div #test-answer aria-live="polite" {}
        }
    }
}

fn form(tenant: Uuid, id: Uuid, csrf: &str, event_type: &str, event_data: &str) -> Markup {
    let send = of(tenant, id, "/test");
    html! {
        form method="post" action=(send) hx-post=(send) hx-select="#test-result" hx-target="#test-answer"
            hx-swap="innerHTML" hx-disabled-elt="find button" {
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="event_type" value=(event_type);
            div.field {
                label for="event_data" { "Its data" }
                textarea #event_data name="event_data" spellcheck="false" aria-describedby="help-event_data" { "\n" (event_data) }
                p.help #help-event_data { "JSON, as " span.mono { "event_data" } " of " (event_type) ". Blank: the example of the type." }
            }
            button type="submit" { "Send a test" }
        }
    }
}

/// What was sent, once more, and why it was refused.
pub fn again(tenant: Uuid, id: Uuid, csrf: &str, values: &Values, problem: &Problem) -> Markup {
    html! {
        h1 { "Test" }
        (summary(problem))
        (form(tenant, id, csrf, values.get("event_type"), values.get("event_data")))
        div #test-answer aria-live="polite" {}
    }
}
