//! The numbers of an overview. Each leads to the rows behind it, if the session may see them.

use crate::database::{Access, ReadError, Request};
use crate::pages::address::with;
use crate::pages::deliveries::list::Filter;
use crate::pages::layout::path;
use crate::pages::scopes::{READ_DELIVERIES, may};
use crate::pages::view::{Moment, count, linked, milliseconds, percent, relative};
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// Up to so many outstanding deliveries are counted: a page does not read a whole backlog.
const COUNTED: i64 = 10_000;

#[derive(Deserialize)]
struct Figures {
    total_deliveries: i64,
    success_rate: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Backlog {
    due: i64,
    waiting: i64,
    oldest_due_at: Option<Moment>,
}

pub struct Numbers {
    figures: Option<Figures>,
    backlog: Backlog,
}

/// # Errors
/// The database's.
pub async fn read(request: &Request<'_>, tenant: Uuid) -> Result<Numbers, ReadError> {
    let figures: Vec<Figures> = request
        .items(
            "select to_json(m)::text as item from webhooks.delivery_metrics($1, 1) m",
            &[&tenant],
        )
        .await?;
    let backlog: Vec<Backlog> = request
        .items(
            "select json_build_object(
                 'due', count(*) filter (where (q.next_attempt_at <= now()) is not false),
                 'waiting', count(*),
                 'oldest_due_at', min(coalesce(q.next_attempt_at, webhooks.uuid_v7_time(q.id)))
                     filter (where (q.next_attempt_at <= now()) is not false))::text as item
             from (select q.id, q.next_attempt_at from webhooks.delivery_queue q
                   where q.tenant_id = $1 limit $2) q",
            &[&tenant, &COUNTED],
        )
        .await?;
    Ok(Numbers {
        figures: figures.into_iter().next(),
        backlog: backlog.into_iter().next().unwrap_or_default(),
    })
}

/// `p95`: of the last hour. `failing`: endpoints, if the session may see them. `alerts`: those that fire, for operators.
pub fn list(
    tenant: Uuid,
    access: &Access,
    numbers: &Numbers,
    p95: Option<f64>,
    failing: Option<usize>,
    alerts: Option<usize>,
) -> Markup {
    let Numbers { figures, backlog } = numbers;
    let total = figures.as_ref().map_or(0, |f| f.total_deliveries);
    let rate = figures.as_ref().and_then(|f| f.success_rate);
    let hour = Timestamp::now() - SignedDuration::from_hours(1);
    let deliveries = |status: Option<&str>, from: Option<Timestamp>, shown: Markup| {
        let filter = Filter {
            status: status.map(str::to_owned),
            from: from.map(|at| at.strftime("%Y-%m-%dT%H:%M:%S").to_string()),
            ..Filter::default()
        };
        let to = with(&path(tenant, "/deliveries"), &filter);
        linked(may(access, READ_DELIVERIES), &to, &shown)
    };
    let of_backlog = |n: i64| match backlog.waiting >= COUNTED {
        true => html! { (count(n)) " or more" },
        false => html! { (count(n)) },
    };
    html! {
        dl.figures {
            div { dt { "delivered, 24 h" } dd {
                (deliveries(Some("delivered"), None, html! { (percent(rate)) })) " "
                small { "of " (deliveries(None, None, html! { (count(total)) })) }
            } }
            div { dt { "response p95, last hour" } dd {
                (deliveries(Some("delivered"), Some(hour), html! { (milliseconds(p95)) }))
            } }
            div { dt { "due now" } dd {
                (deliveries(Some("pending,retrying"), None, of_backlog(backlog.due)))
                @if backlog.oldest_due_at.is_some() { " " small { "oldest " (relative(backlog.oldest_due_at)) } }
            } }
            div { dt { "waiting for a retry or a time" } dd {
                (deliveries(Some("pending,retrying"), None, of_backlog(backlog.waiting - backlog.due)))
            } }
            @if let Some(failing) = failing { div { dt { "failing endpoints" } dd { a href="#attention" { (failing) } } } }
            @if let Some(alerts) = alerts { div { dt { "alerts" } dd { a href="/operator/alerts" { (alerts) } } } }
        }
    }
}
