//! How the receiver of a subscription does: its state in a word, and what is outstanding to it.

use super::day::{Day, rate};
use super::{TEST, UPDATE, of};
use crate::database::{ReadError, Request};
use crate::pages::layout::path;
use crate::pages::view::{Moment, absolute, action, breaker, count, relative, subscription_state};
use crate::scope::Scope;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// The words of `endpoint_health()`.
pub const STATES: [&str; 6] = [
    "healthy",
    "failing",
    "paused",
    "breaker open",
    "unverified",
    "disabled",
];
/// The word for a row `h` of `subscription_health`.
pub const STATE: &str = "
    case when h.is_delivered_to is not true then 'disabled'
         when h.verification_state in ('pending', 'refused') then 'unverified'
         when h.breaker_state <> 'closed' then 'breaker open'
         when h.throttled_until is not null then 'paused'
         when h.failing_since is not null then 'failing'
         else 'healthy' end";

/// Up to so many outstanding deliveries are counted.
pub const COUNTED: i64 = 1000;

/// An expression: how many deliveries are outstanding to a subscription, without tests, and no more than about `most`.
pub fn waiting(subscription: &str, most: i64) -> String {
    let of_index = |condition: &str| {
        format!(
            "(select from webhooks.delivery_queue q
              where q.shard between 0 and 15 and q.subscription_id = {subscription} and {condition} limit {most})"
        )
    };
    // One for each index, as outstanding_deliveries() has it.
    let parts = [
        "q.lane is null and q.next_attempt_at is null",
        "q.lane is null and q.next_attempt_at is not null",
        "q.lane is not null",
    ];
    let parts = parts.map(of_index).join(" union all ");
    format!("(select least(count(*), {most}) from ({parts}) w)")
}

/// Such a count.
pub fn counted(waiting: i64) -> String {
    match waiting >= COUNTED {
        true => format!("{} or more", count(waiting)),
        false => count(waiting),
    }
}

/// Host and port of a URL. Its path may be a secret.
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// A row of `subscription_health`, and more.
#[derive(Deserialize)]
pub struct Health {
    pub state: String,
    is_delivered_to: Option<bool>,
    breaker_state: String,
    breaker_since: Option<Moment>,
    probe_at: Option<Moment>,
    failing_since: Option<Moment>,
    last_error: Option<String>,
    disabled_reason: Option<String>,
    verification_state: String,
    verification_since: Option<Moment>,
    verification_error: Option<String>,
    next_verification_at: Option<Moment>,
    allowed_rate_per_minute: Option<i32>,
    throttled_since: Option<Moment>,
    throttled_until: Option<Moment>,
    throttle_status: Option<i32>,
    address_note: Option<String>,
    pub waiting: i64,
}

/// # Errors
/// The database's.
pub async fn health(request: &Request<'_>, id: Uuid) -> Result<Vec<Health>, ReadError> {
    let statement = format!(
        "select (to_jsonb(h) || jsonb_build_object('state', {STATE}, 'waiting', {waiting}))::text as item
         from webhooks.subscription_health h where h.subscription_id = $1",
        waiting = waiting("$1", COUNTED)
    );
    request.items(&statement, &[&id]).await
}

/// The section of a subscription's page.
pub fn section(
    tenant: Uuid,
    id: Uuid,
    health: &Health,
    day: Option<&Day>,
    scopes: &[String],
    csrf: &str,
) -> Markup {
    let may = |scope: Scope| scopes.iter().any(|s| s == scope.name());
    let needs_verification = health.verification_state != "not required";
    html! {
        section #state hx-get=(of(tenant, id, "/state")) hx-target="#state-facts" hx-swap="outerHTML" hx-trigger="every 10s" {
            h2 { "State" }
            (facts(tenant, id, health, day))
            div.row {
                @if may(UPDATE) {
                    form method="post" action=(path(tenant, "/subscriptions/enabled")) {
                        input type="hidden" name="csrf" value=(csrf);
                        input type="hidden" name="id" value=(id);
                        input type="hidden" name="from" value="one";
                        @if health.is_delivered_to == Some(true) {
                            button type="submit" name="enabled" value="false" { "Disable" }
                        } @else {
                            button type="submit" name="enabled" value="true" { "Enable" }
                        }
                    }
                    @if health.breaker_state != "closed" || health.throttled_until.is_some() || health.failing_since.is_some() {
                        (action("Reset breaker", &of(tenant, id, "/reset-breaker"), csrf, "Closes the circuit breaker at once and ends a pause that the receiver asked for. What waits for it becomes due.", None))
                    }
                    @if needs_verification {
                        (action("Verify", &of(tenant, id, "/verify"), csrf, "Asks the receiver again whether it agrees to deliveries. Deliveries wait for its answer.", None))
                    }
                }
                @if !may(UPDATE) && !may(TEST) { span.muted { "This session may only read." } }
            }
        }
    }
}

/// The part of it that is renewed.
pub fn facts(tenant: Uuid, id: Uuid, health: &Health, day: Option<&Day>) -> Markup {
    html! {
        dl.facts #state-facts {
            dt { "State" } dd {
                (subscription_state(&health.state))
                @if let Some(reason) = &health.disabled_reason { " by the system: " (reason) }
                @else if health.is_delivered_to != Some(true) { " " span.muted { "by its switches: it matches no events, and what is outstanding is held" } }
            }
            dt { "Attempts, 24 h" } dd { (rate(day)) }
            dt { "Waiting" } dd {
                a href=(path(tenant, &format!("/deliveries?subscription={id}&status=pending,retrying"))) { (counted(health.waiting)) }
            }
            dt { "Circuit breaker" } dd {
                (breaker(&health.breaker_state)) " since " (relative(health.breaker_since))
                @if health.probe_at.is_some() { ", probe " (relative(health.probe_at)) }
            }
            @if health.failing_since.is_some() { dt { "Failing since" } dd { (absolute(health.failing_since)) } }
            @if let Some(error) = &health.last_error { dt { "Last error" } dd { (error) } }
            @if health.throttled_until.is_some() {
                dt { "Pause" } dd {
                    "the receiver asked for it"
                    @if let Some(status) = health.throttle_status { " with status " (status) }
                    " " (relative(health.throttled_since)) ", until " (absolute(health.throttled_until))
                }
            }
            dt { "Verification" } dd {
                (health.verification_state)
                @if health.verification_since.is_some() { " since " (absolute(health.verification_since)) }
                @if let Some(rate) = health.allowed_rate_per_minute { ", at most " (rate) " requests a minute" }
                @if let Some(error) = &health.verification_error { ": " (error) }
                @if health.next_verification_at.is_some() { ", asked again " (relative(health.next_verification_at)) }
            }
            @if let Some(note) = &health.address_note {
                dt { "Address" } dd { (note) ", not on the public internet: sidecars need " code { "--allow-network" } " for it" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_shown_without_what_follows() {
        for (url, shown) in [
            ("https://hooks.example.com/T0/secret", "hooks.example.com"),
            ("http://[::1]:8080?token=x", "[::1]:8080"),
            ("odd", "odd"),
        ] {
            assert_eq!(host(url), shown);
        }
    }
}
