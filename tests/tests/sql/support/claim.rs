//! `claim_deliveries()`, as a sidecar calls it.

use std::fmt::{self, Display, Formatter};

/// A call, for the FROM clause of a query: from the beginning of some shards, ten deliveries a subscription and a hundred
/// altogether, unless told otherwise.
#[derive(Clone)]
pub struct Claim(Vec<(&'static str, String)>);

impl Claim {
    /// Of these shards.
    pub fn of_shards(shards: &[i16]) -> Self {
        let list = |items: Vec<String>| format!("'{{{}}}'", items.join(","));
        let numbers = shards.iter().map(i16::to_string).collect();
        let nulls = shards.iter().map(|_| "null".to_owned()).collect();
        let mut claim = Self(vec![("shards", list(numbers)), ("cursors", list(nulls))]);
        for none in [
            "held",
            "held_ordered",
            "full_subscriptions",
            "known_subscriptions",
        ] {
            claim = claim.with(none, "'{}'");
        }
        claim
            .with("per_subscription", 10)
            .with("newcomers", 0)
            .with("max_rows", 100)
    }

    /// Of all shards but those of tests.
    pub fn of_all_shards() -> Self {
        let shards: Vec<i16> = (0..16).collect();
        Self::of_shards(&shards)
    }

    /// Sets a parameter to an SQL expression.
    pub fn with(mut self, parameter: &'static str, value: impl Display) -> Self {
        self.0.retain(|(name, _)| *name != parameter);
        self.0.push((parameter, value.to_string()));
        self
    }
}

impl Display for Claim {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "webhooks_private.claim_deliveries({})", named(&self.0))
    }
}

/// Arguments in named notation.
pub fn named(arguments: &[(&'static str, String)]) -> String {
    let named = arguments
        .iter()
        .map(|(name, value)| format!("{name} => {value}"));
    named.collect::<Vec<_>>().join(", ")
}
