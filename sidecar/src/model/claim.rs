//! What a claim asks for, and what it brings.

use super::delivery::Delivery;
use super::receiver::Receiver;
use std::collections::{HashMap, HashSet};
use std::time::Duration;
use uuid::Uuid;

/// What to claim.
pub struct ClaimRequest {
    pub shards: Vec<i16>,
    pub cursors: Vec<Option<Uuid>>,
    /// Subscriptions that take no more.
    pub full: Vec<Uuid>,
    /// Others that something is here of: of the newest rows, those that are neither full nor known are fresh.
    pub known: Vec<Uuid>,
    /// What is here of those that are not full: deliveries that go in any order, and those in lanes.
    pub held: Vec<Uuid>,
    pub held_ordered: Vec<Uuid>,
    /// `None`: scan everything. Otherwise look at these subscriptions alone, each after this id; `None`: its
    /// lanes.
    pub only: Option<(Vec<Uuid>, Vec<Option<Uuid>>)>,
    pub per_subscription: usize,
    /// Most fresh deliveries.
    pub fresh: usize,
    pub max_rows: usize,
}

/// What a claim brought.
pub struct Claimed {
    pub deliveries: Vec<Delivery>,
    /// It was truncated, at these subscriptions per shard; `None`: it brought all there was, where it looked.
    pub stopped_at: Option<HashMap<i16, Uuid>>,
    /// Subscriptions that brought as many rows as they may: there may be more.
    pub more: HashSet<Uuid>,
    /// Subscriptions with more lanes than were looked at: which ones were is chance, so a later look may find others.
    pub more_lanes: bool,
    /// Of a claim that does not scan: at which subscriptions it was to look.
    pub looked_at: Vec<Uuid>,
    /// What is known of the receivers of the subscriptions that were loaded.
    pub receivers: Vec<Receiver>,
    /// The longest timeout_seconds of the subscriptions seen so far.
    pub longest_timeout: Duration,
    /// How long the server took to find all this, without reading the events; `None`: it found nothing.
    pub scan: Option<Duration>,
}
