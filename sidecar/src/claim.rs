//! Claim: read ready deliveries of the owned shards. A plain read; see `sql/install/80_claim.sql`.

use crate::database::data_error;
use crate::message::{Events, Message};
use crate::model::Receiver;
use crate::model::shard::{is_of_tests, owned_for};
use crate::owner::{Owner, Settings};
use crate::subscriptions::{Subscription, Subscriptions};
use futures_util::TryStreamExt;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::Error;
use uuid::Uuid;

/// Event data that one claim brings at the most, in bytes as text, and at least one delivery.
const MAX_BYTES: i64 = 8 << 20;
/// Rows that a careful claim asks for: each is read twice, by itself.
const CAREFUL_ROWS: usize = 16;

/// What to claim.
pub struct ClaimRequest {
    pub shards: Vec<i16>,
    pub cursors: Vec<Option<Uuid>>,
    /// Subscriptions that take no more.
    pub full: Vec<Uuid>,
    /// Others that something is here of: those of the newest rows that are neither full nor known are newcomers.
    pub known: Vec<Uuid>,
    /// What is here of those that are not full: deliveries that go in any order, and those in lanes.
    pub held: Vec<Uuid>,
    pub held_ordered: Vec<Uuid>,
    /// `None`: walk over everything. Otherwise look at these subscriptions alone, each after this id; `None`: its lanes.
    pub only: Option<(Vec<Uuid>, Vec<Option<Uuid>>)>,
    pub per_subscription: usize,
    pub newcomers: usize,
    pub max_rows: usize,
}

/// A delivery to attempt.
pub struct Delivery {
    pub id: Uuid,
    pub shard: i16,
    /// Attempts made before.
    pub attempt: i32,
    /// It is made to see what its receiver answers: once, and whatever may hold its subscription's others back.
    pub is_test: bool,
    /// Published just now, and nothing else of its subscription is here.
    pub is_newcomer: bool,
    /// It goes one at a time with others of the same lane of its subscription; `None`: in any order.
    pub lane: Option<i64>,
    /// Not to be sent after this time. By the server's clock when it was claimed, so this machine's does not matter.
    pub deadline: Instant,
    pub subscription: Arc<Subscription>,
    /// Or why there is nothing that could be sent.
    pub message: Result<Arc<Message>, String>,
    /// Memory that holding it costs, in bytes: its part of a body that is shared.
    pub size: usize,
}

impl Delivery {
    /// In whose line it stands: its subscription's; a test in its own.
    pub fn line(&self) -> Uuid {
        match self.is_test {
            true => self.id,
            false => self.subscription.id,
        }
    }

    /// Whether a request will be made of it.
    pub fn is_sendable(&self, now: Instant) -> bool {
        self.message.is_ok() && now < self.deadline
    }
}

/// What a claim brought.
pub struct Claimed {
    pub deliveries: Vec<Delivery>,
    /// It was cut short, at these subscriptions per shard; `None`: it brought all there was, where it looked.
    pub stopped_at: Option<HashMap<i16, Uuid>>,
    /// Subscriptions that brought as many rows as they may: there may be more.
    pub more: HashSet<Uuid>,
    /// Subscriptions with more lanes than were looked at: which ones were is chance, so a later look may find others.
    pub more_lanes: bool,
    /// Of a claim that does not walk: at which subscriptions it was to look.
    pub looked_at: Vec<Uuid>,
    /// What is known of the receivers of the subscriptions that were loaded.
    pub receivers: Vec<Receiver>,
    /// The longest timeout_seconds of the subscriptions seen so far.
    pub longest_timeout: Duration,
    /// How long the server took to find all this, without reading the events; `None`: it found nothing.
    pub walk: Option<Duration>,
}

/// A row of the claim.
struct Claim {
    id: Uuid,
    is_newcomer: bool,
    shard: i16,
    attempt: i32,
    lane: Option<i64>,
    deadline: Instant,
    subscription: (Uuid, i64),
    /// Among the claim's events; or why it is not.
    event: Result<usize, String>,
}

/// What a delivery costs beside its body, in bytes, roughly.
const OVERHEAD: usize = 512;

/// Runs the claim and loads the subscriptions that it names.
///
/// # Errors
/// Those of the queries.
pub async fn claim(
    owner: &Owner,
    settings: &Settings,
    subscriptions: &mut Subscriptions,
    mut request: ClaimRequest,
) -> Result<Claimed, Error> {
    let Read {
        claims,
        mut events,
        cut,
        more_lanes,
        walk,
    } = read_whatever_there_is(owner, &mut request).await?;
    let newcomers = claims.iter().filter(|claim| claim.is_newcomer).count();
    #[cfg(feature = "failpoints")]
    crate::failpoint::pass(crate::failpoint::Point::AfterClaim, claims.len()).await;
    let walked = claims.len() - newcomers + more_lanes;
    let stopped_at = (cut || walked >= request.max_rows).then(|| {
        claims
            .iter()
            .filter(|claim| !claim.is_newcomer)
            .map(|claim| (claim.shard, claim.subscription.0))
            .collect()
    });
    let mut taken: HashMap<(Uuid, i64), usize> = HashMap::new();
    for claim in &claims {
        *taken.entry(claim.subscription).or_default() += 1;
    }
    let wanted: Vec<(Uuid, i64)> = taken.keys().copied().collect();
    let receivers = subscriptions.load(owner, settings, &wanted).await?;
    let more = taken
        .into_iter()
        .filter(|(_, n)| *n >= request.per_subscription)
        .map(|((id, _), _)| id)
        .collect();
    // Deleted since it was claimed: not there any more.
    let with_subscription = |claim: Claim| {
        let subscription = subscriptions.get(claim.subscription.0)?;
        Some((claim, subscription))
    };
    let claims: Vec<_> = claims.into_iter().filter_map(with_subscription).collect();
    for (claim, subscription) in &claims {
        if let Ok(event) = claim.event {
            events.want(event, subscription);
        }
    }
    let deliveries = claims
        .into_iter()
        .map(|(claim, subscription)| {
            let (message, part) = match claim.event {
                Ok(event) => events.render(event, &subscription),
                Err(reason) => (Err(reason), 0),
            };
            Delivery {
                id: claim.id,
                shard: owned_for(claim.shard),
                attempt: claim.attempt,
                is_test: is_of_tests(claim.shard),
                is_newcomer: claim.is_newcomer,
                lane: claim.lane,
                deadline: claim.deadline,
                subscription,
                message,
                size: part + OVERHEAD,
            }
        })
        .collect();
    Ok(Claimed {
        deliveries,
        stopped_at,
        more,
        more_lanes: more_lanes > 0,
        looked_at: request.only.map_or_else(Vec::new, |(ids, _)| ids),
        receivers,
        longest_timeout: subscriptions.longest_timeout(),
        walk,
    })
}

/// The rows of a claim.
struct Read {
    claims: Vec<Claim>,
    events: Events,
    /// It was cut short by the budget of bytes.
    cut: bool,
    /// How many subscriptions have more lanes than were looked at.
    more_lanes: usize,
    walk: Option<Duration>,
}

/// Reads the claim's rows. One that can't be read must not keep the others here: after an error about data the server reads
/// row by row, and says which ones these are.
async fn read_whatever_there_is(owner: &Owner, request: &mut ClaimRequest) -> Result<Read, Error> {
    let error = match read(owner, request, false).await {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    let Some(state) = data_error(&error) else {
        return Err(error);
    };
    tracing::warn!("a claim failed ({state}): reading deliveries one by one");
    request.max_rows = request.max_rows.min(CAREFUL_ROWS);
    request.newcomers = request.newcomers.min(CAREFUL_ROWS);
    read(owner, request, true).await
}

/// Reads the claim's rows. The stream of rows ends here, also where it was not read to its end: nothing else could be
/// asked on this session beside it.
async fn read(owner: &Owner, request: &ClaimRequest, careful: bool) -> Result<Read, Error> {
    let per_subscription = i32::try_from(request.per_subscription).unwrap_or(i32::MAX);
    let max_rows = i32::try_from(request.max_rows).unwrap_or(i32::MAX);
    let newcomers = i32::try_from(request.newcomers).unwrap_or(i32::MAX);
    let only = request
        .only
        .as_ref()
        .map(|(subscriptions, _)| subscriptions);
    let after = request.only.as_ref().map(|(_, after)| after);
    let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 13] = [
        &request.shards,
        &request.cursors,
        &request.held,
        &request.held_ordered,
        &request.full,
        &request.known,
        &per_subscription,
        &newcomers,
        &max_rows,
        &MAX_BYTES,
        &only,
        &after,
        &careful,
    ];
    let mut rows = pin!(owner.client.query_raw(&owner.claim, parameters).await?);
    let mut read = Read {
        claims: Vec::new(),
        events: Events::default(),
        cut: false,
        more_lanes: 0,
        walk: None,
    };
    while let Some(row) = rows.try_next().await? {
        let walk_us = u64::try_from(row.get::<_, i64>(24)).unwrap_or_default();
        read.walk = Some(Duration::from_micros(walk_us));
        let Some(id) = row.get(0) else {
            read.more_lanes += 1;
            continue;
        };
        if row.get(8) {
            read.cut = true;
            break;
        }
        read.claims.push(Claim {
            id,
            is_newcomer: row.get(1),
            shard: row.get(2),
            subscription: (row.get(3), row.get(4)),
            attempt: row.get(5),
            lane: row.get(6),
            deadline: deadline(row.get(7)),
            event: read.events.take(row),
        });
    }
    Ok(read)
}

fn deadline(expires_in_ms: i64) -> Instant {
    let now = Instant::now();
    match u64::try_from(expires_in_ms) {
        // A year is longer than any session lasts.
        Ok(ms) => now + Duration::from_millis(ms.min(365 * 86_400_000)),
        Err(_) => now,
    }
}
