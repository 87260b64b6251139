//! The audit log of a tenant: who changed what, with before and after side by side.

use super::address::{given, with};
use super::failure::Failure;
use super::finish::finish;
use super::layout::{Section, path};
use super::refusal::{refusable, status};
use super::scopes::{READ_AUDIT, READ_DELIVERIES, READ_EVENTS, may};
use super::view::{
    Moment, absolute, as_sql, filters, next_page, refused, sql_text, text_filter, time_filter,
};
use crate::database::{Access, Database, Mode};
use crate::http::cursor;
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Write;
use uuid::Uuid;

const LIMIT: i32 = 50;

/// What was chosen.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Filter {
    #[serde(deserialize_with = "given")]
    object_type: Option<String>,
    #[serde(deserialize_with = "given")]
    object_id: Option<String>,
    #[serde(deserialize_with = "given")]
    from: Option<String>,
    #[serde(deserialize_with = "given")]
    to: Option<String>,
    #[serde(deserialize_with = "given")]
    cursor: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    id: Uuid,
    occurred_at: Option<Moment>,
    action: String,
    object_type: String,
    object_id: String,
    before: Option<Value>,
    after: Option<Value>,
    reason: Option<String>,
    acting_role: Option<String>,
    user_id: Option<String>,
    request_id: Option<String>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(filter): Parameters<Filter>,
) -> Result<(StatusCode, Markup), Failure> {
    let after: Option<Uuid> = cursor::decode(filter.cursor.as_deref())?;
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&session.who, READ_AUDIT, Mode::Read)
        .await?;
    let found = request
        .items(
            "select to_json(a)::text as item
             from webhooks.list_audit_log(
                 $1, since => coalesce($2::text::timestamptz, now() - interval '30 days'),
                 until => coalesce($3::text::timestamptz, 'infinity'), object_type => $4, object_id => $5,
                 max_entries => $6::integer, after_id => $7) a",
            &[
                &tenant,
                &filter.from,
                &filter.to,
                &filter.object_type,
                &filter.object_id,
                // One more tells whether there is a next page.
                &(LIMIT + 1),
                &after,
            ],
        )
        .await;
    let found = refusable(found)?;
    let content = html! {
        h1 { "Audit log" }
        (filters(&path(tenant, "/audit"), &html! {
            (text_filter("object_type", "kind of object", filter.object_type.as_deref()))
            (text_filter("object_id", "id of the object", filter.object_id.as_deref()))
            (time_filter("from", "from", filter.from.as_deref()))
            (time_filter("to", "to", filter.to.as_deref()))
        }))
        @match &found {
            Ok(entries) => (list(tenant, &request.access, &filter, entries)),
            Err(problem) => (refused(problem)),
        }
        (as_sql(&statement(tenant, &filter)))
    };
    let shown = finish(
        request,
        &session,
        Section::Audit,
        Some(tenant),
        "Audit log",
        &content,
    )
    .await?;
    Ok((status(&found), shown))
}

fn list(tenant: Uuid, access: &Access, filter: &Filter, entries: &[Entry]) -> Markup {
    let limit = usize::try_from(LIMIT).unwrap_or_default();
    let shown = &entries[..entries.len().min(limit)];
    let next = match shown.last() {
        Some(last) if entries.len() > limit => {
            let rest = Filter {
                cursor: Some(cursor::encode(&last.id)),
                ..filter.clone()
            };
            Some(with(&path(tenant, "/audit"), &rest))
        }
        _ => None,
    };
    html! {
        @if shown.is_empty() {
            p.empty { "Nothing was changed" @if filter.from.is_none() { " in the last 30 days" } ". Each change of a subscription, a limit or a token, and each retry and replay, leaves a line here." }
        }
        @for entry in shown { (one(tenant, access, entry)) }
        (next_page(next.as_deref()))
    }
}

fn one(tenant: Uuid, access: &Access, entry: &Entry) -> Markup {
    html! {
        details.entry {
            summary {
                (absolute(entry.occurred_at)) " " strong { (entry.action) } " " (entry.object_type) " "
                span.id { (entry.object_id) }
                @if let Some(reason) = &entry.reason { ": " (reason) }
            }
            dl.facts {
                dt { "by" } dd { (by(entry)) }
                @if let Some(request) = &entry.request_id { dt { "request" } dd { (request) } }
                @if let Some(to) = object_page(tenant, access, entry) { dt { "object" } dd { a href=(to) { (entry.object_type) } } }
            }
            (changes(entry.before.as_ref(), entry.after.as_ref()))
        }
    }
}

/// The page of what was changed, if the session may see it.
fn object_page(tenant: Uuid, access: &Access, entry: &Entry) -> Option<String> {
    let (section, scope) = match entry.object_type.as_str() {
        "subscription" => ("subscriptions", READ_DELIVERIES),
        "event" => ("events", READ_EVENTS),
        "delivery" => ("deliveries", READ_DELIVERIES),
        _ => return None,
    };
    if !may(access, scope) {
        return None;
    }
    let id: Uuid = entry.object_id.parse().ok()?;
    Some(path(tenant, &format!("/{section}/{id}")))
}

/// Who made the change: a group role, which the database tells, and the user of the application, if any is known.
fn by(entry: &Entry) -> String {
    match (&entry.acting_role, &entry.user_id) {
        (Some(role), Some(user)) => format!("role {role}, user {user}"),
        (Some(role), None) => format!("role {role}"),
        (None, Some(user)) => format!("user {user}"),
        (None, None) => "the operator".to_owned(),
    }
}

/// Each column with its value before and after.
fn changes(before: Option<&Value>, after: Option<&Value>) -> Markup {
    let none = Map::new();
    let before = before.and_then(Value::as_object).unwrap_or(&none);
    let after = after.and_then(Value::as_object).unwrap_or(&none);
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    html! {
        @if !names.is_empty() { div.scroll { table {
            thead { tr { th { "what" } th { "before" } th { "after" } } }
            tbody { @for name in names { tr {
                td { (name) }
                td.wide.mono { (value(before.get(name))) }
                td.wide.mono { (value(after.get(name))) }
            } } }
        } } }
    }
}

fn value(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn statement(tenant: Uuid, filter: &Filter) -> String {
    let mut text = format!("select * from webhooks.list_audit_log('{tenant}'");
    for (name, value) in [
        ("since", &filter.from),
        ("until", &filter.to),
        ("object_type", &filter.object_type),
        ("object_id", &filter.object_id),
    ] {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(text, ", {name} => {}", sql_text(value).trim_start());
        }
    }
    text + ");"
}
