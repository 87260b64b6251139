//! Where and how to deliver: subscriptions as the sidecar needs them.

use super::endpoint::Endpoint;
use super::policy::{BreakerPolicy, RateLimit};
use super::settings::Settings;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use uuid::Uuid;
use webhooks_core::payload::PayloadFormat;
use webhooks_core::retry::{RetryPolicy, RetrySchedule};
use webhooks_core::template::Template;

/// Nobody's: nothing is asked of a receiver that is not known.
const NO_SHARD: i16 = -1;

/// One version of a subscription.
pub struct Subscription {
    pub id: Uuid,
    pub tenant_id: Uuid,
    pub version: i64,
    pub shard: i16,
    /// What is wrong with a stored setting that this version of the sidecar can't use, if anything is.
    pub endpoint: Result<Endpoint, String>,
    pub body: BodyPolicy,
    pub retry: RetryPolicy,
    pub timeout: Duration,
    pub max_in_flight: usize,
    pub rate_limit: Option<RateLimit>,
    pub breaker: BreakerPolicy,
    pub verification: Verification,
}

/// How the bodies of its requests are made.
#[derive(Default)]
pub struct BodyPolicy {
    /// How they say what happened.
    pub format: PayloadFormat,
    /// Makes a body of its own of the envelope.
    pub template: Option<Template>,
    pub template_room: TemplateRoom,
    /// The largest one, in bytes.
    pub max_bytes: usize,
}

/// Whether its receiver has to agree to deliveries.
pub enum Verification {
    NotNeeded,
    /// It has agreed.
    Given,
    /// It has not yet.
    Needed {
        /// Its URL as it is stored.
        url: String,
        /// When it may be asked; `None`: nobody knows for whom, or it is disabled.
        ask_at: Option<Instant>,
    },
}

/// KiB that bodies of one subscription's template may take at once: a receiver that hangs must not have all the room
/// that there is for such bodies.
pub struct TemplateRoom(pub Arc<Semaphore>);

impl TemplateRoom {
    pub const KIB: u32 = 8 * 1024;
}

impl Default for TemplateRoom {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(Self::KIB as usize)))
    }
}

impl Subscription {
    /// Stands for one whose row can't be read: its deliveries are tried again as those of others with a wrong setting
    /// are.
    pub fn unreadable(id: Uuid, version: i64, reason: String, settings: &Settings) -> Self {
        Self {
            id,
            tenant_id: Uuid::nil(),
            version,
            shard: NO_SHARD,
            endpoint: Err(reason),
            body: BodyPolicy {
                max_bytes: 1 << 20,
                ..BodyPolicy::default()
            },
            retry: RetryPolicy {
                schedule: RetrySchedule::Doubling {
                    retries: 3,
                    first: Duration::from_secs(60),
                    longest: settings.max_retry_delay,
                },
                retry_after_cap: settings.max_retry_after,
                no_retry_statuses: Vec::new(),
            },
            timeout: Duration::from_secs(30),
            max_in_flight: 20,
            rate_limit: None,
            verification: Verification::NotNeeded,
            breaker: BreakerPolicy {
                threshold: 0,
                cooldown: Duration::ZERO,
            },
        }
    }
}
