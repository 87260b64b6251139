//! `load_subscriptions()`: subscriptions, and what the database knows of their receivers.

use super::owner::Owner;
use super::unreadable::{data_error, is_readable};
use crate::model::verification::REQUEST_ORIGIN;
use crate::model::{
    BodyPolicy, BreakerPolicy, Endpoint, FailureSeries, Headers, RateLimit, Receiver, Settings,
    Subscription, TemplateRoom, Verification,
};
use hyper::header::HeaderValue;
use std::time::{Duration, Instant};
use tokio_postgres::{Error, Row};
use uuid::Uuid;
use webhooks_core::auth::Auth;
use webhooks_core::headers::written_headers;
use webhooks_core::payload::PayloadFormat;
use webhooks_core::request::KEY_HEADER;
use webhooks_core::retry::{RetryPolicy, RetrySchedule};
use webhooks_core::signature::Signer;
use webhooks_core::template::{Secrets, Template};
use webhooks_core::url_policy::{parse_webhook_url, request_target};

/// No receiver may have asked for a longer wait, whatever its row says.
const MAX_WAIT: Duration = Duration::from_secs(7 * 86_400);

impl Owner {
    pub(super) const LOAD: &str = "select id, tenant_id, version, webhook_url, webhook_method, webhook_headers, auth_type, auth_config, retry_count, retry_delay_seconds, retry_delays, timeout_seconds, max_payload_size_kb, no_retry_statuses, max_in_flight, rate_limit_per_second, rate_limit_burst, breaker_failure_threshold, breaker_cooldown_seconds, payload_format, payload_template, payload_content_type, template_secrets, shard, is_breaker_open, probe_in_ms, failing_for_ms, throttled_for_ms, retired_secrets, retired_secrets_for_ms, needs_verification, is_verified, allowed_rate_per_minute, may_verify, verify_in_ms, problem from webhooks_private.load_subscriptions($1)";
}

/// A subscription as the database has it.
pub struct Loaded {
    pub subscription: Subscription,
    pub template_bytes: usize,
    /// What is known of its receiver, if it fails or wants a pause.
    pub receiver: Option<Receiver>,
}

/// Subscriptions; and of those that can't be read, which must not keep the others from being loaded, why.
///
/// # Errors
/// Those of the query.
pub async fn load(
    owner: &Owner,
    settings: &Settings,
    ids: &[Uuid],
) -> Result<(Vec<Loaded>, Vec<(Uuid, String)>), Error> {
    let (rows, unreadable) = rows(owner, ids).await?;
    let loaded = rows.iter().map(|row| Loaded {
        subscription: subscription(row, settings),
        template_bytes: row
            .get::<_, Option<&str>>("payload_template")
            .map_or(0, str::len),
        receiver: receiver(row),
    });
    Ok((loaded.collect(), unreadable))
}

async fn rows(owner: &Owner, ids: &[Uuid]) -> Result<(Vec<Row>, Vec<(Uuid, String)>), Error> {
    let load = &owner.statements.load;
    let error = match owner.client.query(load, &[&ids]).await {
        Ok(rows) => return Ok(readable(rows)),
        Err(error) => error,
    };
    if data_error(&error).is_none() {
        return Err(error);
    }
    let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
    for id in ids {
        match owner.client.query_opt(load, &[&vec![*id]]).await {
            Ok(row) => {
                let (row, not_utf8) = readable(row.into_iter().collect());
                rows.extend(row);
                unreadable.extend(not_utf8);
            }
            Err(error) => {
                let state = data_error(&error).ok_or(error)?;
                tracing::warn!(subscription_id = %id, "a subscription can't be loaded: {state}");
                unreadable.push((*id, format!("the subscription can't be loaded: {state}")));
            }
        }
    }
    Ok((rows, unreadable))
}

/// Rows whose texts are UTF-8, and why the others can't be used.
fn readable(rows: Vec<Row>) -> (Vec<Row>, Vec<(Uuid, String)>) {
    let (rows, damaged): (Vec<Row>, Vec<Row>) = rows.into_iter().partition(is_readable);
    let unreadable = damaged.iter().map(|row| {
        let id: Uuid = row.get("id");
        tracing::warn!(subscription_id = %id, "a subscription can't be loaded: it is not UTF-8");
        (
            id,
            "the subscription can't be loaded: it is not UTF-8".to_owned(),
        )
    });
    let unreadable = unreadable.collect();
    (rows, unreadable)
}

fn subscription(row: &Row, settings: &Settings) -> Subscription {
    let positive = |column: &str| u64::try_from(row.get::<_, i32>(column)).unwrap_or(0);
    let format = row
        .get::<_, &str>("payload_format")
        .parse::<PayloadFormat>()
        .map_err(|error| format!("payload_format: {error}"));
    let template = template(row);
    let content_type = match (&format, &template) {
        (Err(reason), _) | (_, Err(reason)) => Err(reason.clone()),
        (Ok(_), Ok(Some(template))) => Ok(template.content_type()),
        (Ok(format), Ok(None)) => Ok(format.content_type()),
    };
    let verification = verification(row);
    let mut endpoint = match row.get::<_, Option<String>>("problem") {
        Some(problem) => Err(problem),
        None => content_type.and_then(|content_type| endpoint(row, content_type)),
    };
    let own_limit = row
        .get::<_, Option<f64>>("rate_limit_per_second")
        .map(|per_second| {
            let burst: Option<i32> = row.get("rate_limit_burst");
            RateLimit::new(
                per_second,
                burst.and_then(|burst| u32::try_from(burst).ok()),
            )
        });
    let allowed_rate = row
        .get::<_, Option<i32>>("allowed_rate_per_minute")
        .and_then(|rate| u32::try_from(rate).ok())
        .filter(|_| matches!(verification, Verification::Given));
    if let (Verification::Given, Ok(endpoint)) = (&verification, &mut endpoint)
        && let Some(origin) = &settings.verification_origin
        && let Ok(origin) = HeaderValue::try_from(origin)
    {
        // What was agreed to must be recognizable.
        endpoint.headers.set(REQUEST_ORIGIN, origin);
    }
    Subscription {
        id: row.get("id"),
        tenant_id: row.get("tenant_id"),
        version: row.get("version"),
        shard: row.get("shard"),
        endpoint,
        body: BodyPolicy {
            format: format.unwrap_or_default(),
            template: template.unwrap_or_default(),
            template_room: TemplateRoom::default(),
            max_bytes: usize::try_from(positive("max_payload_size_kb") * 1024)
                .unwrap_or(usize::MAX),
        },
        retry: RetryPolicy {
            schedule: retry_schedule(row, settings),
            retry_after_cap: settings.max_retry_after,
            no_retry_statuses: row
                .get::<_, Vec<i32>>("no_retry_statuses")
                .into_iter()
                .filter_map(|status| u16::try_from(status).ok())
                .collect(),
        },
        timeout: Duration::from_secs(positive("timeout_seconds")),
        max_in_flight: usize::try_from(positive("max_in_flight"))
            .unwrap_or(1)
            .max(1),
        rate_limit: match allowed_rate {
            Some(per_minute) => Some(RateLimit::allowed(per_minute, own_limit)),
            None => own_limit,
        },
        verification,
        breaker: BreakerPolicy {
            threshold: u32::try_from(row.get::<_, i64>("breaker_failure_threshold")).unwrap_or(0),
            cooldown: Duration::from_secs(
                u64::try_from(row.get::<_, i64>("breaker_cooldown_seconds")).unwrap_or(0),
            ),
        },
    }
}

fn endpoint(row: &Row, content_type: &str) -> Result<Endpoint, String> {
    let written: &str = row.get("webhook_url");
    let url = parse_webhook_url(written).map_err(|error| format!("webhook_url: {error}"))?;
    let method = row
        .get::<_, &str>("webhook_method")
        .parse()
        .map_err(|_| "webhook_method is no HTTP method".to_owned())?;
    let auth_config = json(row, "auth_config")?;
    let auth = Auth::parse(row.get("auth_type"), &auth_config)
        .map_err(|error| format!("auth_config: {error}"))?;
    let key_header = auth_config.get("header").and_then(|header| header.as_str());
    let mut headers = Headers::default();
    let content_type = HeaderValue::try_from(content_type)
        .map_err(|_| "payload_content_type can't be sent".to_owned())?;
    headers.set("Content-Type", content_type);
    for (name, value) in written_headers(&json(row, "webhook_headers")?)
        .map_err(|error| format!("webhook_headers: {error}"))?
    {
        let Ok(value) = HeaderValue::try_from(&value) else {
            return Err(format!("webhook_headers: {name} can't be sent"));
        };
        headers.set(name, value);
    }
    Ok(Endpoint {
        method,
        url,
        target: request_target(written),
        headers,
        auth,
        key_header: key_header.unwrap_or(KEY_HEADER).to_owned(),
        retired_signers: retired_secrets(row),
    })
}

/// Retired secrets that can be used.
fn retired_secrets(row: &Row) -> Vec<(Signer, Instant)> {
    let secrets: Option<Vec<String>> = row.get("retired_secrets");
    let left: Option<Vec<i64>> = row.get("retired_secrets_for_ms");
    let signers = secrets.unwrap_or_default().into_iter();
    let signers = signers.zip(left.unwrap_or_default());
    signers
        .filter_map(|(secret, ms)| {
            let left = Duration::from_millis(u64::try_from(ms).ok()?);
            Some((Signer::new(&secret).ok()?, Instant::now() + left))
        })
        .collect()
}

/// The subscription's own schedule; one that can't be read, which nobody could have written, is none.
fn retry_schedule(row: &Row, settings: &Settings) -> RetrySchedule {
    let positive = |number: i32| u64::try_from(number).unwrap_or(0);
    let listed: Option<Vec<Option<i32>>> = row.get("retry_delays");
    let delays: Option<Vec<Duration>> = listed.and_then(|delays| {
        let seconds = |delay: Option<i32>| delay.map(|delay| Duration::from_secs(positive(delay)));
        delays.into_iter().map(seconds).collect()
    });
    match delays {
        Some(delays) => RetrySchedule::Listed(delays),
        None => RetrySchedule::Doubling {
            retries: u32::try_from(row.get::<_, i32>("retry_count")).unwrap_or(0),
            first: Duration::from_secs(positive(row.get("retry_delay_seconds"))),
            longest: settings.max_retry_delay,
        },
    }
}

fn template(row: &Row) -> Result<Option<Template>, String> {
    let Some(source) = row.get::<_, Option<&str>>("payload_template") else {
        return Ok(None);
    };
    let secrets = Secrets::parse(&json(row, "template_secrets")?)
        .map_err(|error| format!("template_secrets: {error}"))?;
    Template::compile(source, row.get("payload_content_type"))
        .and_then(|template| template.with_secrets(secrets))
        .map(Some)
        .map_err(|error| format!("payload_template: {error}"))
}

fn json(row: &Row, column: &str) -> Result<serde_json::Value, String> {
    webhooks_core::json::parse(row.get(column))
        .map_err(|error| format!("{column} is not JSON: {error}"))
}

fn verification(row: &Row) -> Verification {
    if !row.get::<_, bool>("needs_verification") {
        return Verification::NotNeeded;
    }
    if row.get("is_verified") {
        return Verification::Given;
    }
    let wait = milliseconds(row, "verify_in_ms").unwrap_or_default();
    Verification::Needed {
        url: row.get("webhook_url"),
        ask_at: row
            .get::<_, bool>("may_verify")
            .then(|| Instant::now() + wait),
    }
}

/// What the database knows of a receiver that fails, or wants a pause.
fn receiver(row: &Row) -> Option<Receiver> {
    let now = Instant::now();
    let failures = milliseconds(row, "failing_for_ms").map(|age| FailureSeries {
        seen: now,
        age,
        open_until: row
            .get::<_, bool>("is_breaker_open")
            .then_some(now + milliseconds(row, "probe_in_ms").unwrap_or_default()),
    });
    let wait = milliseconds(row, "throttled_for_ms").filter(|wait| !wait.is_zero());
    let waits_until = wait.map(|wait| now + wait.min(MAX_WAIT));
    (failures.is_some() || waits_until.is_some()).then(|| Receiver {
        subscription: row.get("id"),
        shard: row.get("shard"),
        failures,
        waits_until,
    })
}

/// A time that is left; one that is over is none.
fn milliseconds(row: &Row, column: &str) -> Option<Duration> {
    let ms: Option<i64> = row.get(column);
    ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}
