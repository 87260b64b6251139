//! `claim_deliveries()`: reads ready deliveries of the owned shards. A plain read.

use super::claim_row::{self, ClaimedDelivery};
use super::composite::composite;
use super::events::Events;
use super::owner::Owner;
use super::subscription_cache::Subscriptions;
use super::unreadable::data_error;
use crate::model::shard::{is_of_tests, owned_for};
use crate::model::{ClaimRequest, Claimed, Delivery, Settings};
use futures_util::TryStreamExt;
use std::collections::HashMap;
use std::pin::pin;
use std::time::Duration;
use tokio_postgres::Error;
use uuid::Uuid;

/// Event data that one claim brings at the most, in bytes as text, and at least one delivery.
const MAX_BYTES: i64 = 8 << 20;
/// Rows that a careful claim asks for: each is read twice, by itself.
const CAREFUL_ROWS: usize = 16;

/// A delivery of the claim: its event among those of the claim, or why it is not.
struct Claim {
    delivery: ClaimedDelivery,
    event: Result<usize, String>,
}

/// What a delivery costs beside its body, in bytes, roughly.
const OVERHEAD: usize = 512;

composite! {
    /// `webhooks_private.claim_request`.
    struct RequestRow<'a> {
        shards: &'a [i16],
        cursors: &'a [Option<Uuid>],
        held: &'a [Uuid],
        held_ordered: &'a [Uuid],
        full_subscriptions: &'a [Uuid],
        known_subscriptions: &'a [Uuid],
        only_subscriptions: Option<&'a [Uuid]>,
        after_ids: Option<&'a [Option<Uuid>]>,
        per_subscription: i32,
        max_fresh: i32,
        max_rows: i32,
        max_bytes: i64,
        is_careful: bool,
    }
}

impl<'a> RequestRow<'a> {
    fn of(request: &'a ClaimRequest, is_careful: bool) -> Self {
        let number = |number| i32::try_from(number).unwrap_or(i32::MAX);
        let only = request.only.as_ref();
        Self {
            shards: &request.shards,
            cursors: &request.cursors,
            held: &request.held,
            held_ordered: &request.held_ordered,
            full_subscriptions: &request.full,
            known_subscriptions: &request.known,
            only_subscriptions: only.map(|(subscriptions, _)| &subscriptions[..]),
            after_ids: only.map(|(_, after)| &after[..]),
            per_subscription: number(request.per_subscription),
            max_fresh: number(request.fresh),
            max_rows: number(request.max_rows),
            max_bytes: MAX_BYTES,
            is_careful,
        }
    }
}

/// Runs the claim and loads the subscriptions that it names.
///
/// # Errors
/// Those of the queries.
pub async fn claim(
    owner: &Owner,
    settings: &Settings,
    subscriptions: &mut Subscriptions,
    request: &mut ClaimRequest,
) -> Result<Claimed, Error> {
    let Read {
        claims,
        mut events,
        is_truncated,
        more_lanes,
        scan,
    } = read_whatever_there_is(owner, request).await?;
    let fresh = claims
        .iter()
        .filter(|claim| claim.delivery.is_fresh)
        .count();
    #[cfg(feature = "failpoints")]
    crate::failpoint::pass(crate::failpoint::Point::AfterClaim, claims.len()).await;
    let scanned = claims.len() - fresh + more_lanes;
    let stopped_at = (is_truncated || scanned >= request.max_rows).then(|| {
        claims
            .iter()
            .filter(|claim| !claim.delivery.is_fresh)
            .map(|claim| (claim.delivery.shard, claim.delivery.subscription.0))
            .collect()
    });
    let mut taken: HashMap<(Uuid, i64), usize> = HashMap::new();
    for claim in &claims {
        *taken.entry(claim.delivery.subscription).or_default() += 1;
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
        let subscription = subscriptions.get(claim.delivery.subscription.0)?;
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
            let claimed = claim.delivery;
            Delivery {
                id: claimed.id,
                shard: owned_for(claimed.shard),
                attempt: claimed.attempt,
                is_test: is_of_tests(claimed.shard),
                is_fresh: claimed.is_fresh,
                lane: claimed.lane,
                deadline: claimed.deadline,
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
        looked_at: request.only.take().map_or_else(Vec::new, |(ids, _)| ids),
        receivers,
        longest_timeout: subscriptions.longest_timeout(),
        scan,
    })
}

/// The rows of a claim.
struct Read {
    claims: Vec<Claim>,
    events: Events,
    /// It was truncated by the budget of bytes.
    is_truncated: bool,
    /// How many subscriptions have more lanes than were looked at.
    more_lanes: usize,
    scan: Option<Duration>,
}

/// Reads the claim's rows. One that can't be read must not keep the others here: after an error about data the server
/// reads row by row, and says which ones these are.
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
    request.fresh = request.fresh.min(CAREFUL_ROWS);
    read(owner, request, true).await
}

/// Reads the claim's rows. The stream of rows ends here, also where it was not read to its end: nothing else could be
/// asked on this session beside it.
async fn read(owner: &Owner, request: &ClaimRequest, is_careful: bool) -> Result<Read, Error> {
    let claim = &owner.statements.claim;
    let request = RequestRow::of(request, is_careful);
    let mut rows = pin!(owner.client.query_raw(claim, [&request]).await?);
    let mut read = Read {
        claims: Vec::new(),
        events: Events::default(),
        is_truncated: false,
        more_lanes: 0,
        scan: None,
    };
    while let Some(row) = rows.try_next().await? {
        read.scan = Some(claim_row::scan(&row));
        let Some(id) = claim_row::delivery_id(&row) else {
            read.more_lanes += 1;
            continue;
        };
        if claim_row::is_over_budget(&row) {
            read.is_truncated = true;
            break;
        }
        read.claims.push(Claim {
            delivery: ClaimedDelivery::of(id, &row),
            event: read.events.take(id, row),
        });
    }
    Ok(read)
}
