//! Search: an id of any kind leads to its page, and other words to the events that have them.

use super::address::{given, with};
use super::events::list::Filter;
use super::failure::Failure;
use super::finish::finish;
use super::layout::{Section, path};
use super::scopes::{READ_DELIVERIES, READ_EVENTS, may};
use super::view::{as_sql, sql_text};
use crate::database::{Database, Mode, Refused, Request};
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use crate::scope::Scope;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Words {
    #[serde(deserialize_with = "given")]
    q: Option<String>,
}

/// What an id can be of: the section, and whether there is one. Each looks in one partition.
const OF_IDS: [(Scope, &str, &str); 3] = [
    (
        READ_DELIVERIES,
        "subscriptions",
        "select from webhooks.webhook_subscriptions s where s.id = $2 and s.tenant_id = $1",
    ),
    (
        READ_EVENTS,
        "events",
        "select from webhooks.event_logs e where e.id = $2 and e.tenant_id = $1",
    ),
    (
        READ_DELIVERIES,
        "deliveries",
        "select from webhooks.webhook_delivery_logs d where d.id = $2 and d.tenant_id = $1 limit 1",
    ),
];

pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(words): Parameters<Words>,
) -> Result<Response, Failure> {
    let mut connection = database.connection().await?;
    // Of either scope: what is found is of those that the session has.
    let scope = match connection
        .begin(&session.who, READ_EVENTS, Mode::Read)
        .await
    {
        Err(refused) if is_forbidden(&refused) => READ_DELIVERIES,
        _ => READ_EVENTS,
    };
    let request = connection.begin(&session.who, scope, Mode::Read).await?;
    let sees_events = may(&request.access, READ_EVENTS);
    let text = words.q.as_deref().unwrap_or_default().trim();
    let found = match text.parse() {
        Ok(id) => of_id(&request, tenant, id).await?,
        Err(_) if text.is_empty() => None,
        Err(_) if !sees_events => {
            Some(path(tenant, &format!("/subscriptions?q={}", escaped(text))))
        }
        Err(_) => of_text(&request, tenant, text).await?,
    };
    if let Some(to) = found {
        request.commit().await?;
        return Ok(Redirect::to(&to).into_response());
    }
    let by_resource = Filter {
        resource_type: Some(text.to_owned()),
        ..Filter::default()
    };
    let literal = sql_text(text);
    let section = match sees_events {
        true => Section::Events,
        false => Section::Subscriptions,
    };
    let content = html! {
        h1 { "Search" }
        @if text.is_empty() {
            @if sees_events { p.empty { "Search for the id of an event, a delivery, a subscription or a resource, a type of events such as document.* or document.uploaded, an idempotency key, or a type of resources." } }
            @else { p.empty { "Search for the id of a delivery or a subscription, or for the name or the URL of a subscription." } }
        } @else if !sees_events {
            p.empty { "No subscription and no delivery has the id " strong { (text) } "." }
        } @else {
            p.empty { "No event type and no idempotency key is " strong { (text) } "." }
            p { a href=(with(&path(tenant, "/events"), &by_resource)) { "Events of the last day with this type of resource" } }
            (as_sql(&format!("select * from webhooks.list_events('{tenant}', resource_type => {});", literal.trim_start())))
        }
    };
    let shown = finish(request, &session, section, Some(tenant), "Search", &content).await?;
    Ok(shown.into_response())
}

/// As a query has it.
fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn is_forbidden(refused: &Refused) -> bool {
    matches!(refused, Refused::Database(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE))
}

/// The page of what has the id, or else the events of the resource that has it; `None`: the session sees none.
async fn of_id(request: &Request<'_>, tenant: Uuid, id: Uuid) -> Result<Option<String>, Failure> {
    for (scope, section, look_up) in OF_IDS {
        let is_there = may(&request.access, scope)
            && !request.rows(look_up, &[&tenant, &id]).await?.is_empty();
        if is_there {
            return Ok(Some(path(tenant, &format!("/{section}/{id}"))));
        }
    }
    if !may(&request.access, READ_EVENTS) {
        return Ok(None);
    }
    let filter = Filter {
        resource_id: Some(id.to_string()),
        ..Filter::default()
    };
    Ok(Some(with(&path(tenant, "/events"), &filter)))
}

/// The events of a type or of an idempotency key.
async fn of_text(
    request: &Request<'_>,
    tenant: Uuid,
    text: &str,
) -> Result<Option<String>, Failure> {
    let row = request
        .row(
            "select exists (select from webhooks.event_types t
                            where $2 in (t.name, split_part(t.name, '.', 1) || '.*')) as is_type,
                    webhooks_private.event_of_key($1, $2) is not null as is_key",
            &[&tenant, &text],
        )
        .await?;
    let given = Some(text.to_owned());
    let filter = match (row.try_get("is_type")?, row.try_get("is_key")?) {
        (true, _) => Filter {
            event_type: given,
            ..Filter::default()
        },
        (_, true) => Filter {
            key: given,
            ..Filter::default()
        },
        _ => return Ok(None),
    };
    Ok(Some(with(&path(tenant, "/events"), &filter)))
}
