//! Subscriptions imported, after a look at what would change.

use super::values::{Values, text};
use super::{CREATE, UPDATE, of};
use crate::database::{Access, Database, Mode, Request};
use crate::http::form::Signed;
use crate::http::input::Ids;
use crate::http::problem::Problem;
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::{Frame, Section, page, path};
use crate::pages::refusal::check_writable;
use crate::pages::view::as_sql;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use uuid::Uuid;

/// A row of `import_subscriptions()`.
#[derive(Deserialize)]
struct Change {
    name: Option<String>,
    environment: Option<String>,
    action: String,
    subscription_id: Option<Uuid>,
    before: Option<Map<String, Value>>,
    after: Option<Map<String, Value>>,
    error: Option<String>,
    hint: Option<String>,
}

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
) -> Result<Markup, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, CREATE, Mode::Read).await?;
    check_writable(&request.access)?;
    let shown = import_page(&session, &request.access, tenant, "", None, &html! {});
    request.commit().await?;
    Ok(shown)
}

/// What an import would change.
pub async fn preview(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Signed(values): Signed<Values>,
) -> Result<Response, Failure> {
    check_update(&database, &session).await?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, CREATE, Mode::Trial).await?;
    let json = values.get("subscriptions");
    // Nothing of it is committed.
    match import(&request, tenant, json, true).await {
        Ok(changes) => {
            let table = changes_section(&session, tenant, json, &changes);
            Ok(import_page(&session, &request.access, tenant, json, None, &table).into_response())
        }
        Err(problem) => refused(&session, &request.access, tenant, json, problem),
    }
}

pub async fn apply(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Signed(values): Signed<Values>,
) -> Result<Response, Failure> {
    check_update(&database, &session).await?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, CREATE, Mode::Write).await?;
    let json = values.get("subscriptions");
    match import(&request, tenant, json, false).await {
        Ok(_) => {
            request.commit().await?;
            Ok(Redirect::to(&path(tenant, "/subscriptions?done=imported")).into_response())
        }
        Err(problem) => refused(&session, &request.access, tenant, json, problem),
    }
}

/// An import creates and updates: it needs both scopes.
async fn check_update(database: &Database, session: &Session) -> Result<(), Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, UPDATE, Mode::Read).await?;
    Ok(request.commit().await?)
}

async fn import(
    request: &Request<'_>,
    tenant: Uuid,
    json: &str,
    dry_run: bool,
) -> Result<Vec<Change>, Problem> {
    let changes = request
        .items(
            "select to_json(i)::text as item from webhooks.import_subscriptions($1, $2::text::jsonb, dry_run => $3) i",
            &[&tenant, &json, &dry_run],
        )
        .await;
    changes.map_err(Problem::from)
}

fn refused(
    session: &Session,
    access: &Access,
    tenant: Uuid,
    json: &str,
    problem: Problem,
) -> Result<Response, Failure> {
    if problem.status().as_u16() != 400 {
        return Err(problem.into());
    }
    let shown = import_page(session, access, tenant, json, Some(&problem), &html! {});
    Ok((problem.status(), shown).into_response())
}

fn import_page(
    session: &Session,
    access: &Access,
    tenant: Uuid,
    json: &str,
    problem: Option<&Problem>,
    changes: &Markup,
) -> Markup {
    let content = html! {
        h1 { "Import subscriptions" }
        @if let Some(problem) = problem { (super::field::summary(problem)) }
        (changes)
        form method="post" action=(path(tenant, "/subscriptions/import/preview")) {
            input type="hidden" name="csrf" value=(session.csrf);
            div.field {
                label for="subscriptions" { "What an export gave, as JSON" }
                textarea.tall #subscriptions name="subscriptions" spellcheck="false" placeholder="[{\"name\": \"Invoices\", \"webhook_url\": \"https://…\", \"subscribed_events\": [\"document.*\"]}]" {
                    "\n" (json)
                }
                p.help { "Name and environment tell which subscription is meant. What an object does not have stays as it is, and so does a secret that is null." }
            }
            div.row {
                label.button.upload { "Read a file" input.visually-hidden type="file" accept="application/json,.json" data-into="subscriptions"; }
                button.primary type="submit" { "Show what would change" }
                a href=(path(tenant, "/subscriptions")) { "Cancel" }
            }
        }
        (as_sql(&format!("select webhooks.export_subscriptions('{tenant}');\nselect * from webhooks.import_subscriptions('{tenant}', '[…]', dry_run => true);")))
    };
    let frame = Frame {
        title: "Import subscriptions",
        section: Some(Section::Subscriptions),
        tenant: Some(tenant),
        access,
        csrf: &session.csrf,
    };
    page(&frame, &content)
}

fn changes_section(session: &Session, tenant: Uuid, json: &str, changes: &[Change]) -> Markup {
    let count = |action: &str| {
        changes
            .iter()
            .filter(|change| change.action == action)
            .count()
    };
    let (created, updated, invalid) = (count("created"), count("updated"), count("invalid"));
    html! {
        section {
            h2 { "What would change" }
            p { (created) " created, " (updated) " updated, " (count("unchanged")) " unchanged, " (invalid) " invalid." }
            div.scroll { table {
                thead { tr { th { "name" } th { "environment" } th { "action" } th { "setting" } th { "before" } th { "after" } } }
                tbody { @for change in changes { (rows(tenant, change)) } }
            } }
            @if invalid > 0 {
                p.state.failed role="alert" { "All or none are imported: mend or take out those that are invalid." }
            } @else if created + updated > 0 {
                form method="post" action=(path(tenant, "/subscriptions/import")) {
                    input type="hidden" name="csrf" value=(session.csrf);
                    textarea hidden name="subscriptions" { "\n" (json) }
                    button.primary type="submit" { "Import: create " (created) " and update " (updated) }
                }
            }
        }
    }
}

/// A row for each setting that changes.
fn rows(tenant: Uuid, change: &Change) -> Markup {
    let members = |object: &Option<Map<String, Value>>| object.clone().unwrap_or_default();
    let (before, after) = (members(&change.before), members(&change.after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let lines = names.len().max(1);
    let named = html! {
        td rowspan=(lines) {
            @match change.subscription_id {
                Some(id) => a href=(of(tenant, id, "")) { (change.name.as_deref().unwrap_or("–")) },
                None => (change.name.as_deref().unwrap_or("–")),
            }
        }
        td rowspan=(lines) { (change.environment.as_deref().unwrap_or("–")) }
        td rowspan=(lines) { (change.action) }
    };
    html! {
        @if let Some(error) = &change.error {
            tr { (named) td colspan="3" { span.state.failed { (error) } "." @if let Some(hint) = &change.hint { " " (hint) } } }
        } @else if names.is_empty() {
            tr { (named) td colspan="3" { span.muted { "as it is" } } }
        } @else {
            @for (i, name) in names.iter().enumerate() { tr {
                @if i == 0 { (named) }
                td { (name) }
                td.wide { code { (before.get(*name).map_or_else(String::new, text)) } }
                td.wide { code { (after.get(*name).map_or_else(String::new, text)) } }
            } }
        }
    }
}
