//! Subscriptions. Their settings are JSON as `webhooks.subscription_settings` has it: what a new column is called, and
//! whether a value is right, the database knows.

use crate::database::{Credentials, Database, Mode, Request};
use crate::http::input::{Ids, JsonText, Parameters};
use crate::http::problem::Problem;
use crate::http::{cursor, etag, output};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::Deserialize;
use std::fmt::Write;
use tokio_postgres::Row;
use uuid::Uuid;

const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 1000;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Environment {
    Dev,
    Staging,
    Production,
}

impl Environment {
    fn as_str(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

/// Which subscriptions to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    environment: Option<Environment>,
    is_active: Option<bool>,
    limit: Option<i64>,
    cursor: Option<String>,
}

/// In the order of names.
pub async fn list(
    State(database): State<Database>,
    who: Credentials,
    Parameters(filter): Parameters<Filter>,
) -> Result<Response<Body>, Problem> {
    let limit = page_size(filter.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
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
    let (items, last) = page(&rows, limit, |row| {
        Ok((
            row.try_get::<_, String>("name")?,
            row.try_get::<_, String>("environment")?,
            row.try_get::<_, Uuid>("id")?,
        ))
    })?;
    let next = last.map(|last| {
        let cursor = cursor::encode(&last);
        let mut next = format!("/api/webhook-subscriptions/?limit={limit}&cursor={cursor}");
        // Writing to a string does not fail.
        if let Some(environment) = environment {
            let _ = write!(next, "&environment={environment}");
        }
        if let Some(is_active) = filter.is_active {
            let _ = write!(next, "&is_active={is_active}");
        }
        next
    });
    Ok(output::page(&items, next))
}

pub async fn create(
    State(database): State<Database>,
    who: Credentials,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let settings = body.required()?;
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&who, "webhook_subscriptions:create", Mode::Write)
        .await?;
    let created = request
        .row(
            "select webhooks_private.insert_subscription($1, $2::text::jsonb) as id",
            &[&request.access.tenant_id, &settings],
        )
        .await?;
    let id: Uuid = created.try_get("id")?;
    let row = read(&request, id).await?;
    request.commit().await?;
    let mut response = subscription(StatusCode::CREATED, &row)?;
    if let Ok(location) = HeaderValue::from_str(&format!("/api/webhook-subscriptions/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

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

pub async fn update(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
    headers: HeaderMap,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let changes = body.required()?;
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&who, "webhook_subscriptions:update", Mode::Write)
        .await?;
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

pub async fn delete(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&who, "webhook_subscriptions:delete", Mode::Write)
        .await?;
    check_version(&request, id, &headers).await?;
    request
        .row("select webhooks.delete_subscription($1)", &[&id])
        .await?;
    request.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The scope of all that only reads.
pub(super) const READ: &str = "webhook_subscriptions:read";

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
        // What follows says so.
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

/// # Errors
/// A limit out of its range.
pub(super) fn page_size(given: Option<i64>, default: i64, most: i64) -> Result<i64, Problem> {
    match given {
        None => Ok(default),
        Some(limit) if (1..=most).contains(&limit) => Ok(limit),
        Some(limit) => Err(Problem::bad_request(format!("limit is {limit}"))
            .hint(format!("Give 1 to {most}."))
            .field("limit")),
    }
}

/// The items of a page, of which one more row was read, and if there are more, the order's values of the last one.
pub(super) fn page<L>(
    rows: &[Row],
    limit: i64,
    order: impl Fn(&Row) -> Result<L, tokio_postgres::Error>,
) -> Result<(Vec<String>, Option<L>), tokio_postgres::Error> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let shown = &rows[..rows.len().min(limit)];
    let items = shown.iter().map(|row| row.try_get("item"));
    let items = items.collect::<Result<_, _>>()?;
    let last = match shown.last() {
        Some(last) if rows.len() > limit => Some(order(last)?),
        _ => None,
    };
    Ok((items, last))
}
