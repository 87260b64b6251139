//! Subscriptions exported: all, or those that were chosen.

use super::READ;
use super::values::Values;
use crate::database::{Database, Mode};
use crate::http::form::Signed;
use crate::http::input::{Ids, Parameters};
use crate::http::session::Session;
use crate::pages::failure::Failure;
use crate::pages::layout::path;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Redirect, Response};
use uuid::Uuid;

/// Subscriptions of the tenant, as a file: those whose ids are given, or else all.
pub async fn show(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Parameters(values): Parameters<Values>,
) -> Result<Response, Failure> {
    let ids = values.ids()?;
    let chosen = (!ids.is_empty()).then_some(ids);
    file(&database, &session, tenant, chosen).await
}

/// Those that were chosen in the list.
pub async fn chosen(
    State(database): State<Database>,
    session: Session,
    Ids(tenant): Ids<Uuid>,
    Signed(values): Signed<Values>,
) -> Result<Response, Failure> {
    let ids = values.ids()?;
    if ids.is_empty() {
        return Ok(Redirect::to(&path(tenant, "/subscriptions?done=chosen-none")).into_response());
    }
    file(&database, &session, tenant, Some(ids)).await
}

async fn file(
    database: &Database,
    session: &Session,
    tenant: Uuid,
    ids: Option<Vec<Uuid>>,
) -> Result<Response, Failure> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&session.who, READ, Mode::Read).await?;
    let row = request
        .row(
            "select jsonb_pretty(webhooks.export_subscriptions($1, $2)) as item",
            &[&tenant, &ids],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    let mut response = item.into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_TYPE, "application/json"),
        (
            CONTENT_DISPOSITION,
            "attachment; filename=\"subscriptions.json\"",
        ),
        (CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}
