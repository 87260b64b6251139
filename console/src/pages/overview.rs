//! Overview: how deliveries of a tenant go, and what needs attention.

use super::failure::Failure;
use super::layout::{Frame, Section, page, path};
use super::view::{
    Line, Moment, Stacked, absolute, as_sql, count, id, lines, milliseconds, percent, relative,
    stacked,
};
use crate::database::{Database, Mode, Request};
use crate::http::input::Ids;
use crate::http::session::Session;
use crate::scope::Scope;
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
struct Figures {
    total_deliveries: i64,
    success_rate: Option<f64>,
}

#[derive(Deserialize)]
struct Backlog {
    due: i64,
    waiting: i64,
    oldest_due_at: Option<Moment>,
}

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

/// A subscription that does not deliver as it should.
#[derive(Deserialize)]
struct Trouble {
    subscription_id: Uuid,
    name: String,
    state: String,
    since: Option<Moment>,
    last_error: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    id: Uuid,
    event_type: String,
    resource_type: Option<String>,
    resource_id: Option<Uuid>,
    created_at: Option<Moment>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&session.who, Scope::ReadMetrics, Mode::Read)
        .await?;
    let figures: Vec<Figures> = request
        .items(
            "select to_json(m)::text as item from webhooks.delivery_metrics($1, 1) m",
            &[&tenant],
        )
        .await?;
    let backlog = backlog(&request, tenant).await?;
    let volumes: Vec<Volume> = request
        .items(
            "select to_json(v)::text as item from webhooks.delivery_volume($1) v",
            &[&tenant],
        )
        .await?;
    let latencies: Vec<Latency> = request
        .items(
            "select to_json(l)::text as item from webhooks.delivery_latency($1) l",
            &[&tenant],
        )
        .await?;
    let may = |scope| request.access.may(scope);
    let (sees_subscriptions, sees_events) = (may(Scope::ReadSubscriptions), may(Scope::ReadEvents));
    let troubles: Vec<Trouble> = request
        .items(
            "select to_json(t)::text as item from (
                 select h.subscription_id, h.name, h.last_error,
                        case when h.breaker_state <> 'closed' then 'circuit breaker ' || h.breaker_state
                             when h.disabled_reason is not null then 'disabled: ' || h.disabled_reason
                             when h.throttled_until is not null then 'the receiver asked for a pause'
                             when h.verification_state in ('pending', 'refused') then 'verification ' || h.verification_state
                             else 'failing' end as state,
                        coalesce(h.failing_since, h.breaker_since) as since
                 from webhooks.subscription_health h
                 where h.tenant_id = $1 and $2
                   and (h.breaker_state <> 'closed' or h.disabled_reason is not null or h.failing_since is not null
                        or h.throttled_until is not null or h.verification_state in ('pending', 'refused'))
                 order by since limit 20) t",
            &[&tenant, &sees_subscriptions],
        )
        .await?;
    let events: Vec<Event> = request
        .items(
            "select to_json(e)::text as item from (
                 select e.id, e.event_type, e.resource_type, e.resource_id, e.created_at
                 from webhooks.event_logs e
                 where e.tenant_id = $1 and $2 and e.id >= webhooks.uuid_v7_floor(now() - interval '1 day')
                   and e.id < webhooks.uuid_v7_floor(now() + interval '1 minute')
                 order by e.id desc limit 10) e",
            &[&tenant, &sees_events],
        )
        .await?;
    let content = html! {
        h1 { "Overview" }
        (numbers(tenant, figures.first(), &backlog, troubles.len(), &latencies))
        div.columns {
            (stacked("Attempts per hour, by outcome", &periods(&volumes), PERIOD))
            (lines("Response time", ["p50", "p95", "p99"], &latency_lines(&latencies), PERIOD))
        }
        @if sees_subscriptions {
            h2 { "Needs attention" }
            (attention(tenant, &troubles))
        }
        @if sees_events {
            h2 { "Latest events" }
            (latest(tenant, &events))
        }
        (as_sql(&format!("select * from webhooks.delivery_metrics('{tenant}', days => 1);\nselect * from webhooks.delivery_volume('{tenant}');\nselect * from webhooks.delivery_latency('{tenant}');\nselect * from webhooks.subscription_health where tenant_id = '{tenant}';")))
    };
    let frame = Frame {
        title: "Overview",
        section: Section::Overview,
        tenant: Some(tenant),
        access: &request.access,
        csrf: &session.csrf,
    };
    let shown = page(&frame, &content);
    request.commit().await?;
    Ok(shown)
}

/// What waits. Counted up to a bound: a page does not read a whole backlog.
async fn backlog(request: &Request<'_>, tenant: Uuid) -> Result<Backlog, Failure> {
    let found: Vec<Backlog> = request
        .items(
            "select json_build_object(
                 'due', count(*) filter (where (q.next_attempt_at <= now()) is not false),
                 'waiting', count(*),
                 'oldest_due_at', min(coalesce(q.next_attempt_at, webhooks.uuid_v7_time(q.id)))
                     filter (where (q.next_attempt_at <= now()) is not false))::text as item
             from (select q.id, q.next_attempt_at from webhooks.delivery_queue q
                   where q.tenant_id = $1 limit 10000) q",
            &[&tenant],
        )
        .await?;
    Ok(found.into_iter().next().unwrap_or(Backlog {
        due: 0,
        waiting: 0,
        oldest_due_at: None,
    }))
}

fn numbers(
    tenant: Uuid,
    figures: Option<&Figures>,
    backlog: &Backlog,
    troubles: usize,
    latencies: &[Latency],
) -> Markup {
    let p95 = latencies.last().and_then(|l| l.response_p95_ms);
    let total = figures.map_or(0, |f| f.total_deliveries);
    html! {
        dl.figures {
            div { dt { "delivered, 24 h" } dd {
                a href=(path(tenant, "/deliveries")) { (percent(figures.and_then(|f| f.success_rate))) }
                " " small { "of " (count(total)) }
            } }
            div { dt { "response p95, last hour" } dd { (milliseconds(p95)) } }
            div { dt { "due now" } dd {
                a href=(path(tenant, "/deliveries?status=pending,retrying")) { (count(backlog.due)) }
                @if backlog.oldest_due_at.is_some() { " " small { "oldest " (relative(backlog.oldest_due_at)) } }
            } }
            div { dt { "waiting for a retry or a time" } dd { (count(backlog.waiting - backlog.due)) } }
            div { dt { "need attention" } dd { a href="#attention" { (troubles) } } }
        }
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

fn attention(tenant: Uuid, troubles: &[Trouble]) -> Markup {
    html! {
        div #attention {
            @if troubles.is_empty() { p.empty { "Nothing: every receiver takes its deliveries." } }
            @else { div.scroll { table {
                thead { tr { th { "subscription" } th { "state" } th { "since" } th { "last error" } } }
                tbody { @for trouble in troubles { tr {
                    td { a href=(path(tenant, &format!("/subscriptions/{}", trouble.subscription_id))) { (trouble.name) } }
                    td { span.state.failed { span aria-hidden="true" { "●" } " " (trouble.state) } }
                    td { (relative(trouble.since)) }
                    td.wide { (trouble.last_error.as_deref().unwrap_or("–")) }
                } } }
            } } }
        }
    }
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
                td { a href=(path(tenant, &format!("/events/{}", event.id))) { span.id title=(event.id) { (&event.id.to_string()[..8]) "…" } } }
                td { (event.event_type) }
                td { (event.resource_type.as_deref().unwrap_or("–")) @if let Some(resource) = event.resource_id { " " (id(resource)) } }
            } } }
        } } }
    }
}
