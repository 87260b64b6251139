//! Subscriptions. Their settings are JSON as `webhooks.subscription_settings` has it: what a new column is called, and
//! whether a value is right, the database knows.

use super::environment::Environment;
use super::schemas::subscription::{NewSubscription, Settings, Subscription};
use crate::database::{Credentials, Database, Mode, Request};
use crate::http::input::{Ids, JsonText, Parameters};
use crate::http::problem::{AnyProblem, Problem};
use crate::http::{cursor, etag, output, paging};
use crate::scope::Scope;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use utoipa::IntoParams;
use uuid::Uuid;

/// The scopes of subscriptions, and of what is there for them.
pub(super) const CREATE: Scope = Scope::CreateSubscriptions;
pub(super) const READ: Scope = Scope::ReadSubscriptions;
pub(super) const UPDATE: Scope = Scope::UpdateSubscriptions;
pub(super) const DELETE: Scope = Scope::DeleteSubscriptions;

const PATH: &str = "/api/webhook-subscriptions/";
const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 1000;

/// Which subscriptions to list.
#[derive(Deserialize, IntoParams, Serialize)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Only those of this environment.
    environment: Option<Environment>,
    /// Only those that are active, or that are not.
    is_active: Option<bool>,
    /// How many on a page: 100 unless it is given, at most 1000.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
    /// Where the page begins: as the header Link of the page before has it.
    cursor: Option<String>,
}

/// Lists subscriptions in the order of names.
#[utoipa::path(
    get,
    path = "/api/webhook-subscriptions/",
    tag = "Subscriptions",
    operation_id = "list_subscriptions",
    params(Filter),
    responses((status = 200, description = "A page of subscriptions", body = Vec<Subscription>), AnyProblem)
)]
pub async fn list(
    State(database): State<Database>,
    who: Credentials,
    Parameters(filter): Parameters<Filter>,
) -> Result<Response<Body>, Problem> {
    let limit = paging::size(filter.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let after: Option<(String, String, Uuid)> = cursor::decode(filter.cursor.as_deref())?;
    let environment = filter.environment.map(Environment::as_str);
    let (after_name, after_environment, after_id) = match &after {
        Some((name, environment, id)) => (Some(name), Some(environment), Some(id)),
        None => (None, None, None),
    };
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    let rows = request
        .rows(
            "select to_json(s)::text as item, s.name, s.environment, s.id
             from webhooks.subscription_settings s
             where ($1::text is null or s.environment = $1)
               and ($2::boolean is null or (s.is_active is true) = $2)
               and ($3::text is null or (s.name, s.environment, s.id) > ($3, $4::text, $5::uuid))
             order by s.name, s.environment, s.id
             limit $6",
            // One more tells whether there is a next page.
            &[
                &environment,
                &filter.is_active,
                &after_name,
                &after_environment,
                &after_id,
                &(limit + 1),
            ],
        )
        .await?;
    request.commit().await?;
    paging::answer(&rows, limit, PATH, |last| {
        let order: (String, String, Uuid) = (
            last.try_get("name")?,
            last.try_get("environment")?,
            last.try_get("id")?,
        );
        Ok(Filter {
            limit: Some(limit),
            cursor: Some(cursor::encode(&order)),
            ..filter
        })
    })
}

/// Creates a subscription.
#[utoipa::path(
    post,
    path = "/api/webhook-subscriptions/",
    tag = "Subscriptions",
    operation_id = "create_subscription",
    request_body = NewSubscription,
    responses((status = 201, description = "The subscription", body = Subscription), AnyProblem)
)]
pub async fn create(
    State(database): State<Database>,
    who: Credentials,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let settings = body.required()?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, CREATE, Mode::Write).await?;
    let created = request
        .row(
            "select webhooks_private.insert_subscription($1, $2::text::jsonb) as id",
            &[&request.access.tenant_id, &settings],
        )
        .await?;
    let response = created_subscription(&request, created.try_get("id")?).await?;
    request.commit().await?;
    Ok(response)
}

/// The answer to a request that has created a subscription.
pub(super) async fn created_subscription(
    request: &Request<'_>,
    id: Uuid,
) -> Result<Response<Body>, Problem> {
    let mut response = subscription(StatusCode::CREATED, &read(request, id).await?)?;
    if let Ok(location) = HeaderValue::from_str(&format!("{PATH}{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Reads a subscription. Its version is the ETag.
#[utoipa::path(
    get,
    path = "/api/webhook-subscriptions/{id}",
    tag = "Subscriptions",
    operation_id = "get_subscription",
    params(("id" = Uuid, Path, description = "Id of the subscription")),
    responses((status = 200, description = "The subscription", body = Subscription), AnyProblem)
)]
pub async fn get(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    let row = read(&request, id).await?;
    request.commit().await?;
    let version: i64 = row.try_get("version")?;
    if etag::is_known(&headers, version) {
        let mut response = output::json(StatusCode::NOT_MODIFIED, Body::empty());
        response.headers_mut().insert(ETAG, etag::of(version));
        return Ok(response);
    }
    subscription(StatusCode::OK, &row)
}

/// Changes settings of a subscription, of the version that If-Match names if it is given.
#[utoipa::path(
    patch,
    path = "/api/webhook-subscriptions/{id}",
    tag = "Subscriptions",
    operation_id = "update_subscription",
    params(("id" = Uuid, Path, description = "Id of the subscription")),
    request_body = Settings,
    responses((status = 200, description = "The subscription as it is now", body = Subscription), AnyProblem)
)]
pub async fn update(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
    headers: HeaderMap,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let changes = body.required()?;
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, UPDATE, Mode::Write).await?;
    check_version(&request, id, &headers).await?;
    let row = request
        .row(
            "select to_json(s)::text as item, s.version
             from webhooks.update_subscription($1, $2::text::jsonb) s",
            &[&id, &changes],
        )
        .await?;
    request.commit().await?;
    subscription(StatusCode::OK, &row)
}

/// Deletes a subscription, and cancels its outstanding deliveries.
#[utoipa::path(
    delete,
    path = "/api/webhook-subscriptions/{id}",
    tag = "Subscriptions",
    operation_id = "delete_subscription",
    params(("id" = Uuid, Path, description = "Id of the subscription")),
    responses((status = 204, description = "It is deleted"), AnyProblem)
)]
pub async fn delete(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, DELETE, Mode::Write).await?;
    check_version(&request, id, &headers).await?;
    request
        .row("select webhooks.delete_subscription($1)", &[&id])
        .await?;
    request.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Locks the subscription, so that its version stays, if the client says which one it means.
async fn check_version(
    request: &Request<'_>,
    id: Uuid,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    if !etag::has_condition(headers) {
        return Ok(());
    }
    let found = request
        .rows(
            "select s.version from webhooks.webhook_subscriptions s where s.id = $1 for no key update",
            &[&id],
        )
        .await?;
    match found.first() {
        Some(row) => etag::check(headers, row.try_get("version")?),
        // There is no such subscription: the update says so.
        None => Ok(()),
    }
}

async fn read(request: &Request<'_>, id: Uuid) -> Result<Row, tokio_postgres::Error> {
    let get = "select to_json(s)::text as item, s.version from webhooks.get_subscription($1) s";
    request.row(get, &[&id]).await
}

fn subscription(status: StatusCode, row: &Row) -> Result<Response<Body>, Problem> {
    let item: String = row.try_get("item")?;
    let mut response = output::json(status, item);
    let tag = etag::of(row.try_get("version")?);
    response.headers_mut().insert(ETAG, tag);
    Ok(response)
}
