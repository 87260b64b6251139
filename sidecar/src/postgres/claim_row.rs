//! A row of `claim_deliveries()`, decoded.

use crate::model::Traceparent;
use crate::model::shard::is_of_tests;
use std::time::{Duration, Instant};
use tokio_postgres::types::FromSql;
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;
use webhooks_core::payload::Event;

/// A year is longer than any session lasts.
const MAX_EXPIRY_MS: u64 = 365 * 86_400_000;

/// Names these columns, and numbers them: a claim has many rows, and to look each column up by its name in each row takes
/// longer than to read it.
macro_rules! columns {
    ($first:ident $($other:ident)+) => {
        const COLUMNS: &[&str] = &[stringify!($first), $(stringify!($other),)+];

        #[allow(non_camel_case_types)]
        enum Column {
            $first,
            $($other,)+
        }
    };
}

columns! {
    delivery_id is_fresh shard subscription_id subscription_version attempt lane expires_in_ms over_budget
    event_id tenant_id event_type event_category event_name event_version created_at_us event_data
    resource_type resource_id user_id session_id request_id source_ip resource_data scan_us problem traceparent
}

/// Prepares the call of `claim_deliveries()`. Events of 0.2 have no `traceparent`.
///
/// # Errors
/// Those of the statements.
pub async fn prepare(client: &Client) -> Result<Statement, Error> {
    let query = "select exists (select from pg_catalog.pg_attribute where attrelid = 'webhooks_private.claimed_delivery'::pg_catalog.regclass and attname = 'traceparent')";
    let has_traceparent: bool = client.query_one(query, &[]).await?.get(0);
    let columns: Vec<&str> = COLUMNS
        .iter()
        .map(|column| match *column {
            "traceparent" if !has_traceparent => "null::pg_catalog.text",
            column => column,
        })
        .collect();
    let columns = columns.join(", ");
    let claim = format!("select {columns} from webhooks_private.claim_deliveries($1)");
    client.prepare(&claim).await
}

fn get<'a, T: FromSql<'a>>(row: &'a Row, column: Column) -> T {
    row.get(column as usize)
}

/// What a row says of its delivery.
pub struct ClaimedDelivery {
    pub id: Uuid,
    pub is_fresh: bool,
    /// That in which it lies.
    pub shard: i16,
    /// Attempts made before.
    pub attempt: i32,
    pub lane: Option<i64>,
    pub deadline: Instant,
    /// Id and version.
    pub subscription: (Uuid, i64),
}

impl ClaimedDelivery {
    /// The delivery of this id.
    pub fn of(id: Uuid, row: &Row) -> Self {
        Self {
            id,
            is_fresh: get(row, Column::is_fresh),
            shard: get(row, Column::shard),
            attempt: get(row, Column::attempt),
            lane: get(row, Column::lane),
            deadline: deadline(get(row, Column::expires_in_ms)),
            subscription: (
                get(row, Column::subscription_id),
                get(row, Column::subscription_version),
            ),
        }
    }
}

/// How long the server has looked for deliveries.
pub fn scan(row: &Row) -> Duration {
    let us: i64 = get(row, Column::scan_us);
    Duration::from_micros(u64::try_from(us).unwrap_or_default())
}

/// `None`: the row stands for a subscription that has more lanes than were looked at.
pub fn delivery_id(row: &Row) -> Option<Uuid> {
    get(row, Column::delivery_id)
}

/// Whether the claim ends here, at its budget of bytes: this row brings nothing any more.
pub fn is_over_budget(row: &Row) -> bool {
    get(row, Column::over_budget)
}

pub fn event_id(row: &Row) -> Uuid {
    get(row, Column::event_id)
}

/// Whether the event is still there.
pub fn has_event(row: &Row) -> bool {
    get::<Option<Uuid>>(row, Column::tenant_id).is_some()
}

/// Why the event's data is not there, if it can't be read.
pub fn problem(row: &Row) -> Option<&str> {
    get(row, Column::problem)
}

/// The event, if there is one.
pub fn event(row: &Row) -> Event<'_> {
    Event {
        id: get(row, Column::event_id),
        tenant_id: get(row, Column::tenant_id),
        event_type: get(row, Column::event_type),
        category: get(row, Column::event_category),
        name: get(row, Column::event_name),
        version: get(row, Column::event_version),
        created_at_us: get(row, Column::created_at_us),
        data: get(row, Column::event_data),
        resource_type: get(row, Column::resource_type),
        resource_id: get(row, Column::resource_id),
        resource_data: get(row, Column::resource_data),
        user_id: get(row, Column::user_id),
        session_id: get(row, Column::session_id),
        request_id: get(row, Column::request_id),
        source_ip: get(row, Column::source_ip),
        is_test: is_of_tests(get(row, Column::shard)),
    }
}

/// The trace that its publisher was part of.
pub fn traceparent(row: &Row) -> Option<Traceparent> {
    Traceparent::parse(get::<Option<&str>>(row, Column::traceparent)?)
}

fn deadline(expires_in_ms: i64) -> Instant {
    let now = Instant::now();
    match u64::try_from(expires_in_ms) {
        Ok(ms) => now + Duration::from_millis(ms.min(MAX_EXPIRY_MS)),
        Err(_) => now,
    }
}
