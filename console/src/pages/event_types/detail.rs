//! A type of events: its versions with schema and example, who subscribes to it, and how many there are.

use super::{DAYS, Volume, volumes};
use crate::database::{Database, Mode, ReadError, Request};
use crate::http::input::Ids;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::refusal::missing;
use crate::pages::scopes::{READ_DELIVERIES, READ_EVENTS, READ_METRICS, may};
use crate::pages::view::{Moment, absolute, as_sql, body, count, sparkline, sql_text};
use axum::extract::State;
use jiff::Timestamp;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// So many subscriptions are listed.
const MAX_SUBSCRIPTIONS: i64 = 100;

#[derive(Deserialize)]
struct Version {
    version: String,
    is_current: bool,
    category: Option<String>,
    description: Option<String>,
    schema: Option<String>,
    example: Option<String>,
    example_payload: Option<String>,
    deprecated_at: Option<Moment>,
    deprecation: Option<String>,
}

#[derive(Deserialize)]
struct Subscription {
    id: Uuid,
    name: String,
    is_on: bool,
}

/// The current one first.
async fn versions(request: &Request<'_>, name: &str) -> Result<Vec<Version>, ReadError> {
    request
        .items(
            "select json_build_object(
                 'version', t.version, 'is_current', t.is_current, 'category', t.category,
                 'description', t.description, 'schema', t.schema::text,
                 'example', jsonb_pretty(t.example), 'example_payload', t.example_payload,
                 'deprecated_at', t.deprecated_at, 'deprecation', t.deprecation)::text as item
             from webhooks.event_type_catalogue t
             where t.name = $1 order by t.is_current desc, t.version desc",
            &[&name],
        )
        .await
}

async fn subscriptions(
    request: &Request<'_>,
    tenant: Uuid,
    name: &str,
) -> Result<Vec<Subscription>, ReadError> {
    request
        .items(
            "select json_build_object('id', s.id, 'name', s.name,
                                      'is_on', coalesce(s.is_active and s.is_enabled, false))::text as item
             from webhooks.webhook_subscriptions s
             where s.tenant_id = $1
               and s.subscribed_events ?| array[$2::text, split_part($2::text, '.', 1) || '.*', '*']
             order by s.name, s.id limit $3",
            &[&tenant, &name, &MAX_SUBSCRIPTIONS],
        )
        .await
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids((tenant, name)): Ids<(Uuid, String)>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&session.who, READ_EVENTS, Mode::Read)
        .await?;
    let versions = versions(&request, &name).await?;
    let Some(current) = versions.first() else {
        return Err(missing("event type", &name));
    };
    let subscriptions = match may(&request.access, READ_DELIVERIES) {
        true => Some(subscriptions(&request, tenant, &name).await?),
        false => None,
    };
    let volumes = match may(&request.access, READ_METRICS) {
        true => Some(volumes(&request, tenant).await?),
        false => None,
    };
    let literal = sql_text(&name);
    let literal = literal.trim_start();
    let content = html! {
        div.title {
            h1 { (name) }
            a href=(path(tenant, &format!("/events?type={name}"))) { "Its events" }
        }
        dl.facts {
            dt { "category" } dd { (current.category.as_deref().unwrap_or("–")) }
            dt { "description" } dd { (current.description.as_deref().unwrap_or("–")) }
            @if let Some(volumes) = &volumes { dt { "events" } dd { (volume(&name, volumes)) } }
        }
        @if let Some(subscriptions) = &subscriptions { (subscribers(tenant, subscriptions)) }
        h2 { "Versions" }
        @for version in &versions { (one(version)) }
        (as_sql(&format!("select * from webhooks.event_type_catalogue where name = {literal};")))
    };
    finish(
        request,
        &session,
        Section::EventTypes,
        Some(tenant),
        &name,
        &content,
    )
    .await
}

fn volume(name: &str, volumes: &[Volume]) -> Markup {
    let today = Timestamp::now().as_second().div_euclid(86_400);
    let days: Vec<i64> = (0..DAYS)
        .map(|i| {
            let day = today - (DAYS - 1 - i) as i64;
            let of_day = volumes.iter().filter(|v| {
                v.event_type == name && v.bucket_start.as_second().div_euclid(86_400) == day
            });
            of_day.map(|v| v.events).sum()
        })
        .collect();
    let words: Vec<String> = days.iter().map(|n| count(*n)).collect();
    html! {
        (count(days.iter().sum())) " in the last " (DAYS) " days "
        (sparkline(&format!("By day: {}", words.join(", ")), &days))
    }
}

fn subscribers(tenant: Uuid, subscriptions: &[Subscription]) -> Markup {
    html! {
        h2 { "Subscriptions" }
        @if subscriptions.is_empty() { p.empty { "No subscription asks for it." } }
        @else {
            ul { @for s in subscriptions { li {
                a href=(path(tenant, &format!("/subscriptions/{}", s.id))) { (s.name) }
                @if !s.is_on { " " span.muted { "off" } }
            } } }
            @if subscriptions.len() as i64 == MAX_SUBSCRIPTIONS { p.muted { "These are the first " (MAX_SUBSCRIPTIONS) "." } }
        }
    }
}

fn one(version: &Version) -> Markup {
    html! {
        details.entry open[version.is_current] {
            summary {
                "Version " (version.version) @if version.is_current { ", current" }
                @if version.deprecated_at.is_some() { ", deprecated" }
            }
            @if version.deprecated_at.is_some() {
                div.note { p {
                    "Deprecated since " (absolute(version.deprecated_at))
                    @if let Some(reason) = &version.deprecation { ": " (reason) }
                } }
            }
            div.columns {
                div {
                    h3 { "Schema" }
                    @if version.schema.is_some() { (body(version.schema.as_deref())) }
                    @else { p.muted { "There is none: event_data may be anything." } }
                }
                div { h3 { "Example of event_data" } (body(version.example.as_deref())) }
            }
            details { summary { "Example of a request" } (body(version.example_payload.as_deref())) }
        }
    }
}
