//! What a valid subscription is; called by the trigger that guards `webhook_subscriptions`.

use crate::refuse::refuse;
use pgrx::prelude::*;
use serde_json::Value;
use webhooks_core::auth::Auth;
use webhooks_core::filter::Filter;
use webhooks_core::headers::validate_headers;
use webhooks_core::json;
use webhooks_core::signature;
use webhooks_core::url_policy::{check_webhook_url, parse_webhook_url, special_host};

/// Raises an error for the first invalid setting.
#[pg_extern(sql = false, stable, parallel_safe)]
fn check_subscription(
    webhook_url: Option<&str>,
    webhook_headers: Option<&str>,
    auth_type: Option<&str>,
    auth_config: Option<&str>,
    event_filters: Option<&str>,
) {
    // A null URL is refused by its NOT NULL constraint, with PostgreSQL's own error.
    if let Some(url) = webhook_url
        && let Err(error) = check_webhook_url(url)
    {
        refuse(
            format!("invalid webhook_url: {error}"),
            "Write for example https://example.com/webhooks.",
        );
    }
    let headers = match validate_headers(&object("webhook_headers", webhook_headers)) {
        Ok(headers) => headers,
        Err(error) => refuse(
            format!("invalid webhook_headers: {error}"),
            "Give an object of header names and string values, without the names that the sidecar sets itself.",
        ),
    };
    if let Err(error) = Auth::parse(
        auth_type.unwrap_or("none"),
        &object("auth_config", auth_config),
    )
    .and_then(|auth| auth.check_headers(&headers))
    {
        refuse(
            format!("invalid auth_config: {error}"),
            "Use auth_type none, api_key with {\"api_key\": ...} or signature with {\"secret\": webhooks.generate_secret()}.",
        );
    }
    if let Err(error) = Filter::parse(&object("event_filters", event_filters)) {
        refuse(
            format!("invalid event_filters: {error}"),
            "Keys are resource_type, resource_id, event_data and jsonpath; operators $eq $ne $gt $gte $lt $lte $in $nin $exists $prefix.",
        );
    }
}

/// Raises an error for a signing secret that is certainly a mistake; how many bytes its key has.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn check_secret(secret: &str) -> i32 {
    match signature::check_new_secret(secret) {
        Ok(bytes) => i32::try_from(bytes).unwrap_or(i32::MAX),
        Err(error) => refuse(
            format!("invalid auth_config: \"secret\": {error}"),
            "webhooks.generate_secret() makes a good one.",
        ),
    }
}

/// Why sidecars deliver to a URL's host only if they are told to, as far as its text says.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn special_address(webhook_url: &str) -> Option<&'static str> {
    special_host(&parse_webhook_url(webhook_url).ok()?)
}

/// A column's JSON; `{}` for null.
fn object(name: &str, column: Option<&str>) -> Value {
    json::parse(column.unwrap_or("{}")).unwrap_or_else(|error| {
        refuse(
            format!("invalid {name}: {error}"),
            "Give a JSON object that is nested less deep.",
        )
    })
}
