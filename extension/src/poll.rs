//! Requests for receivers that fetch them: with headers and signatures, as the sidecar would send them.

use crate::ids::to_uuid;
use crate::refuse::refuse;
use pgrx::iter::TableIterator;
use pgrx::prelude::*;
use serde_json::{Map, Value};
use webhooks_core::auth::Auth;
use webhooks_core::capture::error_text;
use webhooks_core::headers::written_headers;
use webhooks_core::json;
use webhooks_core::payload::{Event, PayloadFormat, payload_sha256, render_envelope};
use webhooks_core::request::{Credentials, Headers, Identity, KEY_HEADER, set_attempt_headers};
use webhooks_core::retry::Outcome;
use webhooks_core::signature::Signer;
use webhooks_core::template::{Secrets, Template};

/// The request of a delivery: headers as a JSON object, body, and the body's hash; or why there is none.
#[pg_extern(sql = false, volatile)]
#[allow(clippy::too_many_arguments, clippy::type_complexity)] // the columns of subscription, event and delivery
fn render_delivery(
    payload_format: &str,
    payload_template: Option<&str>,
    payload_content_type: Option<&str>,
    template_secrets: Option<&str>,
    max_payload_size_kb: i32,
    webhook_headers: Option<&str>,
    auth_type: &str,
    auth_config: Option<&str>,
    retired_secrets: Option<Vec<String>>,
    delivery_id: pgrx::Uuid,
    attempt: i32,
    attempted_at: i64,
    traceparent: Option<&str>,
    event_id: pgrx::Uuid,
    tenant_id: pgrx::Uuid,
    event_type: &str,
    event_category: &str,
    event_name: &str,
    event_version: Option<&str>,
    created_at_us: i64,
    event_data: &str,
    resource_type: Option<&str>,
    resource_id: Option<pgrx::Uuid>,
    resource_data: Option<&str>,
    user_id: Option<pgrx::Uuid>,
    session_id: Option<&str>,
    request_id: Option<&str>,
    source_ip: Option<&str>,
) -> TableIterator<
    'static,
    (
        name!(headers, Option<String>),
        name!(body, Option<String>),
        name!(payload_sha256, Option<Vec<u8>>),
        name!(problem, Option<String>),
    ),
> {
    let event = Event {
        id: to_uuid(event_id),
        tenant_id: to_uuid(tenant_id),
        event_type,
        category: event_category,
        name: event_name,
        version: event_version,
        created_at_us,
        data: event_data,
        resource_type,
        resource_id: resource_id.map(to_uuid),
        resource_data,
        user_id: user_id.map(to_uuid),
        session_id,
        request_id,
        source_ip,
        is_test: false,
    };
    let identity = Identity {
        event_id: event.id,
        event_type,
        delivery_id: to_uuid(delivery_id),
        attempt,
        timestamp: attempted_at,
        is_test: false,
    };
    let max_bytes = usize::try_from(max_payload_size_kb)
        .unwrap_or(0)
        .saturating_mul(1024);
    let format: PayloadFormat = usable("payload_format", payload_format.parse());
    let template =
        payload_template.map(|source| compile(source, payload_content_type, template_secrets));
    let own_headers = usable(
        "webhook_headers",
        written_headers(&object("webhook_headers", webhook_headers)),
    );
    let config = object("auth_config", auth_config);
    let auth = usable("auth_config", Auth::parse(auth_type, &config));
    let key_header = config
        .get("header")
        .and_then(Value::as_str)
        .unwrap_or(KEY_HEADER);
    let retired = retired_secrets.unwrap_or_default();
    let retired: Vec<Signer> = retired
        .iter()
        .filter_map(|secret| Signer::new(secret).ok())
        .collect();

    let mut headers = Headers::default();
    let content_type = template
        .as_ref()
        .map_or(format.content_type(), Template::content_type);
    headers.set("Content-Type", content_type.to_owned());
    for (name, value) in own_headers {
        headers.set(name, value);
    }
    let body = match body(&event, format, template.as_ref(), max_bytes) {
        Ok(body) => body,
        Err(problem) => return TableIterator::once((None, None, None, Some(error_text(&problem)))),
    };
    if template.is_none() {
        for (name, value) in format.headers(&event) {
            headers.set(name, value);
        }
    }
    let credentials = Credentials {
        auth: &auth,
        key_header,
        retired: &retired,
    };
    set_attempt_headers(
        &mut headers,
        &identity,
        credentials,
        traceparent,
        body.as_bytes(),
        |text| Some(text.to_owned()),
    );
    let headers: Map<String, Value> = headers
        .iter()
        .map(|(name, value)| (name.to_owned(), Value::from(value.as_str())))
        .collect();
    let sha256 = payload_sha256(&body).to_vec();
    TableIterator::once((
        Some(Value::Object(headers).to_string()),
        Some(body),
        Some(sha256),
        None,
    ))
}

/// The body, or why there is none: in the words of the sidecar.
fn body(
    event: &Event<'_>,
    format: PayloadFormat,
    template: Option<&Template>,
    max_bytes: usize,
) -> Result<String, String> {
    let body = match template {
        Some(template) => template
            .render(&render_envelope(event), max_bytes)
            .map_err(|error| format!("payload_template: {error}; nothing was sent"))?,
        None => format.render(event),
    };
    if body.len() > max_bytes {
        let too_large = Outcome::PayloadTooLarge {
            size_bytes: body.len() as u64,
            limit_bytes: max_bytes as u64,
        };
        return Err(too_large.to_string());
    }
    Ok(body)
}

fn compile(source: &str, content_type: Option<&str>, secrets: Option<&str>) -> Template {
    let secrets = usable(
        "template_secrets",
        Secrets::parse(&object("template_secrets", secrets)),
    );
    let template =
        Template::compile(source, content_type).and_then(|template| template.with_secrets(secrets));
    usable("payload_template", template)
}

fn object(setting: &str, text: Option<&str>) -> Value {
    usable(setting, json::parse(text.unwrap_or("{}")))
}

/// What a subscription is stored with; an error if this version can't use it.
fn usable<T, E: std::fmt::Display>(setting: &str, parsed: Result<T, E>) -> T {
    parsed.unwrap_or_else(|error| {
        refuse(
            format!("no request can be made from the subscription's {setting}: {error}"),
            "Change the subscription with webhooks.update_subscription().",
        )
    })
}
