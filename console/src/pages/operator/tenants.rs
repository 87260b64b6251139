//! All tenants, with what they use and may use.

use crate::database::{Access, Database, Mode};
use crate::http::cursor;
use crate::http::input::Parameters;
use crate::http::session::Session;
use crate::pages::address::{given, with};
use crate::pages::failure::Failure;
use crate::pages::layout::{Section, path};
use crate::pages::scopes::{OPERATE, READ_DELIVERIES, READ_EVENTS, READ_METRICS, may};
use crate::pages::view::{as_sql, count, linked, next_page};
use axum::extract::State;
use maud::{Markup, html};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

const LIMIT: i32 = 100;

#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
pub struct Place {
    #[serde(deserialize_with = "given")]
    cursor: Option<String>,
}

/// A row of `list_tenants()`.
#[derive(Deserialize)]
struct Tenant {
    tenant_id: Uuid,
    subscriptions: i64,
    max_subscriptions: Option<i64>,
    events_per_minute: Option<i64>,
    max_events_per_minute: Option<i64>,
    outstanding_deliveries: i64,
    max_outstanding_deliveries: Option<i64>,
    events_of_day: i64,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Parameters(place): Parameters<Place>,
) -> Result<Markup, Failure> {
    let after: Option<Uuid> = cursor::decode(place.cursor.as_deref())?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, OPERATE, Mode::Read).await?;
    let tenants: Vec<Tenant> = request
        .items(
            "select to_json(t)::text as item from webhooks.list_tenants($1, $2) t order by t.tenant_id",
            // One more tells whether there is a next page.
            &[&(LIMIT + 1), &after],
        )
        .await?;
    let limit = usize::try_from(LIMIT).unwrap_or_default();
    let shown = &tenants[..tenants.len().min(limit)];
    let next = match shown.last() {
        Some(last) if tenants.len() > limit => {
            let rest = Place {
                cursor: Some(cursor::encode(&last.tenant_id)),
            };
            Some(with("/operator/tenants", &rest))
        }
        _ => None,
    };
    let content = html! {
        h1 { "Tenants" }
        @if shown.is_empty() {
            p.empty { "There is no tenant yet. One is there as soon as it has a subscription or an event:" }
            pre { code { "select webhooks.create_subscription(gen_random_uuid(), '{\"name\": \"first\", \"webhook_url\": \"https://example.com/hook\", \"subscribed_events\": [\"*\"]}');" } }
        } @else { (table(&request.access, shown)) }
        (next_page(next.as_deref()))
        p.muted { "A maximum is set for one tenant, or by the settings tenant_max_… for all others. Events of the last day are those that were counted, up to some minutes ago." }
        (as_sql("select * from webhooks.list_tenants();\nselect webhooks.set_tenant_limits('…', max_events_per_minute => 1000);"))
    };
    super::finish(request, &session, Section::Tenants, "Tenants", &content).await
}

fn table(access: &Access, tenants: &[Tenant]) -> Markup {
    let pages = [
        (READ_DELIVERIES, "subscriptions"),
        (READ_EVENTS, "events"),
        (READ_DELIVERIES, "deliveries"),
    ];
    html! {
        div.scroll { table {
            thead { tr { th { "tenant" } th { "subscriptions" } th { "outstanding deliveries" } th { "events of this minute" } th.number { "events, last day" } th { "pages" } } }
            tbody { @for t in tenants { tr {
                td { (linked(may(access, READ_METRICS), &path(t.tenant_id, ""), &html! { span.id { (t.tenant_id) } })) }
                td { (usage(Some(t.subscriptions), t.max_subscriptions, "subscriptions")) }
                td { (usage(Some(t.outstanding_deliveries), t.max_outstanding_deliveries, "outstanding deliveries")) }
                td { (usage(t.events_per_minute, t.max_events_per_minute, "events")) }
                td.number { (count(t.events_of_day)) }
                td { @for (scope, page) in pages { @if may(access, scope) {
                    a href=(path(t.tenant_id, &format!("/{page}"))) { (page) } " "
                } } }
            } } }
        } }
    }
}

/// What is used of what may be.
fn usage(used: Option<i64>, maximum: Option<i64>, what: &str) -> Markup {
    html! {
        @match (used, maximum) {
            (Some(used), Some(maximum)) => {
                (count(used)) " of " (count(maximum)) " "
                meter min="0" max=(maximum.max(1)) value=(used.min(maximum.max(1))) aria-label={ (what) " used" } {}
            }
            (Some(used), None) => { (count(used)) " " span.muted { "no limit" } }
            (None, _) => span.muted { "no limit" },
        }
    }
}
