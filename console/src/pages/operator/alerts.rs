//! Alerts: what fires, what did, and the rules.

use crate::database::{Access, Database, Mode};
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::{Section, path};
use crate::pages::scopes::{OPERATE, READ_DELIVERIES, READ_METRICS, may};
use crate::pages::view::{Moment, absolute, as_sql, linked, relative, severity};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Number;
use uuid::Uuid;

#[derive(Deserialize)]
struct Alert {
    severity: String,
    rule: String,
    subject: String,
    tenant_id: Option<Uuid>,
    subscription_id: Option<Uuid>,
    subscription_name: Option<String>,
    since: Option<Moment>,
    value: Option<Number>,
    threshold: Number,
    unit: String,
    detail: Option<String>,
    description: String,
    action: String,
}

#[derive(Deserialize)]
struct Past {
    severity: String,
    rule: String,
    subject: String,
    detail: Option<String>,
    fired_at: Option<Moment>,
    resolved_at: Option<Moment>,
}

#[derive(Deserialize)]
struct Rule {
    name: String,
    is_enabled: bool,
    severity: String,
    fires_when: String,
    threshold: Number,
    unit: String,
    for_seconds: i64,
    description: String,
    is_changed: bool,
}

pub async fn show(State(database): State<Database>, session: Session) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, OPERATE, Mode::Read).await?;
    let alerts: Vec<Alert> = request
        .items(
            "select to_json(a)::text as item from webhooks.alerts a
             order by a.severity <> 'critical', a.since, a.rule, a.subject limit 200",
            &[],
        )
        .await?;
    let past: Vec<Past> = request
        .items(
            "select to_json(h)::text as item from (
                 select h.severity, h.rule, h.subject, h.detail, h.fired_at, h.resolved_at
                 from webhooks.alert_history h where h.resolved_at is not null order by h.id desc limit 50) h",
            &[],
        )
        .await?;
    let rules: Vec<Rule> = request
        .items(
            "select to_json(r)::text as item from webhooks.alert_rules r order by r.severity <> 'critical', r.name",
            &[],
        )
        .await?;
    let content = html! {
        h1 { "Alerts" }
        section #firing hx-get="/operator/alerts" hx-select="#firing" hx-swap="outerHTML" hx-trigger="every 30s" {
            h2 { "What fires" }
            @if alerts.is_empty() { p.empty { "Nothing: all is well." } }
            @for alert in &alerts { (one(&request.access, alert)) }
        }
        h2 { "What has fired" }
        (history(&past))
        h2 { "Rules" }
        (rules_table(&rules))
        (as_sql("select * from webhooks.alerts;\nselect * from webhooks.alert_history order by id desc;\nselect * from webhooks.alert_rules;\nselect webhooks.set_alert_rule('delivery_overdue', threshold => 600);"))
    };
    super::finish(request, &session, Section::Alerts, "Alerts", &content).await
}

fn one(access: &Access, alert: &Alert) -> Markup {
    let name = alert.subscription_name.as_deref();
    html! {
        div.note.failed[alert.severity == "critical"].held[alert.severity != "critical"] {
            p {
                (severity(&alert.severity)) " " strong { (alert.rule) } " since " (relative(alert.since)) ": "
                @match &alert.value { Some(value) => (value), None => "–" }
                " " (alert.unit) ", threshold " (alert.threshold)
            }
            p { (alert.description) @if let Some(detail) = &alert.detail { " " (detail) } }
            @match (alert.tenant_id, alert.subscription_id) {
                (Some(tenant), Some(id)) => p { (linked(may(access, READ_DELIVERIES), &path(tenant, &format!("/subscriptions/{id}")), &html! { (name.unwrap_or("the subscription")) })) },
                (Some(tenant), None) => p { (linked(may(access, READ_METRICS), &path(tenant, ""), &html! { "the tenant" })) },
                _ => @if !alert.subject.is_empty() { p.mono { (alert.subject) } },
            }
            p.muted { (alert.action) }
        }
    }
}

fn history(past: &[Past]) -> Markup {
    html! {
        @if past.is_empty() { p.empty { "Nothing that is resolved by now." } }
        @else { div.scroll { table {
            thead { tr { th { "fired" } th { "resolved" } th { "severity" } th { "rule" } th { "about" } th { "found" } } }
            tbody { @for p in past { tr {
                td { (absolute(p.fired_at)) } td { (absolute(p.resolved_at)) } td { (severity(&p.severity)) } td { (p.rule) }
                td.wide { (p.subject) } td.wide { (p.detail.as_deref().unwrap_or("–")) }
            } } }
        } } }
    }
}

fn rules_table(rules: &[Rule]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr { th { "rule" } th { "severity" } th { "fires" } th { "meaning" } } }
            tbody { @for r in rules { tr {
                td { (r.name) @if r.is_changed { " " span.muted { "changed" } } @if !r.is_enabled { " " span.muted { "off" } } }
                td { (severity(&r.severity)) }
                td { (r.fires_when) " " (r.threshold) " " (r.unit) @if r.for_seconds > 0 { " for " (r.for_seconds) " s" } }
                td.wide { (r.description) }
            } } }
        } }
    }
}
