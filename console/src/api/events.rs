//! Events: published, one or many, listed, and what became of one.

use super::schemas::event::{Event, EventType, EventWithTimeline};
use crate::database::{Credentials, Database, Mode, Request};
use crate::http::input::{Ids, JsonText, Parameters};
use crate::http::problem::{AnyProblem, Problem};
use crate::http::{cursor, output, paging};
use crate::scope::Scope;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::net::IpAddr;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Schema};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{IntoParams, PartialSchema, ToSchema};
use uuid::Uuid;

const PATH: &str = "/api/events/";
const READ: Scope = Scope::ReadEvents;
const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 200;

/// Events of one request, at most: they are published in one transaction.
const MAX_EVENTS: usize = 1000;

/// The key of a single event, where clients of other APIs look for it.
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The parameters of `publish_event()`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewEvent<'b> {
    event_type: String,
    event_category: Option<String>,
    event_name: Option<String>,
    /// As it was written, to the digit.
    #[schema(value_type = Option<BTreeMap<String, Value>>)]
    #[serde(borrow)]
    event_data: Option<&'b RawValue>,
    resource_type: Option<String>,
    resource_id: Option<Uuid>,
    user_id: Option<Uuid>,
    session_id: Option<String>,
    request_id: Option<String>,
    #[schema(value_type = Option<String>)]
    source_ip: Option<IpAddr>,
    event_version: Option<String>,
    environment: Option<String>,
    idempotency_key: Option<String>,
    ordering_key: Option<String>,
    deliver_after: Option<String>,
    expires_at: Option<String>,
}

/// The body of a request that publishes: its beginning tells which of the two it is.
struct NewEvents;

impl PartialSchema for NewEvents {
    fn schema() -> RefOr<Schema> {
        let one = Ref::from_schema_name(NewEvent::name());
        let many = ArrayBuilder::new()
            .items(one.clone())
            .max_items(Some(MAX_EVENTS));
        let either = OneOfBuilder::new().item(one).item(many);
        let description = "An event, or an array of events, which are published all or none.";
        either.description(Some(description)).into()
    }
}

impl ToSchema for NewEvents {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((NewEvent::name().into(), NewEvent::schema()));
        NewEvent::schemas(schemas);
    }
}

/// The id of a published event.
#[derive(Serialize, ToSchema)]
struct Published {
    id: Uuid,
}

/// Ids of published events, in the order of the request.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
enum PublishedEvents {
    One(Published),
    Many(Vec<Published>),
}

/// Publishes an event, or all or none of an array of them.
#[utoipa::path(
    post,
    path = "/api/events/",
    tag = "Events",
    operation_id = "publish_events",
    params(("Idempotency-Key" = Option<String>, Header, description = "Of a single event: its idempotency_key")),
    request_body = NewEvents,
    responses((status = 201, description = "The id, or the ids in the order of the events", body = PublishedEvents), AnyProblem)
)]
pub async fn publish(
    State(database): State<Database>,
    who: Credentials,
    headers: HeaderMap,
    body: JsonText,
) -> Result<Response<Body>, Problem> {
    let body = body.required()?;
    let is_array = body.trim_start().starts_with('[');
    let mut events = match is_array {
        true => serde_json::from_str::<Vec<NewEvent<'_>>>(&body),
        false => serde_json::from_str(&body).map(|event| vec![event]),
    }
    .map_err(|error| {
        Problem::bad_request(format!("the body is no event: {error}"))
            .hint("Send an object with the parameters of publish_event(), or an array of them.")
    })?;
    if events.len() > MAX_EVENTS {
        let detail = format!("there are {} events", events.len());
        return Err(
            Problem::bad_request(detail).hint(format!("Send at most {MAX_EVENTS} at once."))
        );
    }
    if let Some(key) = headers.get(&IDEMPOTENCY_KEY) {
        let key = key.to_str().ok().map(str::to_owned);
        match (events.as_mut_slice(), key) {
            ([event], Some(key)) if !is_array => event.idempotency_key = Some(key),
            _ => {
                return Err(
                    Problem::bad_request("Idempotency-Key is for one event, and ASCII")
                        .hint("Give each event of an array its idempotency_key."),
                );
            }
        }
    }
    let mut connection = database.connection().await?;
    let request = connection
        .begin(&who, Scope::PublishEvents, Mode::Write)
        .await?;
    let mut ids = Vec::with_capacity(events.len());
    for event in &events {
        ids.push(Published {
            id: publish_one(&request, event).await?,
        });
    }
    request.commit().await?;
    let published = match (is_array, ids.pop()) {
        (false, Some(one)) => PublishedEvents::One(one),
        (_, last) => PublishedEvents::Many(ids.into_iter().chain(last).collect()),
    };
    // Ids, which JSON can hold.
    let body = serde_json::to_string(&published).unwrap_or_default();
    Ok(output::json(StatusCode::CREATED, body))
}

async fn publish_one(request: &Request<'_>, event: &NewEvent<'_>) -> Result<Uuid, Problem> {
    let data = event.event_data.map_or("{}", RawValue::get);
    let source_ip = event.source_ip.map(|address| address.to_string());
    let row = request
        .row(
            "select webhooks.publish_event(
                 tenant_id => $1, event_type => $2, event_category => $3, event_name => $4,
                 event_data => $5::text::jsonb, resource_type => $6, resource_id => $7, user_id => $8,
                 session_id => $9, request_id => $10, source_ip => $11::text::inet, event_version => $12,
                 environment => $13, idempotency_key => $14, ordering_key => $15,
                 deliver_after => $16::text::timestamptz, expires_at => $17::text::timestamptz) as id",
            &[
                &request.access.tenant_id,
                &event.event_type,
                &event.event_category,
                &event.event_name,
                &data,
                &event.resource_type,
                &event.resource_id,
                &event.user_id,
                &event.session_id,
                &event.request_id,
                &source_ip,
                &event.event_version,
                &event.environment,
                &event.idempotency_key,
                &event.ordering_key,
                &event.deliver_after,
                &event.expires_at,
            ],
        )
        .await?;
    Ok(row.try_get("id")?)
}

/// Which events to list.
#[derive(Deserialize, IntoParams, Serialize)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// One or more, separated by commas; `document.*` is all of a category.
    event_type: Option<String>,
    /// Only those about resources of this kind.
    resource_type: Option<String>,
    /// Only those about this resource.
    resource_id: Option<Uuid>,
    /// The time from which on they were created: 7 days ago unless it is given.
    since: Option<String>,
    /// The time before which they were created.
    until: Option<String>,
    /// The one with this id, whenever it was.
    id: Option<Uuid>,
    /// The one with this key, whenever it was.
    idempotency_key: Option<String>,
    /// How many on a page: 50 unless it is given, at most 200.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<i64>,
    /// Where the page begins: as the header Link of the page before has it.
    cursor: Option<String>,
}

/// Lists events without their data, the newest first.
#[utoipa::path(
    get,
    path = "/api/events/",
    tag = "Events",
    operation_id = "list_events",
    params(Filter),
    responses((status = 200, description = "A page of events", body = Vec<Event>), AnyProblem)
)]
pub async fn list(
    State(database): State<Database>,
    who: Credentials,
    Parameters(filter): Parameters<Filter>,
) -> Result<Response<Body>, Problem> {
    let limit = paging::size(filter.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let after: Option<(String, Uuid, String)> = cursor::decode(filter.cursor.as_deref())?;
    // The next page has the rest of the same period.
    let (until, after_id, since) = match after {
        Some((until, id, since)) => (Some(until), Some(id), Some(since)),
        None => (filter.until.clone(), None, filter.since.clone()),
    };
    let types: Option<Vec<&str>> = filter.event_type.as_deref().map(|t| t.split(',').collect());
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    let rows = request
        .rows(
            "select (to_jsonb(e) - '{event_data,resource_data}'::text[])::text as item, e.created_at::text, e.id,
                    s.since::text
             from (select coalesce($2::text::timestamptz, now() - interval '7 days') as since) s
             cross join lateral webhooks.list_events(
                 $1, s.since, coalesce($3::text::timestamptz, 'infinity'), $4::text[], $5, $6, $7, $8,
                 ($9::bigint)::integer, $10) e",
            &[
                &request.access.tenant_id,
                &since,
                &until,
                &types,
                &filter.resource_type,
                &filter.resource_id,
                &filter.id,
                &filter.idempotency_key,
                // One more tells whether there is a next page.
                &(limit + 1),
                &after_id,
            ],
        )
        .await?;
    request.commit().await?;
    paging::answer(&rows, limit, PATH, |last| {
        let order: (String, Uuid, String) = (
            last.try_get("created_at")?,
            last.try_get("id")?,
            last.try_get("since")?,
        );
        Ok(Filter {
            limit: Some(limit),
            cursor: Some(cursor::encode(&order)),
            ..filter
        })
    })
}

/// Reads an event with its timeline: matched, queued, attempted, retried.
#[utoipa::path(
    get,
    path = "/api/events/{id}",
    tag = "Events",
    operation_id = "get_event",
    params(("id" = Uuid, Path, description = "Id of the event")),
    responses((status = 200, description = "The event", body = EventWithTimeline), AnyProblem)
)]
pub async fn get(
    State(database): State<Database>,
    who: Credentials,
    Ids(id): Ids<Uuid>,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    let rows = request
        .rows(
            "select (to_jsonb(e) || jsonb_build_object('timeline', (
                 select coalesce(jsonb_agg(to_jsonb(h) - 'event_log_id' - 'event_type' order by h.ordinality), '[]')
                 from webhooks.event_history($1, $2) with ordinality h)))::text as item
             from webhooks.event_logs e where e.id = $2 and e.tenant_id = $1",
            &[&request.access.tenant_id, &id],
        )
        .await?;
    request.commit().await?;
    let Some(row) = rows.first() else {
        return Err(
            Problem::new(StatusCode::NOT_FOUND, format!("there is no event {id}"))
                .hint("It may be no longer kept."),
        );
    };
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}

/// Lists all versions of all event types, with schemas and examples.
#[utoipa::path(
    get,
    path = "/api/event-types/",
    tag = "Events",
    operation_id = "list_event_types",
    responses((status = 200, description = "All versions of all event types", body = Vec<EventType>), AnyProblem)
)]
pub async fn types(
    State(database): State<Database>,
    who: Credentials,
) -> Result<Response<Body>, Problem> {
    let mut connection = database.connection().await?;
    let request = connection.begin(&who, READ, Mode::Read).await?;
    let row = request
        .row(
            "select coalesce(json_agg(to_json(t) order by t.name, t.version), '[]')::text as item
             from webhooks.event_type_catalogue t",
            &[],
        )
        .await?;
    request.commit().await?;
    let item: String = row.try_get("item")?;
    Ok(output::json(StatusCode::OK, item))
}
