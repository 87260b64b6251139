//! `record_attempts()`, as a sidecar calls it.

use std::fmt::{self, Display, Formatter};

use super::composite::Composite;

/// The query that records an attempt of each of some deliveries. Its rows are the ids of those that it came too late for.
pub struct Record {
    deliveries: String,
    result: Composite,
}

impl Record {
    /// Of the deliveries that a query finds, rows with `id`, `subscription_id` and `attempt`, as the queue has them. They
    /// were attempted just now, with a status and nothing else to tell.
    pub fn of(deliveries: impl Into<String>, status: &str) -> Self {
        let now = "(extract(epoch from clock_timestamp()) * 1000000)::bigint";
        Self {
            deliveries: deliveries.into(),
            result: Composite::of("attempt_result"),
        }
        .with("delivery_id", "d.id")
        .with("subscription_id", "d.subscription_id")
        .with("attempt", "d.attempt")
        .with("status", format_args!("'{status}'"))
        .with("attempted_at_us", now)
        .with("duration_us", 1)
        .with("payload_size", 1)
    }

    /// Of all deliveries that are outstanding.
    pub fn of_all(status: &str) -> Self {
        Self::of("select * from webhooks.delivery_queue", status)
    }

    /// Of the outstanding delivery with this id.
    pub fn of_delivery(id: &str, status: &str) -> Self {
        let delivery = format!("select * from webhooks.delivery_queue where id = '{id}'");
        Self::of(delivery, status)
    }

    /// Sets an attribute of each result, an SQL expression over a delivery `d`.
    pub fn with(mut self, attribute: &'static str, value: impl Display) -> Self {
        self.result.set(attribute, value);
        self
    }
}

impl Display for Record {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (result, deliveries) = (&self.result, &self.deliveries);
        write!(
            f,
            "select webhooks_private.record_attempts(array_agg({result})) from ({deliveries}) d"
        )
    }
}
