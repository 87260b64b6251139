//! The events of a tenant.

use crate::database::{Database, Mode};
use crate::http::cursor;
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use crate::pages::address::{given, with};
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::refusal::{refusable, status};
use crate::pages::scopes::READ_EVENTS;
use crate::pages::view::{
    Moment, absolute, as_sql, choice_filter, filters, id, next_page, refused, sql_text,
    text_filter, time_filter,
};
use crate::pages::{choices, view};
use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use uuid::Uuid;

const LIMIT: i32 = 50;

/// What was chosen.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Filter {
    #[serde(rename = "type", deserialize_with = "given")]
    pub event_type: Option<String>,
    #[serde(deserialize_with = "given")]
    pub resource_type: Option<String>,
    #[serde(deserialize_with = "given")]
    pub resource_id: Option<String>,
    #[serde(deserialize_with = "given")]
    pub id: Option<String>,
    #[serde(deserialize_with = "given")]
    pub key: Option<String>,
    #[serde(deserialize_with = "given")]
    pub from: Option<String>,
    #[serde(deserialize_with = "given")]
    pub to: Option<String>,
    #[serde(deserialize_with = "given")]
    pub cursor: Option<String>,
}

#[derive(Deserialize)]
struct Event {
    id: Uuid,
    event_type: String,
    resource_type: Option<String>,
    resource_id: Option<Uuid>,
    created_at: Option<Moment>,
    /// With all digits, as the next page needs it.
    exact_created_at: Option<String>,
    environment: Option<String>,
    idempotency_key: Option<String>,
    is_test: Option<bool>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(filter): Parameters<Filter>,
) -> Result<(StatusCode, Markup), Failure> {
    let after: Option<(String, Uuid)> = cursor::decode(filter.cursor.as_deref())?;
    let (until, after_id) = match &after {
        Some((created_at, id)) => (Some(created_at), Some(*id)),
        None => (filter.to.as_ref(), None),
    };
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&session.who, READ_EVENTS, Mode::Read)
        .await?;
    let types = choices::event_types(&request).await?;
    let found = request
        .items(
            "select json_build_object(
                 'id', e.id, 'event_type', e.event_type, 'resource_type', e.resource_type,
                 'resource_id', e.resource_id, 'created_at', e.created_at,
                 'exact_created_at', e.created_at::text, 'environment', e.environment,
                 'idempotency_key', e.idempotency_key, 'is_test', e.is_test)::text as item
             from webhooks.list_events(
                 $1, since => coalesce($2::text::timestamptz, now() - interval '1 day'),
                 until => coalesce($3::text::timestamptz, 'infinity'),
                 event_types => case when $4::text is not null then array[$4::text] end,
                 resource_type => $5, resource_id => $6::text::uuid, event_id => $7::text::uuid,
                 idempotency_key => $8, max_events => $9::integer, after_id => $10) e",
            &[
                &tenant,
                &filter.from,
                &until,
                &filter.event_type,
                &filter.resource_type,
                &filter.resource_id,
                &filter.id,
                &filter.key,
                // One more tells whether there is a next page.
                &(LIMIT + 1),
                &after_id,
            ],
        )
        .await;
    let found = refusable(found)?;
    let content = html! {
        h1 { "Events" }
        (filters(&path(tenant, "/events"), &html! {
            (choice_filter("type", "type", &types, filter.event_type.as_deref(), "all types"))
            (text_filter("resource_type", "resource type", filter.resource_type.as_deref()))
            (text_filter("resource_id", "resource id", filter.resource_id.as_deref()))
            (text_filter("id", "event id", filter.id.as_deref()))
            (text_filter("key", "idempotency key", filter.key.as_deref()))
            (time_filter("from", "from", filter.from.as_deref()))
            (time_filter("to", "to", filter.to.as_deref()))
        }))
        @match &found {
            Ok(events) => (table(tenant, &filter, events)),
            Err(problem) => (refused(problem)),
        }
        (as_sql(&statement(tenant, &filter)))
    };
    let shown = finish(
        request,
        &session,
        Section::Events,
        Some(tenant),
        "Events",
        &content,
    )
    .await?;
    Ok((status(&found), shown))
}

fn table(tenant: Uuid, filter: &Filter, events: &[Event]) -> Markup {
    if events.is_empty() {
        return empty(tenant, filter);
    }
    let limit = usize::try_from(LIMIT).unwrap_or_default();
    let shown = &events[..events.len().min(limit)];
    let next = match shown.last() {
        Some(last) if events.len() > limit => Some(next(tenant, filter, last)),
        _ => None,
    };
    html! {
        div.scroll { table {
            thead { tr { th { "time" } th { "event" } th { "type" } th { "resource" } th { "environment" } th { "idempotency key" } } }
            tbody { @for event in shown { tr {
                td { (absolute(event.created_at)) }
                td { a href=(path(tenant, &format!("/events/{}", event.id))) { (view::short(event.id)) } }
                td { (event.event_type) @if event.is_test == Some(true) { " " span.muted { "test" } } }
                td {
                    (event.resource_type.as_deref().unwrap_or("–"))
                    @if let Some(resource) = event.resource_id { " " (id(resource)) }
                }
                td { (event.environment.as_deref().unwrap_or("all")) }
                td.wide { (event.idempotency_key.as_deref().unwrap_or("–")) }
            } } }
        } }
        (next_page(next.as_deref()))
    }
}

fn next(tenant: Uuid, filter: &Filter, last: &Event) -> String {
    let after = (
        last.exact_created_at.as_deref().unwrap_or_default(),
        last.id,
    );
    let rest = Filter {
        event_type: filter.event_type.clone(),
        resource_type: filter.resource_type.clone(),
        resource_id: filter.resource_id.clone(),
        from: filter.from.clone(),
        to: filter.to.clone(),
        cursor: Some(cursor::encode(&after)),
        ..Filter::default()
    };
    with(&path(tenant, "/events"), &rest)
}

fn empty(tenant: Uuid, filter: &Filter) -> Markup {
    let is_all = filter.event_type.is_none()
        && filter.resource_type.is_none()
        && filter.resource_id.is_none()
        && filter.id.is_none()
        && filter.key.is_none();
    html! {
        p.empty {
            @if is_all { "No event was published " } @else { "No such event was published " }
            @if filter.from.is_none() { "in the last day. Choose an earlier time, or publish one:" }
            @else { "in that time. Choose another one, or publish one:" }
        }
        pre { code { "select webhooks.publish_event('" (tenant) "', 'document.uploaded', event_data => '{\"name\": \"a.pdf\"}');" } }
    }
}

fn statement(tenant: Uuid, filter: &Filter) -> String {
    let mut text = format!("select * from webhooks.list_events('{tenant}'");
    for (name, value) in [
        ("since", &filter.from),
        ("until", &filter.to),
        ("resource_type", &filter.resource_type),
        ("resource_id", &filter.resource_id),
        ("event_id", &filter.id),
        ("idempotency_key", &filter.key),
    ] {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(text, ", {name} => {}", sql_text(value).trim_start());
        }
    }
    if let Some(event_type) = &filter.event_type {
        let _ = write!(
            text,
            ", event_types => array[{}]",
            sql_text(event_type).trim_start()
        );
    }
    text + ");"
}
