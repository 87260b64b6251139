//! The deliveries of a tenant.

use crate::database::{Database, Mode, ReadError, Request};
use crate::http::cursor;
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use crate::pages::address::{given, with};
use crate::pages::choices;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::refusal::{refusable, status};
use crate::pages::scopes::{READ_DELIVERIES, READ_EVENTS, may};
use crate::pages::view::{
    Choice, Moment, absolute, as_sql, choice_filter, delivery_state, filters, linked, milliseconds,
    next_page, refused, relative, short, sql_text, time_filter,
};
use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use uuid::Uuid;

const LIMIT: i32 = 50;

/// Statuses, alone and as people look for them.
const STATUSES: [(&str, &str); 8] = [
    ("pending,retrying", "outstanding"),
    ("failed,expired", "failed or expired"),
    ("pending", "pending"),
    ("retrying", "retrying"),
    ("delivered", "delivered"),
    ("failed", "failed"),
    ("expired", "expired"),
    ("cancelled", "cancelled"),
];

/// What was chosen.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Filter {
    /// One or more, separated by commas.
    #[serde(deserialize_with = "given")]
    pub status: Option<String>,
    #[serde(deserialize_with = "given")]
    pub subscription: Option<String>,
    #[serde(deserialize_with = "given")]
    pub from: Option<String>,
    #[serde(deserialize_with = "given")]
    pub to: Option<String>,
    #[serde(deserialize_with = "given")]
    pub cursor: Option<String>,
}

#[derive(Deserialize)]
struct Delivery {
    id: Uuid,
    made_at: Option<Moment>,
    subscription_id: Uuid,
    /// `None`: it was deleted.
    subscription_name: Option<String>,
    event_log_id: Uuid,
    delivery_status: String,
    delivery_attempt: i32,
    http_status_code: Option<i32>,
    duration_us: Option<i64>,
    error_message: Option<String>,
    next_retry_at: Option<Moment>,
    is_test: bool,
}

async fn read(
    request: &Request<'_>,
    tenant: Uuid,
    filter: &Filter,
    after: Option<Uuid>,
) -> Result<Vec<Delivery>, ReadError> {
    let statuses: Option<Vec<&str>> = filter.status.as_deref().map(|s| s.split(',').collect());
    request
        .items(
            "select json_build_object(
                 'id', d.id, 'made_at', webhooks.uuid_v7_time(d.id), 'subscription_id', d.subscription_id,
                 'subscription_name', s.name, 'event_log_id', d.event_log_id, 'delivery_status', d.delivery_status,
                 'delivery_attempt', d.delivery_attempt, 'http_status_code', d.http_status_code,
                 'duration_us', d.duration_us, 'error_message', d.error_message, 'next_retry_at', d.next_retry_at,
                 'is_test', d.is_test)::text as item
             from webhooks.list_deliveries(
                 $1, since => coalesce($2::text::timestamptz, now() - interval '1 day'),
                 until => coalesce($3::text::timestamptz, 'infinity'), statuses => $4::text[],
                 subscription_id => $5::text::uuid, max_rows => $6::integer, after_id => $7) d
             left join webhooks.webhook_subscriptions s on s.id = d.subscription_id
             order by d.id desc",
            &[
                &tenant,
                &filter.from,
                &filter.to,
                &statuses,
                &filter.subscription,
                // One more tells whether there is a next page.
                &(LIMIT + 1),
                &after,
            ],
        )
        .await
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
        .begin(&session.who, READ_DELIVERIES, Mode::Read)
        .await?;
    let subscriptions = choices::subscriptions(&request, tenant).await?;
    let found = refusable(read(&request, tenant, &filter, after).await)?;
    let statuses = STATUSES.map(|(status, words)| (status.to_owned(), words.to_owned()));
    let content = html! {
        h1 { "Deliveries" }
        (form(tenant, &filter, &statuses, &subscriptions))
        @match &found {
            Ok(deliveries) => (table(tenant, &filter, deliveries, may(&request.access, READ_EVENTS))),
            Err(problem) => (refused(problem)),
        }
        (as_sql(&statement(tenant, &filter)))
    };
    let shown = finish(
        request,
        &session,
        Section::Deliveries,
        Some(tenant),
        "Deliveries",
        &content,
    )
    .await?;
    Ok((status(&found), shown))
}

fn form(tenant: Uuid, filter: &Filter, statuses: &[Choice], subscriptions: &[Choice]) -> Markup {
    filters(
        &path(tenant, "/deliveries"),
        &html! {
            (choice_filter("status", "status", statuses, filter.status.as_deref(), "all"))
            (choice_filter("subscription", "subscription", subscriptions, filter.subscription.as_deref(), "all subscriptions"))
            (time_filter("from", "made from", filter.from.as_deref()))
            (time_filter("to", "to", filter.to.as_deref()))
        },
    )
}

fn table(tenant: Uuid, filter: &Filter, deliveries: &[Delivery], sees_events: bool) -> Markup {
    let limit = usize::try_from(LIMIT).unwrap_or_default();
    let shown = &deliveries[..deliveries.len().min(limit)];
    let next = match shown.last() {
        Some(last) if deliveries.len() > limit => {
            let rest = Filter {
                cursor: Some(cursor::encode(&last.id)),
                ..filter.clone()
            };
            Some(with(&path(tenant, "/deliveries"), &rest))
        }
        _ => None,
    };
    html! {
        @if shown.is_empty() {
            p.empty {
                "There are no such deliveries" @if filter.from.is_none() { " of the last day" } ". "
                "A delivery is made for each subscription that matches an event when it is published: "
                "the page of an event says what matches it, and why not."
            }
        } @else {
            div.scroll { table {
                thead { tr { th { "made" } th { "delivery" } th { "status" } th { "subscription" } th { "event" } th.number { "attempt" } th { "last answer" } th { "next attempt" } } }
                tbody { @for delivery in shown { (row(tenant, delivery, sees_events)) } }
            } }
            (next_page(next.as_deref()))
        }
    }
}

fn row(tenant: Uuid, delivery: &Delivery, sees_events: bool) -> Markup {
    let event = path(tenant, &format!("/events/{}", delivery.event_log_id));
    let duration = delivery.duration_us.map(|us| us as f64 / 1000.0);
    html! {
        tr {
            td { (absolute(delivery.made_at)) }
            td { a href=(path(tenant, &format!("/deliveries/{}", delivery.id))) { (short(delivery.id)) } @if delivery.is_test { " " span.muted { "test" } } }
            td { (delivery_state(&delivery.delivery_status)) }
            td {
                @match &delivery.subscription_name {
                    Some(name) => a href=(path(tenant, &format!("/subscriptions/{}", delivery.subscription_id))) { (name) },
                    None => { (short(delivery.subscription_id)) " " span.muted { "deleted" } }
                }
            }
            td { (linked(sees_events, &event, &short(delivery.event_log_id))) }
            td.number { (delivery.delivery_attempt) }
            td.wide {
                @if let Some(code) = delivery.http_status_code { (code) " in " (milliseconds(duration)) }
                @else { (delivery.error_message.as_deref().unwrap_or("–")) }
            }
            td { (relative(delivery.next_retry_at)) }
        }
    }
}

fn statement(tenant: Uuid, filter: &Filter) -> String {
    let mut text = format!("select * from webhooks.list_deliveries('{tenant}'");
    for (name, value) in [
        ("since", &filter.from),
        ("until", &filter.to),
        ("subscription_id", &filter.subscription),
    ] {
        if let Some(value) = value {
            // Writing to a string does not fail.
            let _ = write!(text, ", {name} => {}", sql_text(value).trim_start());
        }
    }
    if let Some(status) = &filter.status {
        let statuses: Vec<String> = status.split(',').map(sql_text).collect();
        let _ = write!(text, ", statuses => array[{}]", statuses.join(", "));
    }
    text + ");"
}
