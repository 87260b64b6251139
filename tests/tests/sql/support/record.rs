//! `record_attempts()`, as a sidecar calls it.

use std::fmt::{self, Display, Formatter};

use super::claim::named;

/// The query that records an attempt of each of some deliveries. Its rows are the ids of those that it came too late for.
pub struct Record {
    deliveries: String,
    arguments: Vec<(&'static str, String)>,
}

impl Record {
    /// Of the deliveries that a query finds, rows with `id`, `subscription_id` and `attempt`, as the queue has them. They
    /// were attempted just now, with a status and nothing else to tell.
    pub fn of(deliveries: impl Into<String>, status: &str) -> Self {
        let record = Self {
            deliveries: deliveries.into(),
            arguments: Vec::new(),
        };
        record
            .with("delivery_ids", "d.id")
            .with("subscription_ids", "d.subscription_id")
            .with("attempts", "d.attempt")
            .with("statuses", format_args!("'{status}'::text"))
            .with("http_status_codes", "null::integer")
            .with("response_headers", "null::text")
            .with("response_bodies", "null::text")
            .with("error_messages", "null::text")
            .with(
                "attempted_at_us",
                "(extract(epoch from clock_timestamp()) * 1000000)::bigint",
            )
            .with("durations_us", "1::bigint")
            .with("payload_sizes", "1")
            .with("payload_hashes", "null::bytea")
            .with("retry_after_ms", "null::bigint")
            .with("disable_reasons", "null::text")
            .with("breakers", "null::text")
            .with("failing_for_ms", "null::bigint")
            .with("probe_in_ms", "null::bigint")
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

    /// Sets what one of the parameters says of each, an SQL expression over a delivery `d`.
    pub fn with(mut self, parameter: &'static str, value: impl Display) -> Self {
        self.arguments.retain(|(name, _)| *name != parameter);
        self.arguments
            .push((parameter, format!("array_agg({value})")));
        self
    }
}

impl Display for Record {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (arguments, deliveries) = (named(&self.arguments), &self.deliveries);
        write!(
            f,
            "select webhooks_private.record_attempts({arguments}) from ({deliveries}) d"
        )
    }
}
