//! Where and how to deliver: subscriptions as the sidecar needs them, loaded once per version.

mod endpoint;

pub use endpoint::Endpoint;

use crate::database::{data_error, is_readable};
use crate::model::{BreakerPolicy, FailureSeries, RateLimit, Receiver};
use crate::owner::{Owner, Settings};
use crate::permission::REQUEST_ORIGIN;
use crate::templating::Part;
use hyper::header::HeaderValue;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::{Error, Row};
use uuid::Uuid;
use webhooks_core::payload::PayloadFormat;
use webhooks_core::retry::{RetryPolicy, RetrySchedule};
use webhooks_core::template::{Secrets, Template};

/// One version of a subscription.
pub struct Subscription {
    pub id: Uuid,
    pub version: i64,
    pub shard: i16,
    /// What is wrong with a stored setting that this version of the sidecar can't use, if anything is.
    pub endpoint: Result<Endpoint, String>,
    /// How its requests say what happened.
    pub format: PayloadFormat,
    /// Makes its own body of the envelope.
    pub template: Option<Template>,
    pub template_part: Part,
    pub retry: RetryPolicy,
    pub timeout: Duration,
    pub max_payload_bytes: usize,
    pub max_in_flight: usize,
    pub rate_limit: Option<RateLimit>,
    pub breaker: BreakerPolicy,
    pub verification: Verification,
}

/// Whether its receiver has to agree to deliveries.
pub enum Verification {
    NotNeeded,
    /// It has agreed.
    Given,
    /// It has not yet.
    Needed {
        /// Its URL as it is stored.
        url: String,
        /// When it may be asked; `None`: nobody knows for whom, or it is disabled.
        ask_at: Option<Instant>,
    },
}

/// Subscriptions by id, each in the newest version seen.
#[derive(Default)]
pub struct Subscriptions {
    known: HashMap<Uuid, Arc<Subscription>>,
    /// Bytes of templates that were compiled for them.
    template_bytes: usize,
    longest_timeout: Duration,
    /// Those known of which the row can't be read.
    unreadable: Vec<Uuid>,
}

/// Beyond so many the cache starts anew: it only saves re-reading.
const MAX_KNOWN: usize = 20_000;
/// … and beyond so many bytes of templates, which take some ten times as many compiled.
const MAX_TEMPLATE_BYTES: usize = 4 * 1024 * 1024;

/// No receiver may have asked for a longer wait, whatever its row says.
const MAX_WAIT_MS: u64 = 7 * 86_400_000;

/// Nobody's: nothing is asked of a receiver that is not known.
const NO_SHARD: i16 = -1;

impl Subscriptions {
    /// Loads those of `wanted` (id and version) that are not known in that version; returns what is known of their receivers.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn load(
        &mut self,
        owner: &Owner,
        settings: &Settings,
        wanted: &[(Uuid, i64)],
    ) -> Result<Vec<Receiver>, Error> {
        let mut known = Vec::new();
        // What was wrong with them may have passed.
        let unreadable = std::mem::take(&mut self.unreadable);
        self.forget(&unreadable);
        let missing: Vec<Uuid> = wanted
            .iter()
            .filter(|(id, version)| self.known.get(id).is_none_or(|s| s.version != *version))
            .map(|(id, _)| *id)
            .collect();
        if missing.is_empty() {
            return Ok(known);
        }
        if self.known.len() + missing.len() > MAX_KNOWN || self.template_bytes > MAX_TEMPLATE_BYTES
        {
            self.clear();
        }
        let versions: HashMap<Uuid, i64> = wanted.iter().copied().collect();
        let wanted: Vec<Uuid> = if self.known.is_empty() {
            wanted.iter().map(|(id, _)| *id).collect()
        } else {
            missing
        };
        let (rows, unreadable) = rows(owner, &wanted).await?;
        for row in rows {
            let subscription = Subscription::from_row(&row, settings);
            let template: Option<&str> = row.get("payload_template");
            self.template_bytes += template.map_or(0, str::len);
            self.longest_timeout = self.longest_timeout.max(subscription.timeout);
            known.extend(known_of(&row));
            self.known.insert(subscription.id, Arc::new(subscription));
        }
        for (id, reason) in unreadable {
            let version = versions.get(&id).copied().unwrap_or_default();
            let subscription = Subscription::unreadable(id, version, reason, settings);
            self.known.insert(id, Arc::new(subscription));
            self.unreadable.push(id);
        }
        Ok(known)
    }

    /// Loads these once more.
    ///
    /// # Errors
    /// Those of the query.
    pub async fn reload(
        &mut self,
        owner: &Owner,
        settings: &Settings,
        ids: &[Uuid],
    ) -> Result<Vec<Arc<Subscription>>, Error> {
        self.forget(ids);
        let mut loaded = Vec::new();
        // One that can't be read is asked for nothing.
        for row in rows(owner, ids).await?.0 {
            loaded.push(Arc::new(Subscription::from_row(&row, settings)));
        }
        Ok(loaded)
    }

    /// The longest timeout_seconds seen.
    pub fn longest_timeout(&self) -> Duration {
        self.longest_timeout
    }

    /// The newest version loaded; `None` if it was deleted since it was claimed.
    pub fn get(&self, id: Uuid) -> Option<Arc<Subscription>> {
        self.known.get(&id).cloned()
    }

    /// Those of some that are known.
    pub fn all_of(&self, ids: &[Uuid]) -> impl Iterator<Item = &Arc<Subscription>> {
        ids.iter().filter_map(|id| self.known.get(id))
    }

    /// Forgets some: one that was deleted and made again under the same id starts at the same version.
    pub fn forget(&mut self, changed: &[Uuid]) {
        for id in changed {
            self.known.remove(id);
        }
    }

    /// Forgets everything: settings that the subscriptions carry have changed.
    pub fn clear(&mut self) {
        self.known.clear();
        self.template_bytes = 0;
    }
}

/// The rows of these subscriptions; and of those that can't be read, which must not keep the others here, why.
async fn rows(owner: &Owner, ids: &[Uuid]) -> Result<(Vec<Row>, Vec<(Uuid, String)>), Error> {
    let error = match owner.client.query(&owner.load, &[&ids]).await {
        Ok(rows) => return Ok(readable(rows)),
        Err(error) => error,
    };
    if data_error(&error).is_none() {
        return Err(error);
    }
    let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
    for id in ids {
        match owner.client.query_opt(&owner.load, &[&vec![*id]]).await {
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

impl Subscription {
    /// Stands for one whose row can't be read: its deliveries are tried again as those of others with a wrong setting are.
    fn unreadable(id: Uuid, version: i64, reason: String, settings: &Settings) -> Self {
        Self {
            id,
            version,
            shard: NO_SHARD,
            endpoint: Err(reason),
            format: PayloadFormat::default(),
            template: None,
            template_part: Part::default(),
            retry: RetryPolicy {
                schedule: RetrySchedule::Doubling {
                    retries: 3,
                    first: Duration::from_secs(60),
                    longest: settings.max_retry_delay,
                },
                retry_after_cap: settings.max_retry_after,
                no_retry_statuses: Vec::new(),
            },
            timeout: Duration::from_secs(30),
            max_payload_bytes: 1 << 20,
            max_in_flight: 20,
            rate_limit: None,
            verification: Verification::NotNeeded,
            breaker: BreakerPolicy {
                threshold: 0,
                cooldown: Duration::ZERO,
            },
        }
    }

    fn from_row(row: &Row, settings: &Settings) -> Self {
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
        let verification = Verification::from_row(row);
        let mut endpoint = match row.get::<_, Option<String>>("objection") {
            Some(objection) => Err(objection),
            None => content_type.and_then(|content_type| Endpoint::from_row(row, content_type)),
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
        Self {
            id: row.get("id"),
            version: row.get("version"),
            shard: row.get("shard"),
            endpoint,
            format: format.unwrap_or_default(),
            template: template.unwrap_or_default(),
            template_part: Part::default(),
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
            max_payload_bytes: usize::try_from(positive("max_payload_size_kb") * 1024)
                .unwrap_or(usize::MAX),
            max_in_flight: usize::try_from(positive("max_in_flight"))
                .unwrap_or(1)
                .max(1),
            rate_limit: match allowed_rate {
                Some(per_minute) => Some(RateLimit::allowed(per_minute, own_limit)),
                None => own_limit,
            },
            verification,
            breaker: BreakerPolicy {
                threshold: u32::try_from(row.get::<_, i64>("breaker_failure_threshold"))
                    .unwrap_or(0),
                cooldown: Duration::from_secs(
                    u64::try_from(row.get::<_, i64>("breaker_cooldown_seconds")).unwrap_or(0),
                ),
            },
        }
    }
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

impl Verification {
    fn from_row(row: &Row) -> Self {
        if !row.get::<_, bool>("needs_verification") {
            return Self::NotNeeded;
        }
        if row.get("is_verified") {
            return Self::Given;
        }
        let wait = row.get::<_, Option<i64>>("verify_in_ms").unwrap_or(0);
        let wait = Duration::from_millis(u64::try_from(wait).unwrap_or(0));
        Self::Needed {
            url: row.get("webhook_url"),
            ask_at: row
                .get::<_, bool>("may_verify")
                .then(|| Instant::now() + wait),
        }
    }
}

/// What the database knows of a receiver that fails, or wants a pause.
fn known_of(row: &Row) -> Option<Receiver> {
    let failures = series_of_failures(row);
    let left = row.get::<_, Option<i64>>("throttled_for_ms");
    let left = left
        .and_then(|ms| u64::try_from(ms).ok())
        .filter(|ms| *ms > 0);
    let waits_until = left.map(|ms| Instant::now() + Duration::from_millis(ms.min(MAX_WAIT_MS)));
    (failures.is_some() || waits_until.is_some()).then(|| Receiver {
        subscription: row.get("id"),
        shard: row.get("shard"),
        failures,
        waits_until,
    })
}

/// What the database knows of a receiver that fails.
fn series_of_failures(row: &Row) -> Option<FailureSeries> {
    let milliseconds = |column: &str| {
        row.get::<_, Option<i64>>(column)
            .map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
    };
    let now = Instant::now();
    let probe_in = milliseconds("probe_in_ms").unwrap_or_default();
    let open_until = row
        .get::<_, bool>("is_breaker_open")
        .then_some(now + probe_in);
    Some(FailureSeries {
        seen: now,
        age: milliseconds("failing_for_ms")?,
        open_until,
    })
}
