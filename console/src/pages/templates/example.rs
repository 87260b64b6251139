//! What a subscription that is made from a template sends, without making one.

use crate::database::{ReadError, Request};
use crate::http::problem::Problem;
use crate::pages::subscriptions::Template;
use crate::pages::view::{body, headers};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

#[derive(Deserialize)]
struct Example {
    event_type: String,
    headers: Value,
    body: String,
}

/// The section of a template's page. What can't be made is told in the database's words; then the transaction is asked
/// no more.
pub async fn section(request: &Request<'_>, tenant: Uuid, template: &Template) -> Markup {
    let shown = match read(request, tenant, template).await.map_err(Problem::from) {
        Ok(examples) => html! {
            @for example in &examples {
                p.muted { "For the example of " (example.event_type) ", with *** for secrets." }
                (headers(Some(&example.headers)))
                (body(Some(&example.body)))
            }
        },
        Err(problem) => html! { p.muted { "There is none: " (problem.detail()) "." } },
    };
    html! {
        h2 { "An example of a request" }
        (shown)
    }
}

async fn read(
    request: &Request<'_>,
    tenant: Uuid,
    template: &Template,
) -> Result<Vec<Example>, ReadError> {
    let mut settings = Value::from(template.settings.clone()).to_string();
    // A placeholder is shown as its name.
    for name in template.placeholders.keys() {
        settings = settings.replace(&format!("<<{name}>>"), name);
    }
    request
        .items(
            "select json_build_object('event_type', e.event_type, 'headers', r.headers, 'body', r.body)::text as item
             from (select $2::text::jsonb as settings) t
             cross join lateral (
                 select webhooks_private.sample_event_type(
                     coalesce(nullif(t.settings -> 'subscribed_events', 'null'), '[\"*\"]')) as event_type) e
             cross join lateral webhooks_private.sample_request(
                 e.event_type, $1, coalesce(t.settings ->> 'payload_format', 'envelope'),
                 t.settings ->> 'payload_template', t.settings ->> 'payload_content_type',
                 coalesce((t.settings ->> 'max_payload_size_kb')::integer, 1024)) r",
            &[&tenant, &settings],
        )
        .await
}
