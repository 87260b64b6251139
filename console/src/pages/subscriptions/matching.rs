//! Which events a subscription gets, and why it does not get others.

use super::of;
use crate::database::Request;
use crate::http::problem::Problem;
use crate::pages::layout::path;
use crate::pages::scopes::{READ_EVENTS, may};
use crate::pages::view::{count, id, linked};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// The last events of a day, fewer of them if a tenant has thousands of subscriptions, since each event is explained for
/// all of these.
const LATEST: &str = "
    with latest as materialized (
        select e.*
        from webhooks.event_logs e
        where e.tenant_id = $1 and e.is_test is not true
          and e.id >= webhooks.uuid_v7_floor(now() - interval '1 day')
          and e.id < webhooks.uuid_v7_floor(now() + interval '1 minute')
        order by e.created_at desc
        limit (select greatest(1, least(100, 20000 / greatest(count(*), 1)))
               from webhooks.webhook_subscriptions s where s.tenant_id = $1)
    )
    select count(*) as events, count(*) filter (where m.matched) as matched
    from latest e
    cross join lateral (
        select x.matched
        from webhooks.explain_match($1, e.event_type, e.event_data, e.resource_type, e.resource_id, e.environment) x
        where x.subscription_id = $2) m";

#[derive(Deserialize)]
struct Explained {
    event_type: String,
    matched: bool,
    reason: Option<String>,
}

/// How many of the latest events match.
///
/// # Errors
/// The database's.
pub async fn latest(
    request: &Request<'_>,
    tenant: Uuid,
    subscription: Uuid,
) -> Result<Markup, Problem> {
    let row = request.row(LATEST, &[&tenant, &subscription]).await?;
    let (events, matched): (i64, i64) = (row.try_get("events")?, row.try_get("matched")?);
    Ok(html! {
        @match events {
            0 => span.muted { "No event was published in the last day to try this with." },
            events => {
                "Of the last " (count(events)) " events, " strong { (count(matched)) }
                @if matched == 1 { " matches." } @else { " match." }
            }
        }
    })
}

/// The section of a subscription's page: the latest events, and one of them explained.
///
/// # Errors
/// The database's; there is no such event.
pub async fn section(
    request: &Request<'_>,
    tenant: Uuid,
    subscription: Uuid,
    event: Option<&str>,
) -> Result<Markup, Problem> {
    let latest = latest(request, tenant, subscription).await?;
    let explained = match event {
        Some(event) => Some(explain(request, tenant, subscription, event).await?),
        None => None,
    };
    Ok(html! {
        section #matching {
            h2 { "What matches" }
            p { (latest) }
            form.filters method="get" action={ (of(tenant, subscription, "")) "#matching" } {
                div {
                    label for="event" { "Explain for the event with the id" }
                    input #event name="event" type="text" value=(event.unwrap_or_default()) autocomplete="off";
                }
                button type="submit" { "Explain" }
            }
            @if let Some(explained) = explained { (explained) }
        }
    })
}

async fn explain(
    request: &Request<'_>,
    tenant: Uuid,
    subscription: Uuid,
    event: &str,
) -> Result<Markup, Problem> {
    let Ok(event_id) = event.trim().parse::<Uuid>() else {
        return Ok(
            html! { p.state.failed role="alert" { "This is no id of an event: " code { (event) } } },
        );
    };
    let found: Vec<Explained> = request
        .items(
            "select json_build_object('event_type', e.event_type, 'matched', x.matched, 'reason', x.reason)::text as item
             from webhooks.event_logs e
             cross join lateral webhooks.explain_match(
                 $1, e.event_type, e.event_data, e.resource_type, e.resource_id, e.environment) x
             where e.id = $3 and e.tenant_id = $1 and x.subscription_id = $2",
            &[&tenant, &subscription, &event_id],
        )
        .await?;
    let sees_events = may(&request.access, READ_EVENTS);
    Ok(html! {
        @match found.first() {
            None => p.state.failed role="alert" { "There is no event " (id(event_id)) "." },
            Some(explained) => {
                p {
                    (linked(sees_events, &path(tenant, &format!("/events/{event_id}")), &html! { (explained.event_type) })) ": "
                    @if explained.matched { span.state.delivered { span aria-hidden="true" { "✓" } " it matches" } }
                    @else { span.state.held { span aria-hidden="true" { "–" } " it does not match" } }
                }
                @if let Some(reason) = &explained.reason { pre { (reason) } }
            }
        }
    })
}
