//! The events that each subscription wants: known to the harness without asking the database.

use serde_json::{Value, json};
use uuid::Uuid;

/// Deliveries of one event to all shards are seen by so many subscriptions, one a shard.
pub const SHARDS: usize = 16;

/// How many tenants publish and subscribe at random; one more has the probes.
pub const TENANTS: usize = 3;
/// Its events arrive at once if anything does.
pub const PROBED: usize = TENANTS;

/// The known properties of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Which tenant's.
    pub tenant: usize,
    /// A registered event type.
    pub event_type: &'static str,
    /// `pages` in its data.
    pub pages: i64,
}

/// The events that the publishers choose from.
pub const EVENT_TYPES: [&str; 5] = [
    "document.uploaded",
    "document.processed",
    "job.created",
    "job.failed",
    "user.login",
];

/// The events of its tenant that a subscription wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// Everything.
    All,
    /// Those of a category.
    Category(&'static str),
    /// Those of a category with more pages than this.
    PagesOver(&'static str, i64),
}

/// A subscription.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// For people, and the receiver's path.
    pub name: String,
    /// Which tenant's.
    pub tenant: usize,
    /// Its filters.
    pub wants: Wants,
    /// First receipts of a key's events come in order.
    pub ordered: bool,
    /// Its receiver always answers 200 at once.
    pub calm: bool,
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Subscription> {
    let one = |tenant, name: &str, wants| Subscription {
        name: format!("{tenant}-{name}"),
        tenant,
        wants,
        ordered: false,
        calm: false,
    };
    let ordered = |tenant, name: &str, wants| Subscription {
        ordered: true,
        ..one(tenant, name, wants)
    };
    let mut all = vec![
        one(0, "all", Wants::All),
        one(0, "documents", Wants::Category("document")),
        one(0, "long", Wants::PagesOver("document", 50)),
        // Of this tenant, most events match nothing.
        one(1, "long", Wants::PagesOver("document", 80)),
        one(1, "jobs", Wants::Category("job")),
        one(2, "all", Wants::All),
        ordered(2, "ordered", Wants::All),
        ordered(2, "ordered-jobs", Wants::Category("job")),
    ];
    all.extend((0..SHARDS).map(|shard| Subscription {
        calm: true,
        ..one(PROBED, &format!("probe-{shard}"), Wants::All)
    }));
    all
}

impl Subscription {
    /// Whether an event matches.
    #[must_use]
    pub fn matches(&self, facts: &Facts) -> bool {
        let of = |category: &str| facts.event_type.split('.').next() == Some(category);
        self.tenant == facts.tenant
            && match self.wants {
                Wants::All => true,
                Wants::Category(category) => of(category),
                Wants::PagesOver(category, pages) => of(category) && facts.pages > pages,
            }
    }

    /// Its columns. Nothing fails for good: retries outlast the harness.
    #[must_use]
    pub fn columns(&self, number: usize, tenant: Uuid, url: &str) -> Value {
        let (events, filters) = match self.wants {
            Wants::All => ("*".to_owned(), json!({})),
            Wants::Category(category) => (format!("{category}.*"), json!({})),
            Wants::PagesOver(category, pages) => (
                format!("{category}.*"),
                json!({"event_data": {"pages": {"$gt": pages}}}),
            ),
        };
        let mut columns = json!({
            "id": self.id(number),
            "tenant_id": tenant,
            "name": self.name,
            "webhook_url": url,
            "subscribed_events": [events],
            "event_filters": filters,
            "auth_type": "signature",
            "auth_config": {"secret": SECRET},
            "retry_count": 100,
            "retry_delay_seconds": number % 2,
            "timeout_seconds": TIMEOUT_SECONDS,
        });
        if self.ordered {
            columns["ordering"] = json!("fifo");
        }
        columns
    }

    /// Its last digit decides the shard: consecutive ones lie in different shards.
    fn id(&self, number: usize) -> Uuid {
        Uuid::from_u128((Uuid::new_v4().as_u128() & !0xf) | (number as u128 & 0xf))
    }
}

/// Of all subscriptions.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
/// Of all subscriptions.
pub const TIMEOUT_SECONDS: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_events_match_several_and_some_none() {
        let all = all();
        let matching = |tenant, event_type, pages| {
            let facts = Facts {
                tenant,
                event_type,
                pages,
            };
            all.iter().filter(|s| s.matches(&facts)).count()
        };
        assert_eq!(matching(0, "document.uploaded", 51), 3);
        assert_eq!(matching(0, "document.uploaded", 50), 2);
        assert_eq!(matching(0, "user.login", 99), 1);
        assert_eq!(matching(1, "user.login", 99), 0);
        assert_eq!(matching(2, "job.failed", 1), 3);
        assert_eq!(matching(PROBED, "job.failed", 1), SHARDS);
    }
}
