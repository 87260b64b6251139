//! What to make again, and what that would be.

use super::plan::MayOpen;
use super::preview::{self, Preview};
use super::{Recovery, What};
use crate::database::{Access, Database, Mode};
use crate::http::input::{Ids, Parameters};
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::finish::finish;
use crate::pages::layout::{Section, path};
use crate::pages::refusal::refusable;
use crate::pages::scopes::{READ_DELIVERIES, READ_EVENTS, RETRY, may};
use crate::pages::view::{
    Choice, action, as_sql, choice_filter, count, filters, refused, sql_text, time_filter,
};
use crate::pages::{choices, refusal};
use axum::extract::State;
use axum::http::StatusCode;
use maud::{Markup, html};
use uuid::Uuid;

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(chosen): Parameters<Recovery>,
) -> Result<(StatusCode, Markup), Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, RETRY, Mode::Read).await?;
    let may_open = MayOpen {
        deliveries: may(&request.access, READ_DELIVERIES),
        events: may(&request.access, READ_EVENTS),
    };
    let subscriptions = match may_open.deliveries {
        true => choices::subscriptions(&request, tenant).await?,
        false => Vec::new(),
    };
    let types = match may_open.events {
        true => choices::event_types(&request).await?,
        false => Vec::new(),
    };
    let what = chosen.what();
    let chosen = if what.is_some() {
        chosen.settled()
    } else {
        chosen
    };
    let found: Result<Option<Preview>, Problem> = match what {
        Some(what) => refusable(preview::read(&request, tenant, what, &chosen).await)?.map(Some),
        None => Ok(None),
    };
    let content = html! {
        h1 { "Recover" }
        p.muted { "Make deliveries again after a receiver was away, or after a subscription was wrong. Nothing is sent before you have seen what it will be." }
        (form(tenant, &chosen, &subscriptions, &types))
        @match (&found, what) {
            (Err(problem), _) => (refused(problem)),
            (Ok(Some(preview)), Some(what)) => {
                (plan(tenant, &request.access, &session.csrf, what, &chosen, preview))
                (preview.sample(tenant, may_open))
            }
            _ => {}
        }
        (as_sql(&statement(tenant, what, &chosen)))
    };
    let shown = finish(
        request,
        &session,
        Section::Recover,
        Some(tenant),
        "Recover",
        &content,
    )
    .await?;
    Ok((refusal::status(&found), shown))
}

fn form(tenant: Uuid, chosen: &Recovery, subscriptions: &[Choice], types: &[Choice]) -> Markup {
    let current = chosen.what().unwrap_or(What::Failed);
    filters(
        &path(tenant, "/recover"),
        &html! {
            div {
                label for="what" { "make again" }
                select #what name="what" {
                    @for what in What::ALL {
                        option value=(what.word()) selected[what == current] { (what.label()) }
                    }
                }
            }
            (choice_filter("subscription", "subscription", subscriptions, chosen.subscription.as_deref(), "all subscriptions"))
            (choice_filter("type", "type of events", types, chosen.event_type.as_deref(), "all types"))
            (time_filter("from", "from", chosen.from.as_deref()))
            (time_filter("to", "to", chosen.to.as_deref()))
        },
    )
}

/// What would happen, and the button that does it.
fn plan(
    tenant: Uuid,
    access: &Access,
    csrf: &str,
    what: What,
    chosen: &Recovery,
    preview: &Preview,
) -> Markup {
    let period = html! { "from " (chosen.from.as_deref().unwrap_or_default()) " to " (chosen.to.as_deref().unwrap_or_default()) " UTC" };
    html! {
        h2 { "What it would be" }
        p.muted { "Of " (what.label()) ", " (period) ":" }
        (preview.counts())
        @if preview.can_run() && access.is_read_only {
            p.muted { (preview.sentence()) " Not from here: the console is read-only." }
        } @else if preview.can_run() {
            // A script sends it, which then goes on with the answers.
            div hx-boost="true" { (action(
                preview.label(), &path(tenant, "/recover"), csrf, &preview.sentence(),
                Some(fields(chosen, preview.deliveries())))) }
        } @else {
            p.empty { "There is nothing to make again in that time." }
        }
    }
}

fn fields(chosen: &Recovery, total: i64) -> Markup {
    let total = total.to_string();
    let begun = Recovery {
        total: Some(total),
        made: None,
        after: None,
        started: None,
        ended: None,
        ..chosen.clone()
    };
    begun.fields()
}

fn statement(tenant: Uuid, what: Option<What>, chosen: &Recovery) -> String {
    let text = |value: &Option<String>, other: &str| {
        let given = value.as_deref();
        given.map_or_else(|| other.to_owned(), |v| sql_text(v).trim_start().to_owned())
    };
    let from = text(&chosen.from, "now() - interval '1 day'");
    let to = text(&chosen.to, "now()");
    let subscription = text(&chosen.subscription, "null");
    let types = chosen.event_type.as_deref().map_or_else(String::new, |t| {
        format!(", event_types => array[{}]", sql_text(t).trim_start())
    });
    match what {
        None | Some(What::Failed) => {
            let ids = match &chosen.subscription {
                Some(_) => format!("s.id = {subscription}"),
                None => format!("s.tenant_id = '{tenant}'"),
            };
            format!(
                "-- Repeat it until it returns 0.\nselect s.name, webhooks.retry_failed(s.id, {from}, {to}, dry_run => true{types})\nfrom webhooks.webhook_subscriptions s where {ids};"
            )
        }
        Some(What::Events) => {
            format!(
                "-- Repeat it with after => resume_after until that is null.\nselect * from webhooks.replay_events('{tenant}', {from}, {to}, subscription_id => {subscription}, dry_run => true{types});"
            )
        }
        Some(What::Unmatched) => format!(
            "select * from webhooks.replay_event_set(\n    '{tenant}', array(select event_log_id from webhooks.unmatched_events('{tenant}', {from}, {to}, {}{types})), {subscription},\n    dry_run => true);",
            count(preview::MAX_UNMATCHED).replace(',', "")
        ),
    }
}
