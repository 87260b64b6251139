//! Which subscriptions match an event, and why the others do not.

use crate::database::{ReadError, Request};
use crate::pages::layout::path;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// So many are shown.
const MAX_SHOWN: i64 = 200;

/// A row of `explain_match()`.
#[derive(Deserialize)]
pub struct Match {
    subscription_id: Uuid,
    subscription_name: String,
    reason: Option<String>,
}

/// As subscriptions are now: those that match come last.
pub async fn explain(
    request: &Request<'_>,
    tenant: Uuid,
    event: Uuid,
) -> Result<Vec<Match>, ReadError> {
    request
        .items(
            "select to_json(m)::text as item
             from webhooks.event_logs e
             cross join lateral webhooks.explain_match(
                 e.tenant_id, e.event_type, e.event_data, e.resource_type, e.resource_id, e.environment) m
             where e.id = $2 and e.tenant_id = $1
             order by m.matched, m.subscription_name, m.subscription_id limit $3",
            &[&tenant, &event, &MAX_SHOWN],
        )
        .await
}

/// How many subscriptions a tenant has.
pub async fn subscriptions(
    request: &Request<'_>,
    tenant: Uuid,
) -> Result<i64, tokio_postgres::Error> {
    let count = "select count(*) as n from webhooks.webhook_subscriptions s where s.tenant_id = $1";
    request.row(count, &[&tenant]).await?.try_get("n")
}

pub fn table(tenant: Uuid, matches: &[Match]) -> Markup {
    html! {
        section #why aria-labelledby="why-title" {
            h2 #why-title { "What matches it" }
            p.muted { "As the subscriptions are now." }
            @if matches.is_empty() {
                p.empty { "There is no subscription, or the event is no longer kept." }
            } @else {
                div.scroll { table {
                    thead { tr { th { "subscription" } th { "matches" } th { "why not" } } }
                    tbody { @for m in matches { tr {
                        td { a href=(path(tenant, &format!("/subscriptions/{}", m.subscription_id))) { (m.subscription_name) } }
                        td { @if m.reason.is_none() { "yes" } @else { "no" } }
                        td.wide { (m.reason.as_deref().unwrap_or("–")) }
                    } } }
                } }
                @if matches.len() as i64 == MAX_SHOWN { p.muted { "These are the first " (MAX_SHOWN) "." } }
            }
        }
    }
}
