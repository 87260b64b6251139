//! Overview: how deliveries of a tenant go, and what needs attention.
//!
//! - [`figures`]: numbers; [`attention`]: alerts, and subscriptions that do not deliver as they should

mod attention;
mod figures;

use super::failure::Failure;
use super::finish::finish;
use super::layout::{Section, path};
use super::scopes::{OPERATE, READ_DELIVERIES, READ_EVENTS, READ_METRICS, may};
use super::view::{Line, Moment, Stacked, absolute, as_sql, id, lines, short, stacked};
use crate::database::{Access, Database, Mode, ReadError, Request};
use crate::http::input::Ids;
use crate::http::session::Session;
use attention::{Alert, Trouble};
use axum::extract::State;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeMap;
use uuid::Uuid;

/// The length of a period in plots, and how many there are.
const PERIOD: i64 = 3600;
const PERIODS: i64 = 24;

#[derive(Deserialize)]
struct Volume {
    bucket_start: Timestamp,
    delivered: i64,
    retrying: i64,
    failed: i64,
}

#[derive(Deserialize)]
struct Latency {
    bucket_start: Timestamp,
    response_p50_ms: Option<f64>,
    response_p95_ms: Option<f64>,
    response_p99_ms: Option<f64>,
}

#[derive(Deserialize)]
struct Event {
    id: Uuid,
    event_type: String,
    resource_type: Option<String>,
    resource_id: Option<Uuid>,
    created_at: Option<Moment>,
}

/// What is known of a tenant; `None`: the session may not see it.
struct LastDay {
    numbers: figures::Numbers,
    volumes: Vec<Volume>,
    latencies: Vec<Latency>,
    troubles: Option<Vec<Trouble>>,
    events: Option<Vec<Event>>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let mut request = connection
        .begin(&session.who, READ_METRICS, Mode::Read)
        .await?;
    let day = read(&request, tenant).await?;
    let alerts = match may(&request.access, OPERATE) {
        true => {
            // As another role: this one sees no alerts.
            request.commit().await?;
            request = connection.begin(&session.who, OPERATE, Mode::Read).await?;
            Some(attention::alerts(&request, tenant).await?)
        }
        false => None,
    };
    let content = content(
        tenant,
        &request.access,
        &session.csrf,
        &day,
        alerts.as_deref(),
    );
    finish(
        request,
        &session,
        Section::Overview,
        Some(tenant),
        "Overview",
        &content,
    )
    .await
}

async fn read(request: &Request<'_>, tenant: Uuid) -> Result<LastDay, ReadError> {
    let volumes = "select to_json(v)::text as item from webhooks.delivery_volume($1) v";
    let latencies = "select to_json(l)::text as item from webhooks.delivery_latency($1) l";
    Ok(LastDay {
        numbers: figures::read(request, tenant).await?,
        volumes: request.items(volumes, &[&tenant]).await?,
        latencies: request.items(latencies, &[&tenant]).await?,
        troubles: match may(&request.access, READ_DELIVERIES) {
            true => Some(attention::troubles(request, tenant).await?),
            false => None,
        },
        events: match may(&request.access, READ_EVENTS) {
            true => Some(latest_events(request, tenant).await?),
            false => None,
        },
    })
}

async fn latest_events(request: &Request<'_>, tenant: Uuid) -> Result<Vec<Event>, ReadError> {
    request
        .items(
            "select to_json(e)::text as item from (
                 select e.id, e.event_type, e.resource_type, e.resource_id, e.created_at
                 from webhooks.event_logs e
                 where e.tenant_id = $1 and e.id >= webhooks.uuid_v7_floor(now() - interval '1 day')
                   and e.id < webhooks.uuid_v7_floor(now() + interval '1 minute')
                 order by e.id desc limit 10) e",
            &[&tenant],
        )
        .await
}

fn content(
    tenant: Uuid,
    access: &Access,
    csrf: &str,
    day: &LastDay,
    alerts: Option<&[Alert]>,
) -> Markup {
    let p95 = day.latencies.last().and_then(|l| l.response_p95_ms);
    let failing = day.troubles.as_ref().map(Vec::len);
    html! {
        h1 { "Overview" }
        (figures::list(tenant, access, &day.numbers, p95, failing, alerts.map(<[_]>::len)))
        div.columns {
            (stacked("Attempts per hour, by outcome", &periods(&day.volumes), PERIOD))
            (lines("Response time", ["p50", "p95", "p99"], &latency_lines(&day.latencies), PERIOD))
        }
        @if day.troubles.is_some() || alerts.is_some() {
            (attention::section(tenant, access, csrf, alerts.unwrap_or_default(), day.troubles.as_deref()))
        }
        @if let Some(events) = &day.events {
            h2 { "Latest events" }
            (latest(tenant, events))
        }
        (as_sql(&format!("select * from webhooks.delivery_metrics('{tenant}', days => 1);\nselect * from webhooks.delivery_volume('{tenant}');\nselect * from webhooks.delivery_latency('{tenant}');\nselect * from webhooks.subscription_health where tenant_id = '{tenant}';\nselect * from webhooks.alerts;")))
    }
}

/// Every period of the last day, also those without attempts.
fn periods(volumes: &[Volume]) -> Vec<Stacked> {
    let by_time: BTreeMap<i64, &Volume> = volumes
        .iter()
        .map(|volume| (volume.bucket_start.as_second(), volume))
        .collect();
    let now = Timestamp::now().as_second();
    let last = now - now.rem_euclid(PERIOD);
    (0..PERIODS)
        .filter_map(|i| {
            let second = last - (PERIODS - 1 - i) * PERIOD;
            let volume = by_time.get(&second);
            Some(Stacked {
                from: Timestamp::from_second(second).ok()?,
                delivered: volume.map_or(0, |v| v.delivered),
                retrying: volume.map_or(0, |v| v.retrying),
                failed: volume.map_or(0, |v| v.failed),
            })
        })
        .collect()
}

fn latency_lines(latencies: &[Latency]) -> Vec<Line> {
    let line = |l: &Latency| Line {
        from: l.bucket_start,
        values: [l.response_p50_ms, l.response_p95_ms, l.response_p99_ms],
    };
    latencies.iter().map(line).collect()
}

fn latest(tenant: Uuid, events: &[Event]) -> Markup {
    html! {
        @if events.is_empty() {
            p.empty { "No event was published in the last day. Publish one:" }
            pre { code { "select webhooks.publish_event('" (tenant) "', 'document.uploaded', event_data => '{\"name\": \"a.pdf\"}');" } }
        } @else { div.scroll { table {
            thead { tr { th { "time" } th { "event" } th { "type" } th { "resource" } } }
            tbody { @for event in events { tr {
                td { (absolute(event.created_at)) }
                td { a href=(path(tenant, &format!("/events/{}", event.id))) { (short(event.id)) } }
                td { (event.event_type) }
                td { (event.resource_type.as_deref().unwrap_or("–")) @if let Some(resource) = event.resource_id { " " (id(resource)) } }
            } } }
        } } }
    }
}
