//! How far a recovery is, and how its deliveries go.

use super::Recovery;
use crate::database::{Database, Mode, ReadError, Request};
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use crate::pages::address::with;
use crate::pages::failure::Failure;
use crate::pages::layout::{Frame, Section, page, path};
use crate::pages::scopes::{READ_AUDIT, RETRY, may};
use crate::pages::view::{as_sql, count, delivery_state, quantity, sql_text};
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;
use uuid::Uuid;

/// So many deliveries are looked at.
const MAX_DELIVERIES: i32 = 10_000;

/// How many deliveries have a status.
#[derive(Deserialize)]
struct Outcome {
    status: String,
    deliveries: i64,
}

/// Of the deliveries that were made again while this went on.
async fn outcomes(
    request: &Request<'_>,
    tenant: Uuid,
    recovery: &Recovery,
) -> Result<Vec<Outcome>, ReadError> {
    request
        .items(
            "select to_json(o)::text as item from (
                 select d.delivery_status as status, count(*) as deliveries
                 from webhooks.list_deliveries(
                     $1, $2::text::timestamptz, coalesce($3::text::timestamptz, 'infinity'),
                     subscription_id => $4::text::uuid, max_rows => $5::integer) d
                 where d.id in (
                     select r.delivery_id from webhooks.redeliveries r
                     where r.tenant_id = $1 and r.delivery_id >= webhooks.uuid_v7_floor($2::text::timestamptz))
                 group by d.delivery_status
                 order by d.delivery_status) o",
            &[
                &tenant,
                &recovery.started,
                &recovery.ended,
                &recovery.subscription,
                &MAX_DELIVERIES,
            ],
        )
        .await
}

/// What sends the next batch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A script, at once: the page is the answer to a batch.
    Script,
    /// A button: the page was opened or loaded again.
    Button,
    /// Nothing: the session has not signed the address.
    Nothing,
}

const PURPOSE: &str = "recovery";

/// The path of a recovery's progress, and with the session's signature.
fn unsigned(tenant: Uuid, recovery: &Recovery) -> String {
    let unsigned = Recovery {
        signature: None,
        ..recovery.clone()
    };
    with(&path(tenant, "/recover/progress"), &unsigned)
}

pub fn signed(session: &Session, tenant: Uuid, recovery: &Recovery) -> String {
    let signature = session.sign(PURPOSE, &unsigned(tenant, recovery));
    let signed = Recovery {
        signature: Some(signature),
        ..recovery.clone()
    };
    with(&path(tenant, "/recover/progress"), &signed)
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(recovery): Parameters<Recovery>,
) -> Result<Markup, Failure> {
    let signature = recovery.signature.as_deref().unwrap_or_default();
    let next = match session.has_signed(PURPOSE, &unsigned(tenant, &recovery), signature) {
        true => Next::Button,
        false => Next::Nothing,
    };
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, RETRY, Mode::Read).await?;
    shown(request, &session, tenant, &recovery, next).await
}

/// The page, at the end of its request.
///
/// # Errors
/// The database's.
pub async fn shown(
    request: Request<'_>,
    session: &Session,
    tenant: Uuid,
    recovery: &Recovery,
    next: Next,
) -> Result<Markup, Failure> {
    let outcomes = match recovery.started {
        Some(_) => outcomes(&request, tenant, recovery).await?,
        None => Vec::new(),
    };
    let own_path = signed(session, tenant, recovery);
    let is_queued = recovery.ended.is_some();
    // While it is queued, the form below renews it.
    let goes_on = is_queued
        && outcomes
            .iter()
            .any(|o| matches!(o.status.as_str(), "pending" | "retrying"));
    let content = html! {
        h1 { "Recover" }
        section #progress hx-get=[goes_on.then_some(own_path.as_str())] hx-select="#progress"
            hx-swap="outerHTML" hx-trigger="every 3s" {
            @if is_queued { (queued(recovery)) }
            @else { (running(tenant, &session.csrf, recovery, next)) }
            (table(tenant, recovery, &outcomes))
        }
        p.row {
            a.button href=(path(tenant, "/recover")) { "Recover more" }
            @if may(&request.access, READ_AUDIT) { a href=(path(tenant, "/audit")) { "Audit log" } }
        }
        (as_sql(&statement(tenant, recovery)))
    };
    let frame = Frame {
        title: "Recover",
        section: Some(Section::Recover),
        tenant: Some(tenant),
        access: &request.access,
        csrf: &session.csrf,
    };
    let shown = page(&frame, &content);
    request.commit().await?;
    Ok(shown)
}

fn queued(recovery: &Recovery) -> Markup {
    let made = recovery.made();
    html! {
        div.note.delivered role="status" {
            @if made == 0 { p { "Nothing was made again: there was nothing left, or nothing matches now." } }
            @else { p { (quantity(made, "delivery is", "deliveries are")) " made again." } }
        }
    }
}

/// How far it is, and the next batch.
fn running(tenant: Uuid, csrf: &str, recovery: &Recovery, next: Next) -> Markup {
    let trigger = match next {
        Next::Script => "load, submit",
        Next::Button | Next::Nothing => "submit",
    };
    let chosen = Recovery {
        total: None,
        made: None,
        after: None,
        started: None,
        signature: None,
        ..recovery.clone()
    };
    let (made, total) = (recovery.made(), recovery.total().max(recovery.made()));
    html! {
        p role="status" {
            label for="bar" { (count(made)) " of " (count(total)) " are queued. " }
            progress #bar value=(made) max=(total) { (made) " of " (total) }
        }
        @if next == Next::Nothing {
            p { "This address is not of a recovery that you began in this session." }
            p { a.button href=(with(&path(tenant, "/recover"), &chosen)) { "See what it would be" } }
        } @else {
            form method="post" action=(path(tenant, "/recover")) hx-post=(path(tenant, "/recover")) hx-trigger=(trigger)
                hx-select="#progress" hx-target="#progress" hx-swap="outerHTML" {
                input type="hidden" name="csrf" value=(csrf);
                (recovery.fields())
                p.muted { "If you leave this page, the rest is not made again." }
                button.primary type="submit" { "Go on" }
            }
        }
    }
}

fn table(tenant: Uuid, recovery: &Recovery, outcomes: &[Outcome]) -> Markup {
    let link = |status: &str| {
        let filter = crate::pages::deliveries::list::Filter {
            status: Some(status.to_owned()),
            subscription: recovery.subscription.clone(),
            from: recovery.started.clone(),
            to: recovery.ended.clone(),
            cursor: None,
        };
        with(&path(tenant, "/deliveries"), &filter)
    };
    let seen: i64 = outcomes.iter().map(|o| o.deliveries).sum();
    html! {
        @if !outcomes.is_empty() {
            h2 { "How they go" }
            div.scroll { table {
                thead { tr { th { "status" } th.number { "deliveries" } } }
                tbody { @for outcome in outcomes { tr {
                    td { (delivery_state(&outcome.status)) }
                    td.number { a href=(link(&outcome.status)) { (count(outcome.deliveries)) } }
                } } }
            } }
            @if recovery.made() > seen && seen > 0 { p.muted { "These are the last " (count(seen)) "." } }
        }
    }
}

fn statement(tenant: Uuid, recovery: &Recovery) -> String {
    let from = recovery.started.as_deref().unwrap_or("today");
    let from = sql_text(from);
    let from = from.trim_start();
    format!(
        "select d.delivery_status, count(*)\nfrom webhooks.list_deliveries('{tenant}', since => {from}, max_rows => {MAX_DELIVERIES}) d\njoin webhooks.redeliveries r on r.delivery_id = d.id\ngroup by 1;"
    )
}
