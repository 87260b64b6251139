//! A row of `claim_deliveries()`, decoded.

use crate::model::shard::is_of_tests;
use std::time::{Duration, Instant};
use tokio_postgres::{Row, Statement};
use uuid::Uuid;
use webhooks_core::payload::Event;

/// A year is longer than any session lasts.
const MAX_EXPIRY_MS: u64 = 365 * 86_400_000;

/// Names the columns, and finds where they are: a claim has many rows, and to look each column up by its name in each
/// row takes longer than to read it.
macro_rules! columns {
    ($name:ident: $($column:ident)+) => {
        /// Where the columns of `claim_deliveries()` are.
        #[derive(Clone, Copy)]
        pub struct $name {
            $($column: usize,)+
        }

        impl $name {
            /// Finds them. To read one that there is not panics, as with any other row.
            pub fn of(statement: &Statement) -> Self {
                let named = |name: &str| {
                    let mut columns = statement.columns().iter();
                    columns.position(|column| column.name() == name).unwrap_or(usize::MAX)
                };
                Self {
                    $($column: named(stringify!($column)),)+
                }
            }
        }
    };
}

columns! {
    ClaimColumns:
    delivery_id is_newcomer shard subscription_id subscription_version attempt lane expires_in_ms over_budget
    event_id tenant_id event_type event_category event_name event_version created_at_us event_data
    resource_type resource_id user_id session_id request_id source_ip resource_data walk_us objection
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

impl ClaimColumns {
    /// How long the server has looked for deliveries.
    pub fn walk(&self, row: &Row) -> Duration {
        Duration::from_micros(u64::try_from(row.get::<_, i64>(self.walk_us)).unwrap_or_default())
    }

    /// `None`: the row stands for a subscription that has more lanes than were looked at.
    pub fn delivery_id(&self, row: &Row) -> Option<Uuid> {
        row.get(self.delivery_id)
    }

    /// Whether the claim ends here, at its budget of bytes: this row brings nothing any more.
    pub fn is_over_budget(&self, row: &Row) -> bool {
        row.get(self.over_budget)
    }

    /// The delivery of this id.
    pub fn delivery(&self, id: Uuid, row: &Row) -> ClaimedDelivery {
        ClaimedDelivery {
            id,
            is_fresh: row.get(self.is_newcomer),
            shard: row.get(self.shard),
            attempt: row.get(self.attempt),
            lane: row.get(self.lane),
            deadline: deadline(row.get(self.expires_in_ms)),
            subscription: (
                row.get(self.subscription_id),
                row.get(self.subscription_version),
            ),
        }
    }

    pub fn event_id(&self, row: &Row) -> Uuid {
        row.get(self.event_id)
    }

    /// Whether the event is still there.
    pub fn has_event(&self, row: &Row) -> bool {
        row.get::<_, Option<Uuid>>(self.tenant_id).is_some()
    }

    /// Why the event's data is not there, if it can't be read.
    pub fn objection<'a>(&self, row: &'a Row) -> Option<&'a str> {
        row.get(self.objection)
    }

    /// The event, if there is one.
    pub fn event<'a>(&self, row: &'a Row) -> Event<'a> {
        Event {
            id: row.get(self.event_id),
            tenant_id: row.get(self.tenant_id),
            event_type: row.get(self.event_type),
            category: row.get(self.event_category),
            name: row.get(self.event_name),
            version: row.get(self.event_version),
            created_at_us: row.get(self.created_at_us),
            data: row.get(self.event_data),
            resource_type: row.get(self.resource_type),
            resource_id: row.get(self.resource_id),
            resource_data: row.get(self.resource_data),
            user_id: row.get(self.user_id),
            session_id: row.get(self.session_id),
            request_id: row.get(self.request_id),
            source_ip: row.get(self.source_ip),
            is_test: is_of_tests(row.get(self.shard)),
        }
    }
}

fn deadline(expires_in_ms: i64) -> Instant {
    let now = Instant::now();
    match u64::try_from(expires_in_ms) {
        Ok(ms) => now + Duration::from_millis(ms.min(MAX_EXPIRY_MS)),
        Err(_) => now,
    }
}
