//! Requests, from the same functions that the sidecar calls.

use crate::ids::to_uuid;
use crate::refuse::refuse;
use pgrx::JsonB;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;
use webhooks_core::json;
use webhooks_core::payload::{Event, PayloadFormat, render_envelope};
use webhooks_core::template::{Secrets, Template, TemplateError, secret_names as names_in};

/// Headers and body for an event in a format, or as a template makes it; no row if a required part is null.
#[pg_extern(sql = false, immutable, parallel_safe)]
#[allow(clippy::too_many_arguments)] // the event's columns
fn render_request(
    payload_format: Option<&str>,
    payload_template: Option<&str>,
    payload_content_type: Option<&str>,
    max_payload_size_kb: Option<i32>,
    event_id: Option<pgrx::Uuid>,
    tenant_id: Option<pgrx::Uuid>,
    event_type: Option<&str>,
    event_category: Option<&str>,
    event_name: Option<&str>,
    event_version: Option<&str>,
    created_at_us: Option<i64>,
    event_data: Option<&str>,
    resource_type: Option<&str>,
    resource_id: Option<pgrx::Uuid>,
    resource_data: Option<&str>,
    user_id: Option<pgrx::Uuid>,
    session_id: Option<&str>,
    request_id: Option<&str>,
    source_ip: Option<&str>,
    is_test: Option<bool>,
) -> TableIterator<'static, (name!(headers, JsonB), name!(body, String))> {
    let event = || {
        Some(Event {
            id: to_uuid(event_id?),
            tenant_id: to_uuid(tenant_id?),
            event_type: event_type?,
            category: event_category?,
            name: event_name?,
            version: event_version,
            created_at_us: created_at_us?,
            data: event_data?,
            resource_type,
            resource_id: resource_id.map(to_uuid),
            resource_data,
            user_id: user_id.map(to_uuid),
            session_id,
            request_id,
            source_ip,
            is_test: is_test.unwrap_or(false),
        })
    };
    let request = payload_format.and_then(|name| {
        let format = name.parse().unwrap_or_else(|error| {
            refuse(
                format!("invalid payload_format: {error}"),
                format!(
                    "It takes {}.",
                    PayloadFormat::ALL.map(PayloadFormat::name).join(", ")
                ),
            )
        });
        let template = payload_template.map(|source| compile(source, payload_content_type));
        let event = event()?;
        Some(match template {
            Some(template) => {
                render_template(&event, &template, max_payload_size_kb.unwrap_or(1024))
            }
            None => render(&event, format),
        })
    });
    TableIterator::new(request)
}

fn render(event: &Event<'_>, format: PayloadFormat) -> (JsonB, String) {
    let own = format.headers(event).into_iter();
    let headers = own
        .map(|(name, value)| (name.to_owned(), value.into()))
        .chain([("content-type".to_owned(), format.content_type().into())])
        .collect();
    (
        JsonB(serde_json::Value::Object(headers)),
        format.render(event),
    )
}

fn compile(source: &str, content_type: Option<&str>) -> Template {
    Template::compile(source, content_type).unwrap_or_else(|error| refuse_template(&error, None))
}

fn render_template(event: &Event<'_>, template: &Template, max_kb: i32) -> (JsonB, String) {
    let max_bytes = usize::try_from(max_kb).unwrap_or(0).saturating_mul(1024);
    let body = template
        .render(&render_envelope(event), max_bytes)
        .unwrap_or_else(|error| refuse_template(&error, Some(event.event_type)));
    let headers = serde_json::json!({"content-type": template.content_type()});
    (JsonB(headers), body)
}

fn refuse_template(error: &TemplateError, event_type: Option<&str>) -> ! {
    let setting = match error {
        TemplateError::ContentType(_) => "payload_content_type",
        _ => "payload_template",
    };
    let with = event_type.map_or(String::new(), |name| {
        format!("with an event of type {name}: ")
    });
    let detail = error
        .detail()
        .map_or(String::new(), |detail| format!(" ({detail})"));
    refuse(
        format!("invalid {setting}: {with}{error}{detail}"),
        error.hint(),
    )
}

/// Names of the secrets that a template prints.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn secret_names(payload_template: &str) -> Vec<String> {
    match names_in(payload_template) {
        Ok(names) => names.into_iter().collect(),
        Err(error) => refuse_template(&error, None),
    }
}

/// Raises an error for secrets that are none, and for a template that prints one that is not there.
#[pg_extern(sql = false, immutable, parallel_safe)]
fn check_template_secrets(payload_template: Option<&str>, template_secrets: Option<&str>) {
    let secrets =
        json::parse(template_secrets.unwrap_or("null")).map_err(|error| error.to_string());
    let secrets = secrets.and_then(|secrets| Secrets::parse(&secrets).map_err(|e| e.to_string()));
    let secrets = secrets.unwrap_or_else(|error| {
        refuse(
            format!("invalid template_secrets: {error}"),
            "Give an object of names and strings, for example {\"routing_key\": \"…\"}, which the template prints with {{ secrets.routing_key }}.",
        )
    });
    let asked = payload_template.map(names_in).transpose();
    if let Err(error) = asked.and_then(|names| secrets.check(&names.unwrap_or_default())) {
        refuse_template(&error, None);
    }
}
