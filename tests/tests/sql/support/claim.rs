//! `claim_deliveries()`, as a sidecar calls it.

use std::fmt::{self, Display, Formatter};

use super::composite::Composite;

/// A call, for the FROM clause of a query: from the beginning of some shards, ten deliveries a subscription and a hundred
/// altogether, unless told otherwise.
#[derive(Clone)]
pub struct Claim(Composite);

impl Claim {
    /// Of these shards.
    pub fn of_shards(shards: &[i16]) -> Self {
        let list = |items: Vec<String>| format!("'{{{}}}'", items.join(","));
        let numbers = shards.iter().map(i16::to_string).collect();
        let nulls = shards.iter().map(|_| "null".to_owned()).collect();
        Self(Composite::of("claim_request"))
            .with("shards", list(numbers))
            .with("cursors", list(nulls))
            .with("per_subscription", 10)
            .with("max_fresh", 0)
            .with("max_rows", 100)
            .with("max_bytes", 8 << 20)
    }

    /// Of all shards but those of tests.
    pub fn of_all_shards() -> Self {
        let shards: Vec<i16> = (0..16).collect();
        Self::of_shards(&shards)
    }

    /// Sets an attribute of the request to an SQL expression.
    pub fn with(mut self, attribute: &'static str, value: impl Display) -> Self {
        self.0.set(attribute, value);
        self
    }
}

impl Display for Claim {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "webhooks_private.claim_deliveries({})", self.0)
    }
}
