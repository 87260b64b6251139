//! The subscriptions of a tenant, with how their receivers do.

use super::day::{self, Day};
use super::filter::Filter;
use super::receiver::{self, STATE};
use super::{CREATE, READ, UPDATE, done, of};
use crate::database::{Access, Database, Mode};
use crate::http::cursor;
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::scopes;
use crate::pages::view::{
    Moment, as_sql, count, delivery_state, next_page, percent, relative, sparkline,
    subscription_state,
};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;
use uuid::Uuid;

const PAGE: usize = 50;

#[derive(Deserialize)]
struct Listed {
    id: Uuid,
    name: String,
    environment: String,
    webhook_url: String,
    subscribed_events: Vec<String>,
    state: String,
    waiting: i64,
    last_status: Option<String>,
    last_at: Option<Moment>,
}

/// Those of a page are chosen first, and the rest is read for these alone, each by an index.
static LIST: LazyLock<String> = LazyLock::new(|| {
    format!(
        "with listed as materialized (
             select s.id, s.name, s.environment, coalesce(s.webhook_url, '') as webhook_url, s.subscribed_events
             from webhooks.webhook_subscriptions s
             where s.tenant_id = $1
               and ($2::text = '' or s.environment = $2)
               and ($3::text = '' or s.subscribed_events ?| array[$3, split_part($3, '.', 1) || '.*', '*'])
               and ($4::text = '' or strpos(lower(s.name), lower($4)) > 0
                    or strpos(lower(coalesce(s.webhook_url, '')), lower($4)) > 0 or s.id::text = lower($4))
               and ($5::text = '' or exists (
                    select from webhooks.subscription_health h where h.subscription_id = s.id and {STATE} = $5))
               and ($6::text is null or (s.name, s.environment, s.id) > ($6, $7::text, $8::uuid))
             order by s.name, s.environment, s.id
             limit $9
         )
         select json_build_object(
             'id', l.id, 'name', l.name, 'environment', l.environment, 'webhook_url', l.webhook_url,
             'subscribed_events', l.subscribed_events,
             'state', (select {STATE} from webhooks.subscription_health h where h.subscription_id = l.id),
             'waiting', {waiting},
             'last_status', a.delivery_status, 'last_at', a.attempted_at)::text as item
         from listed l
         left join lateral (
             select a.delivery_status, a.attempted_at
             from webhooks.delivery_attempts a
             where a.subscription_id = l.id and a.is_test is not true
               and a.delivery_id >= webhooks.uuid_v7_floor(now() - interval '7 days')
             order by a.attempted_at desc limit 1) a on true
         order by l.name, l.environment, l.id",
        waiting = receiver::waiting("l.id", receiver::COUNTED)
    )
});

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(filter): Parameters<Filter>,
) -> Result<Markup, Failure> {
    let after: Option<(String, String, Uuid)> = cursor::decode(filter.cursor.as_deref())?;
    let (after_name, after_environment, after_id) = match &after {
        Some((name, environment, id)) => (Some(name), Some(environment), Some(id)),
        None => (None, None, None),
    };
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, READ, Mode::Read).await?;
    // One more tells whether there is a next page.
    let limit = PAGE as i64 + 1;
    let mut listed: Vec<Listed> = request
        .items(
            &LIST,
            &[
                &tenant,
                &filter.environment,
                &filter.event,
                &filter.q.trim(),
                &filter.state,
                &after_name,
                &after_environment,
                &after_id,
                &limit,
            ],
        )
        .await?;
    let has_more = listed.len() > PAGE;
    listed.truncate(PAGE);
    let next = listed.last().filter(|_| has_more).map(|last| {
        let cursor = cursor::encode(&(&last.name, &last.environment, last.id));
        path(
            tenant,
            &format!("/subscriptions?{}cursor={cursor}", filter.query()),
        )
    });
    let ids: Vec<Uuid> = listed.iter().map(|subscription| subscription.id).collect();
    let days = day::days(&request, tenant, &ids).await?;
    let access = &request.access;
    let may = |scope| scopes::may(access, scope);
    let content = html! {
        (done::note(filter.done.as_deref()))
        div.title {
            h1 { "Subscriptions" }
            div.row {
                @if may(CREATE) { a.button.primary href=(path(tenant, "/subscriptions/new")) { "New subscription" } }
                a.button href=(path(tenant, "/subscriptions/export")) { "Export all" }
                @if may(CREATE) && may(UPDATE) { a.button href=(path(tenant, "/subscriptions/import")) { "Import" } }
            }
        }
        (filter.form(tenant))
        @if listed.is_empty() { (empty(tenant, &filter, access)) }
        @else { (table(tenant, &session.csrf, &listed, &days, may(UPDATE))) }
        (next_page(next.as_deref()))
        (as_sql(&format!("select id, name, environment, webhook_url, is_active, is_enabled from webhooks.list_subscriptions();\nselect * from webhooks.endpoint_health('{tenant}');")))
    };
    finish(
        request,
        &session,
        Section::Subscriptions,
        Some(tenant),
        "Subscriptions",
        &content,
    )
    .await
}

fn empty(tenant: Uuid, filter: &Filter, access: &Access) -> Markup {
    let may_create = scopes::may(access, CREATE);
    html! {
        @if filter.is_any() || filter.cursor.is_some() {
            p.empty { "No subscription is like that. " a href=(path(tenant, "/subscriptions")) { "Show all" } }
        } @else {
            p.empty {
                "There is no subscription yet, so that events go nowhere. "
                @if may_create { a href=(path(tenant, "/subscriptions/new")) { "Create one" } ", or in SQL:" } @else { "In SQL:" }
            }
            pre { code { "select webhooks.create_subscription('" (tenant) "', name => 'Invoices',\n    webhook_url => 'https://hooks.example.com/invoices', subscribed_events => '[\"document.*\"]');" } }
        }
    }
}

fn table(
    tenant: Uuid,
    csrf: &str,
    listed: &[Listed],
    days: &BTreeMap<Uuid, Day>,
    may_update: bool,
) -> Markup {
    let rows = html! {
        div.scroll { table {
            thead { tr {
                th { span.visually-hidden { "choose" } }
                th { "name" } th { "host" } th { "events" } th { "environment" } th { "state" }
                th { "attempts, 24 h" } th.number { "delivered" } th.number { "waiting" } th { "last attempt" }
            } }
            tbody { @for subscription in listed { (row(tenant, subscription, days.get(&subscription.id))) } }
        } }
    };
    let export = path(tenant, "/subscriptions/export");
    if !may_update {
        return html! {
            form method="get" action=(export) {
                (rows)
                div.row.pages { span { "Those chosen, or all:" } button type="submit" { "Export" } }
            }
        };
    }
    html! {
        form method="post" action=(path(tenant, "/subscriptions/enabled")) {
            input type="hidden" name="csrf" value=(csrf);
            (rows)
            div.row.pages {
                span { "Those chosen:" }
                button type="submit" name="enabled" value="true" { "Enable" }
                button type="submit" name="enabled" value="false" { "Disable" }
                button type="submit" formaction=(export) { "Export" }
                span.muted { "A disabled one matches no new events, and what is outstanding to it is held." }
            }
        }
    }
}

fn row(tenant: Uuid, subscription: &Listed, day: Option<&Day>) -> Markup {
    let events = &subscription.subscribed_events;
    html! {
        tr {
            td { input type="checkbox" name="id" value=(subscription.id) aria-label={ "Choose " (subscription.name) }; }
            td.wide { a href=(of(tenant, subscription.id, "")) { (subscription.name) } }
            td.mono { (receiver::host(&subscription.webhook_url)) }
            td.wide {
                (events.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", "))
                @if events.len() > 3 { " and " (events.len() - 3) " more" }
                @if events.is_empty() { span.muted { "none" } }
            }
            td { (subscription.environment) }
            td { (subscription_state(&subscription.state)) }
            td { @match day {
                Some(day) => (sparkline(&format!("{} attempts in 24 hours", count(day.attempts())), &day.hours)),
                None => span.muted { "–" },
            } }
            td.number { (percent(day.and_then(Day::success_rate))) }
            td.number {
                a href=(path(tenant, &format!("/deliveries?subscription={}&status=pending,retrying", subscription.id))) {
                    (receiver::counted(subscription.waiting))
                }
            }
            td { @if let Some(status) = &subscription.last_status { (delivery_state(status)) " " } (relative(subscription.last_at)) }
        }
    }
}
