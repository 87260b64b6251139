//! All types of events.

use super::{DAYS, Volume, volumes};
use crate::database::{Database, Mode, ReadError, Request};
use crate::http::input::Ids;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::scopes::{READ_DELIVERIES, READ_EVENTS, READ_METRICS, may};
use crate::pages::view::{as_sql, count};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeMap;
use uuid::Uuid;

#[derive(Deserialize)]
struct EventType {
    name: String,
    version: String,
    description: Option<String>,
    is_builtin: bool,
    versions: i64,
    has_schema: bool,
    is_deprecated: bool,
}

#[derive(Deserialize)]
struct Subscribers {
    name: String,
    subscriptions: i64,
}

async fn types(request: &Request<'_>) -> Result<Vec<EventType>, ReadError> {
    request
        .items(
            "select json_build_object(
                 'name', t.name, 'version', min(t.version) filter (where t.is_current),
                 'description', min(t.description), 'is_builtin', bool_and(t.is_builtin), 'versions', count(*),
                 'has_schema', coalesce(bool_or(t.schema is not null) filter (where t.is_current), false),
                 'is_deprecated', coalesce(bool_or(t.deprecated_at is not null) filter (where t.is_current),
                                           false))::text as item
             from webhooks.event_type_catalogue t
             group by t.name
             order by t.name",
            &[],
        )
        .await
}

/// How many subscriptions of the tenant ask for each type.
async fn subscribers(
    request: &Request<'_>,
    tenant: Uuid,
) -> Result<BTreeMap<String, i64>, ReadError> {
    let found: Vec<Subscribers> = request
        .items(
            "select json_build_object('name', t.name, 'subscriptions', count(*))::text as item
             from webhooks.event_types t
             join webhooks.webhook_subscriptions s
                 on s.subscribed_events ?| array[t.name::text, split_part(t.name, '.', 1) || '.*', '*']
             where s.tenant_id = $1
             group by t.name",
            &[&tenant],
        )
        .await?;
    let pairs = found.into_iter().map(|s| (s.name, s.subscriptions));
    Ok(pairs.collect())
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&session.who, READ_EVENTS, Mode::Read)
        .await?;
    let types = types(&request).await?;
    let subscribers = match may(&request.access, READ_DELIVERIES) {
        true => Some(subscribers(&request, tenant).await?),
        false => None,
    };
    let volumes = match may(&request.access, READ_METRICS) {
        true => Some(totals(&volumes(&request, tenant).await?)),
        false => None,
    };
    let content = html! {
        h1 { "Event types" }
        div.scroll { table {
            thead { tr {
                th { "type" } th { "description" } th { "version" } th { "schema" }
                @if subscribers.is_some() { th.number { "subscriptions" } }
                @if volumes.is_some() { th.number { "events, " (DAYS) " days" } }
            } }
            tbody { @for t in &types { tr {
                td { a href=(path(tenant, &format!("/event-types/{}", t.name))) { (t.name) } }
                td.wide { (t.description.as_deref().unwrap_or("–")) @if !t.is_builtin { " " span.muted { "own" } } }
                td {
                    (t.version)
                    @if t.versions > 1 { " " span.muted { "of " (t.versions) } }
                    @if t.is_deprecated { " " span.state.retrying { span aria-hidden="true" { "!" } " deprecated" } }
                }
                td { @if t.has_schema { "yes" } @else { "–" } }
                @if let Some(all) = &subscribers { td.number { (count(all.get(&t.name).copied().unwrap_or_default())) } }
                @if let Some(all) = &volumes { td.number {
                    a href=(path(tenant, &format!("/events?type={}", t.name))) { (count(all.get(&t.name).copied().unwrap_or_default())) }
                } }
            } } }
        } }
        p.muted { "Register a type of your own, or a new version of one, as the owner of the extension:" }
        pre { code { "select webhooks.register_event_type('invoice.paid', 'invoice', schema => '{\"type\": \"object\"}');" } }
        (as_sql(&format!("select * from webhooks.event_type_catalogue;\nselect * from webhooks.event_volume('{tenant}', '1 day', now() - interval '6 days');")))
    };
    finish(
        request,
        &session,
        Section::EventTypes,
        Some(tenant),
        "Event types",
        &content,
    )
    .await
}

fn totals(volumes: &[Volume]) -> BTreeMap<String, i64> {
    let mut totals = BTreeMap::new();
    for volume in volumes {
        *totals.entry(volume.event_type.clone()).or_default() += volume.events;
    }
    totals
}
