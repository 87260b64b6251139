//! Subscriptions by the dozen: out of one database or environment and into another, by their names.

use super::schemas::subscription::{Imported, NewSubscription, Settings};
use super::subscriptions::{CREATE, READ, UPDATE};
use crate::database::{Credentials, Database, Mode};
use crate::http::input::{JsonText, Parameters};
use crate::http::output;
use crate::http::problem::{AnyProblem, Problem};
use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, StatusCode};
use serde::Deserialize;
use utoipa::IntoParams;

/// Reads all subscriptions, in the form that an import takes. Secrets are null.
#[utoipa::path(
    get,
    path = "/api/webhook-subscriptions/export",
    tag = "Subscriptions",
    operation_id = "export_subscriptions",
    responses((status = 200, description = "All subscriptions", body = Vec<Settings>), AnyProblem)
)]
pub async fn export(
    State(database): State<Database>,
    who: Credentials,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    let row = request
        .row(
            "select webhooks.export_subscriptions($1)::text as item",
            &[&request.access.tenant_id],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct How {
    /// Only say what would become of them.
    #[serde(default)]
    dry_run: bool,
}

/// Creates and updates subscriptions, all or none, and says which, or only says so.
#[utoipa::path(
    post,
    path = "/api/webhook-subscriptions/import",
    tag = "Subscriptions",
    operation_id = "import_subscriptions",
    params(How),
    request_body = Vec<NewSubscription>,
    responses((status = 200, description = "What is done to each", body = Vec<Imported>), AnyProblem)
)]
pub async fn import(
    State(database): State<Database>,
    who: Credentials,
    Parameters(How { dry_run }): Parameters<How>,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let subscriptions = body.required()?;
    let mut connection = database.connection().await?;
    // It takes both scopes: which of the two it does to each, the names tell.
    drop(connection.begin(&who, CREATE, Mode::Read).await?);
    let request = connection.begin(&who, UPDATE, Mode::Write).await?;
    let row = request
        .row(
            "select coalesce(json_agg(to_json(i)), '[]')::text as item
             from webhooks.import_subscriptions($1, $2::text::jsonb, $3) i",
            &[&request.access.tenant_id, &subscriptions, &dry_run],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}
