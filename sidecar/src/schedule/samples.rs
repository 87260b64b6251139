//! Subscriptions and deliveries for tests.

use crate::model::{
    BodyPolicy, BreakerPolicy, Delivery, Message, RateLimit, Subscription, Verification,
};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;
use webhooks_core::retry::{RetryPolicy, RetrySchedule};

/// A subscription with this id, in the shard of its last four bits.
pub(super) fn subscription(number: u128, max_in_flight: usize) -> Arc<Subscription> {
    Arc::new(make(number, max_in_flight))
}

/// One with a rate limit.
pub(super) fn limited(number: u128, max_in_flight: usize, limit: RateLimit) -> Arc<Subscription> {
    Arc::new(Subscription {
        rate_limit: Some(limit),
        ..make(number, max_in_flight)
    })
}

/// One whose receiver has to agree, and may be asked at this time.
pub(super) fn unverified(number: u128, version: i64, ask_at: Option<Instant>) -> Arc<Subscription> {
    Arc::new(Subscription {
        version,
        verification: Verification::Needed {
            url: "http://x.example/".to_owned(),
            ask_at,
        },
        ..make(number, 20)
    })
}

fn make(number: u128, max_in_flight: usize) -> Subscription {
    Subscription {
        id: Uuid::from_u128(number),
        tenant_id: Uuid::from_u128(number),
        version: 1,
        shard: (number & 15) as i16,
        endpoint: Err("not sent in these tests".to_owned()),
        body: BodyPolicy::default(),
        retry: RetryPolicy {
            schedule: RetrySchedule::Doubling {
                retries: 3,
                first: Duration::from_secs(1),
                longest: Duration::from_secs(60),
            },
            no_retry_statuses: vec![],
            retry_after_cap: Duration::from_secs(60),
        },
        timeout: Duration::from_secs(30),
        max_in_flight,
        rate_limit: None,
        breaker: BreakerPolicy {
            threshold: 3,
            cooldown: Duration::from_secs(60),
        },
        verification: Verification::NotNeeded,
    }
}

pub(super) fn delivery(id: u128, subscription: &Arc<Subscription>) -> Delivery {
    Delivery {
        id: Uuid::from_u128(id),
        shard: subscription.shard,
        attempt: 0,
        is_test: false,
        is_fresh: false,
        lane: None,
        deadline: Instant::now() + Duration::from_secs(3600),
        subscription: subscription.clone(),
        message: Ok(Arc::new(Message {
            traceparent: None,
            event_id: Uuid::from_u128(id),
            event_type: "document.uploaded".to_owned(),
            headers: vec![],
            body: "{}".into(),
            sha256: [0; 32],
        })),
        size: 512,
    }
}

pub(super) fn fresh(id: u128, subscription: &Arc<Subscription>) -> Delivery {
    Delivery {
        is_fresh: true,
        ..delivery(id, subscription)
    }
}

pub(super) fn in_lane(id: u128, lane: i64, subscription: &Arc<Subscription>) -> Delivery {
    Delivery {
        lane: Some(lane),
        ..delivery(id, subscription)
    }
}

pub(super) fn test_of(subscription: &Arc<Subscription>, id: u128) -> Delivery {
    Delivery {
        is_test: true,
        ..delivery(id, subscription)
    }
}
