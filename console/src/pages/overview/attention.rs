//! What needs attention: alerts that fire, for operators, and subscriptions that do not deliver as they should.

use crate::database::{Access, ReadError, Request};
use crate::pages::layout::path;
use crate::pages::scopes::{UPDATE, may};
use crate::pages::subscriptions::host;
use crate::pages::view::{Moment, action, relative, severity};
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// So many of each are listed.
const MOST: i64 = 20;

/// A subscription that does not deliver as it should.
#[derive(Deserialize)]
pub struct Trouble {
    subscription_id: Uuid,
    name: String,
    webhook_url: String,
    state: String,
    since: Option<Moment>,
    last_error: Option<String>,
    /// Its deliveries wait for a circuit breaker or a pause.
    waits: bool,
    is_disabled: bool,
}

/// A row of `alerts`.
#[derive(Deserialize)]
pub struct Alert {
    severity: String,
    rule: String,
    since: Option<Moment>,
    description: String,
    detail: Option<String>,
    subscription_id: Option<Uuid>,
    subscription_name: Option<String>,
}

/// # Errors
/// The database's.
pub async fn troubles(request: &Request<'_>, tenant: Uuid) -> Result<Vec<Trouble>, ReadError> {
    request
        .items(
            "select to_json(t)::text as item from (
                 select h.subscription_id, h.name, s.webhook_url, h.last_error,
                        h.breaker_state <> 'closed' or h.throttled_until is not null as waits,
                        h.disabled_reason is not null as is_disabled,
                        case when h.breaker_state <> 'closed' then 'circuit breaker ' || h.breaker_state
                             when h.disabled_reason is not null then 'disabled: ' || h.disabled_reason
                             when h.throttled_until is not null then 'the receiver asked for a pause'
                             when h.verification_state in ('pending', 'refused') then 'verification ' || h.verification_state
                             else 'failing' end as state,
                        coalesce(h.failing_since, h.breaker_since) as since
                 from webhooks.subscription_health h
                 join webhooks.webhook_subscriptions s on s.id = h.subscription_id
                 where h.tenant_id = $1
                   and (h.breaker_state <> 'closed' or h.disabled_reason is not null or h.failing_since is not null
                        or h.throttled_until is not null or h.verification_state in ('pending', 'refused'))
                 order by since limit $2) t",
            &[&tenant, &MOST],
        )
        .await
}

/// Those about a tenant or about the database as a whole, for operators.
///
/// # Errors
/// The database's.
pub async fn alerts(request: &Request<'_>, tenant: Uuid) -> Result<Vec<Alert>, ReadError> {
    request
        .items(
            "select to_json(a)::text as item from (
                 select a.severity, a.rule, a.since, a.description, a.detail, a.subscription_id, a.subscription_name
                 from webhooks.alerts a
                 where a.tenant_id = $1 or a.tenant_id is null
                 order by a.severity <> 'critical', a.since, a.rule limit $2) a",
            &[&tenant, &MOST],
        )
        .await
}

/// `troubles`: `None` if the session may not see subscriptions.
pub fn section(
    tenant: Uuid,
    access: &Access,
    csrf: &str,
    alerts: &[Alert],
    troubles: Option<&[Trouble]>,
) -> Markup {
    let is_well = alerts.is_empty() && troubles.is_none_or(<[_]>::is_empty);
    html! {
        section #attention {
            h2 { "Needs attention" }
            @if is_well { p.empty { "Nothing: every receiver takes its deliveries." } }
            @else { ul.attention {
                @for alert in alerts { li { (one_alert(tenant, alert)) } }
                @for trouble in troubles.unwrap_or_default() { li { (one(tenant, access, csrf, trouble)) } }
            } }
        }
    }
}

fn one_alert(tenant: Uuid, alert: &Alert) -> Markup {
    let to = match alert.subscription_id {
        Some(id) => path(tenant, &format!("/subscriptions/{id}")),
        None => "/operator/alerts".to_owned(),
    };
    html! {
        p {
            (severity(&alert.severity)) " " strong { (alert.rule) } " " (relative(alert.since)) ": " (alert.description)
            @if let Some(name) = &alert.subscription_name { " " (name) "." }
            @if let Some(detail) = &alert.detail { " " span.muted { (detail) } }
        }
        a.button href=(to) { "Open" span.visually-hidden { " alert " (alert.rule) } }
    }
}

fn one(tenant: Uuid, access: &Access, csrf: &str, trouble: &Trouble) -> Markup {
    let own = |rest: &str| {
        path(
            tenant,
            &format!("/subscriptions/{}{rest}", trouble.subscription_id),
        )
    };
    html! {
        p {
            span.state.failed { span aria-hidden="true" { "●" } " " (trouble.state) } ": "
            strong { (trouble.name) } " → " span.mono { (host(&trouble.webhook_url)) }
            @if trouble.since.is_some() { " " span.muted { (relative(trouble.since)) } }
            @if let Some(error) = &trouble.last_error { " " span.muted { (error) } }
        }
        a.button href=(own("")) { "Open" span.visually-hidden { " " (trouble.name) } }
        @if trouble.waits && may(access, UPDATE) {
            (action("Probe now", &own("/reset-breaker"), csrf, &format!("Closes the circuit breaker of {} at once, and ends a pause that the receiver asked for: what waits is attempted now.", trouble.name), None))
        }
        @if trouble.is_disabled && may(access, UPDATE) {
            (action("Enable", &path(tenant, "/subscriptions/enabled"), csrf, &format!("Events from now on go to {} again, and what was held is delivered.", trouble.name), Some(html! {
                input type="hidden" name="id" value=(trouble.subscription_id);
                input type="hidden" name="enabled" value="true";
                input type="hidden" name="from" value="one";
            })))
        }
    }
}
