//! Claim: read ready deliveries of the owned shards. A plain read; see `sql/install/80_claim.sql`.

use crate::owner::{Owner, Settings};
use crate::subscriptions::{Subscription, Subscriptions};
use bytes::Bytes;
use futures_util::TryStreamExt;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use tokio_postgres::{Error, Row};
use uuid::Uuid;
use webhooks_core::payload::{Event, payload_sha256, render_envelope};

/// Payload bytes that one claim brings at the most (and at least one delivery): bounds memory whatever the events' size.
pub const MAX_BYTES: usize = 8 << 20;

/// What to claim.
pub struct ClaimRequest {
    pub shards: Vec<i16>,
    pub cursors: Vec<Option<Uuid>>,
    /// Deliveries that are here already.
    pub held: Vec<Uuid>,
    /// Subscriptions that take no more.
    pub full: Vec<Uuid>,
    pub per_subscription: usize,
    pub max_rows: usize,
}

/// A delivery to attempt.
pub struct Delivery {
    pub id: Uuid,
    pub shard: i16,
    /// Attempts made before.
    pub attempt: i32,
    pub expired: bool,
    pub subscription: Arc<Subscription>,
    /// `None`: the event is gone from event_logs.
    pub message: Option<Arc<Message>>,
}

/// An event as it is sent. Deliveries of one event that are claimed together share it.
pub struct Message {
    pub event_id: Uuid,
    pub event_type: String,
    pub body: Bytes,
    pub sha256: [u8; 32],
}

impl Delivery {
    /// Memory that holding it costs at the most, in bytes.
    pub fn size(&self) -> usize {
        self.message.as_ref().map_or(0, |m| m.body.len()) + 512
    }
}

/// What a claim brought.
pub struct Claimed {
    pub deliveries: Vec<Delivery>,
    /// The walk stopped early, at these subscriptions per shard; `None`: it reached the end of every shard.
    pub stopped_at: Option<HashMap<i16, Uuid>>,
    /// Subscriptions that brought as many rows as they may: there may be more.
    pub more: HashSet<Uuid>,
}

struct RawDelivery {
    id: Uuid,
    shard: i16,
    attempt: i32,
    expired: bool,
    subscription: (Uuid, i64),
    message: Option<Arc<Message>>,
}

/// Runs the claim and loads the subscriptions that it names.
///
/// # Errors
/// Those of the queries.
pub async fn claim(
    owner: &Owner,
    settings: &Settings,
    subscriptions: &mut Subscriptions,
    request: ClaimRequest,
) -> Result<Claimed, Error> {
    let per_subscription = i32::try_from(request.per_subscription).unwrap_or(i32::MAX);
    let max_rows = i32::try_from(request.max_rows).unwrap_or(i32::MAX);
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
        &request.shards,
        &request.cursors,
        &request.held,
        &request.full,
        &per_subscription,
        &max_rows,
    ];
    let mut rows = pin!(owner.client.query_raw(&owner.claim, parameters).await?);
    let mut raw = Vec::new();
    let mut messages: HashMap<Uuid, Option<Arc<Message>>> = HashMap::new();
    let mut bytes = 0;
    let mut cut = false;
    while let Some(row) = rows.try_next().await? {
        let message = messages.entry(row.get(6)).or_insert_with(|| {
            let message = message(&row);
            bytes += message.as_ref().map_or(0, |m| m.body.len());
            message.map(Arc::new)
        });
        raw.push(RawDelivery {
            id: row.get(0),
            shard: row.get(1),
            subscription: (row.get(2), row.get(3)),
            attempt: row.get(4),
            expired: row.get(5),
            message: message.clone(),
        });
        if bytes >= MAX_BYTES {
            cut = true;
            break;
        }
    }
    let stopped_at = (cut || raw.len() >= request.max_rows).then(|| {
        raw.iter()
            .map(|delivery| (delivery.shard, delivery.subscription.0))
            .collect()
    });
    let mut taken: HashMap<(Uuid, i64), usize> = HashMap::new();
    for delivery in &raw {
        *taken.entry(delivery.subscription).or_default() += 1;
    }
    let wanted: Vec<(Uuid, i64)> = taken.keys().copied().collect();
    subscriptions.load(owner, settings, &wanted).await?;
    let more = taken
        .into_iter()
        .filter(|(_, n)| *n >= request.per_subscription)
        .map(|((id, _), _)| id)
        .collect();
    let deliveries = raw
        .into_iter()
        .filter_map(|d| {
            Some(Delivery {
                id: d.id,
                shard: d.shard,
                attempt: d.attempt,
                expired: d.expired,
                subscription: subscriptions.get(d.subscription.0)?,
                message: d.message,
            })
        })
        .collect();
    Ok(Claimed {
        deliveries,
        stopped_at,
        more,
    })
}

fn message(row: &Row) -> Option<Message> {
    let tenant_id: Option<Uuid> = row.get(7);
    let event = Event {
        id: row.get(6),
        tenant_id: tenant_id?,
        event_type: row.get(8),
        category: row.get(9),
        name: row.get(10),
        version: row.get(11),
        created_at_us: row.get(12),
        data: row.get(13),
        resource_type: row.get(14),
        resource_id: row.get(15),
        resource_data: None,
        user_id: row.get(16),
        session_id: row.get(17),
        request_id: row.get(18),
        source_ip: row.get(19),
    };
    let body = Bytes::from(render_envelope(&event));
    let sha256 = payload_sha256(&body);
    Some(Message {
        event_id: event.id,
        event_type: event.event_type.to_owned(),
        body,
        sha256,
    })
}
