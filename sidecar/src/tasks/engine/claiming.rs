//! Claiming: where a claim looks, and what it brings.

use super::{Action, Engine, PROMOTE_PAUSE, Purpose, Reply};
use crate::dispatch::{MAX_CLAIM, MIN_CLAIM};
use crate::model::{ClaimRequest, Claimed};
use crate::postgres::claim::claim;
use crate::postgres::owner::Owner;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A walk that takes the server longer, beside [`SLOW_ROW`] for each row it finds, goes over many dead rows, which some
/// transaction keeps from being removed.
const SLOW_WALK: Duration = Duration::from_millis(20);
const SLOW_ROW: Duration = Duration::from_micros(50);
/// Slow walks take one part in so many of the time; claims between them look behind what was seen. What is committed
/// long after its id was made, and what is not among the newest, waits for the next walk. So do looks at lanes, which begin
/// at the beginning of each.
const SLOW_WALK_PART: u32 = 20;
/// Longest pause between slow walks.
const SLOW_WALK_PAUSE_MAX: Duration = Duration::from_secs(10);
/// A walk that takes so long is worth a warning, once in [`WARNING_INTERVAL`].
const VERY_SLOW_WALK: Duration = Duration::from_millis(100);
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// While there are newcomers a claim should take no longer, the network aside: they wait for the next one. Subscriptions that
/// are met for the first time have to be read, so that how many rows this is good for differs a lot.
const CLAIM_TIME: Duration = Duration::from_millis(2);
/// Fewest rows that a claim asks for, however slow it is.
const LEAST_ROWS: usize = MIN_CLAIM / 2;
/// While newcomers were found within [`LATELY`], they are looked for between claims, with this pause, or so many times what a
/// look took if that is longer.
const NEWCOMERS_PAUSE: Duration = Duration::from_millis(2);
const NEWCOMERS_PART: u32 = 4;
/// While there were none: they come with claims, and with this pause if there is room for nothing else.
const NO_NEWCOMERS_PAUSE: Duration = Duration::from_millis(10);
const LATELY: Duration = Duration::from_millis(250);

/// How many rows a claim asks for while there are newcomers, beside these.
pub(super) struct ClaimSize(usize);

impl ClaimSize {
    pub(super) fn new() -> Self {
        Self(2 * MIN_CLAIM)
    }

    pub(super) fn rows(&self) -> usize {
        self.0
    }

    /// A claim of so many rows took so long.
    fn took(&mut self, rows: usize, took: Duration) {
        let good_for = rows as f64 * CLAIM_TIME.as_secs_f64() / took.as_secs_f64().max(1e-6);
        let (least, most) = if rows >= self.0 && took <= CLAIM_TIME {
            (self.0, self.0 * 2)
        } else if rows * 2 >= self.0 && took > CLAIM_TIME {
            (self.0 / 2, self.0)
        } else {
            // So few rows say little of a row.
            return;
        };
        self.0 = (good_for as usize)
            .clamp(least, most)
            .clamp(LEAST_ROWS, MAX_CLAIM);
    }
}

/// What a claim looks at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// There is no room for more, or the last claim was just now.
    Newcomers,
    /// The subscriptions that something is here of, behind what was seen of them, and newcomers.
    Lines,
    /// All there is, beginning where the last walk ended; `true`: at the start.
    Everything(bool),
}

impl Engine {
    pub(super) fn claim(&mut self, owner: Arc<Owner>, room: usize, now: Instant) -> Action {
        let (shards, cursors) = self.shards.cursors();
        let scope = match room {
            0 => Scope::Newcomers,
            _ if now < self.walk_at => Scope::Lines,
            _ => Scope::Everything(self.shards.at_start()),
        };
        // What it does not look at it will when it may.
        match scope {
            Scope::Newcomers => {
                self.owes_a_look = true;
                self.board.claiming_few();
            }
            Scope::Lines | Scope::Everything(_) => {
                self.owes_a_walk |= scope == Scope::Lines;
                self.board.claiming(scope == Scope::Everything(true), now);
            }
        }
        let full = self.board.full(now);
        let only = (scope == Scope::Lines).then(|| {
            let lanes = now >= self.lanes_at;
            self.board.in_turn(&full, lanes)
        });
        let newcomers = self.board.newcomers(!matches!(scope, Scope::Everything(_)));
        let known = match newcomers {
            0 => Vec::new(),
            _ => self.board.known(&full),
        };
        let (held, held_ordered) = match scope {
            Scope::Newcomers => (Vec::new(), Vec::new()),
            _ => self.board.held_ids(&full),
        };
        let request = ClaimRequest {
            shards,
            cursors,
            held,
            held_ordered,
            full: full.into_iter().collect(),
            known,
            only,
            fresh: newcomers,
            per_subscription: self.board.per_subscription(),
            max_rows: match self.newcomers_lately(now) {
                true => room.min(self.claim_size.rows()),
                false => room,
            },
        };
        self.wake.looking(now);
        self.purpose = Purpose::Claim;
        self.run_claim(owner, request, move |claimed| Reply::Claimed {
            claimed,
            scope,
        })
    }

    /// Looks for tests, of subscriptions that none is under way of; `None`: enough are.
    pub(super) fn claim_tests(&mut self, owner: &Arc<Owner>) -> Option<Action> {
        let (room, full) = self.board.room_for_tests();
        if room == 0 {
            return None;
        }
        self.board.claiming_few();
        self.purpose = Purpose::Tests;
        let shards = self.shards.of_tests();
        let request = ClaimRequest {
            cursors: vec![None; shards.len()],
            shards,
            held: Vec::new(),
            held_ordered: Vec::new(),
            full,
            known: Vec::new(),
            only: None,
            fresh: 0,
            per_subscription: 1,
            max_rows: room,
        };
        Some(self.run_claim(owner.clone(), request, Reply::ClaimedTests))
    }

    fn run_claim(
        &mut self,
        owner: Arc<Owner>,
        request: ClaimRequest,
        reply: impl FnOnce(Claimed) -> Reply + Send + 'static,
    ) -> Action {
        self.claiming = true;
        let subscriptions = self.subscriptions.clone();
        let changed = std::mem::take(&mut self.changed);
        let anew = std::mem::take(&mut self.reload_subscriptions);
        let settings = self.settings.clone();
        Box::pin(async move {
            let mut subscriptions = subscriptions.lock().await;
            if anew {
                subscriptions.clear();
            }
            subscriptions.forget(&changed);
            let settings = match settings {
                Some(settings) => settings,
                None => Arc::new(owner.settings().await?),
            };
            Ok(reply(
                claim(&owner, &settings, &mut subscriptions, request).await?,
            ))
        })
    }

    pub(super) fn claimed(&mut self, claimed: Claimed, scope: Scope, now: Instant) {
        self.claiming = false;
        let took = self.action_started.elapsed();
        // Nothing found: nothing but the walk and the way to the server took time.
        let walk = claimed
            .walk
            .unwrap_or_else(|| took.saturating_sub(self.round_trip));
        let newcomers = claimed.deliveries.iter().filter(|d| d.is_fresh).count();
        if newcomers > 0 {
            self.last_newcomer = Some(now);
        }
        let any_lately = self.newcomers_lately(now);
        self.newcomers_at = now
            + if any_lately {
                NEWCOMERS_PAUSE
            } else {
                NO_NEWCOMERS_PAUSE
            };
        let is_slow = self.pause_what_is_slow(scope, walk, claimed.deliveries.len(), now);
        match scope {
            Scope::Newcomers => {
                self.newcomers_at = self.newcomers_at.max(now + took * NEWCOMERS_PART)
            }
            _ if is_slow => self.was_cut = false,
            _ => {
                self.was_cut = claimed.stopped_at.is_some();
                // To claim, and to read subscriptions.
                let took = took.saturating_sub(self.round_trip * 2);
                self.claim_size
                    .took(claimed.deliveries.len() - newcomers, took);
            }
        }
        if scope == Scope::Lines {
            let cut = claimed.stopped_at.is_some();
            let last = claimed.deliveries.last().filter(|_| cut);
            self.board
                .looked_at(&claimed.looked_at, last.map(|last| last.subscription.id));
        }
        tracing::debug!(
            rows = claimed.deliveries.len(),
            took_us = took.as_micros(),
            walk_us = walk.as_micros(),
            cut = claimed.stopped_at.is_some(),
            "claimed"
        );
        let mut found = false;
        if claimed.longest_timeout > self.args.drain_timeout.max(self.longest_timeout) {
            self.longest_timeout = claimed.longest_timeout;
            tracing::warn!(
                timeout_seconds = claimed.longest_timeout.as_secs(),
                drain_timeout_seconds = self.args.drain_timeout.as_secs(),
                "a subscription's timeout_seconds is longer than --drain-timeout: its slow requests are cut off at shutdown and made again; give --drain-timeout as much, or the subscription less"
            );
        }
        self.board.adopt_all(claimed.receivers, now);
        let active = self.shards.active();
        for delivery in claimed.deliveries {
            // Shards may have begun to leave while the claim was under way.
            if active.contains(&delivery.shard) {
                found |= self.board.offer(delivery, now);
            }
        }
        if claimed.more_lanes {
            self.promote_at = self.promote_at.min(now + PROMOTE_PAUSE);
        }
        self.more_lanes |= claimed.more_lanes;
        for subscription in claimed.more {
            self.board.more(subscription);
        }
        self.board.claim_ended();
        match (scope, claimed.stopped_at) {
            (Scope::Everything(_), Some(last)) => {
                self.shards.advance(&last);
                self.wake.look_again();
            }
            (Scope::Everything(from_start), None) => {
                self.shards.rewind();
                if !from_start {
                    self.wake.look_again();
                }
            }
            (Scope::Lines, Some(_)) => self.wake.look_again(),
            (Scope::Lines, None) | (Scope::Newcomers, _) => {}
        }
        if found {
            self.wake.found(now);
        }
    }

    pub(super) fn claimed_tests(&mut self, claimed: Claimed, now: Instant) {
        self.claiming = false;
        self.board.adopt_all(claimed.receivers, now);
        let active = self.shards.active();
        for delivery in claimed.deliveries {
            if active.contains(&delivery.shard) {
                self.board.offer(delivery, now);
            }
        }
        self.board.claim_ended();
    }

    fn newcomers_lately(&self, now: Instant) -> bool {
        self.last_newcomer.is_some_and(|at| now < at + LATELY)
    }

    /// Walks, or looks at lanes, that are slow are made less often. Returns whether this one was.
    fn pause_what_is_slow(
        &mut self,
        scope: Scope,
        took: Duration,
        rows: usize,
        now: Instant,
    ) -> bool {
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        let is_slow = took > SLOW_WALK + SLOW_ROW * rows;
        let until = now + (took * (SLOW_WALK_PART - 1)).min(SLOW_WALK_PAUSE_MAX);
        match scope {
            Scope::Newcomers => return is_slow,
            Scope::Lines => {
                if is_slow {
                    self.lanes_at = until;
                }
                return is_slow;
            }
            Scope::Everything(_) => {}
        }
        // Once may be a busy machine, or the first plan of a session.
        let walks_are_slow = is_slow && self.was_slow;
        self.was_slow = is_slow;
        self.board.walks_are_slow(walks_are_slow);
        if !walks_are_slow {
            return is_slow;
        }
        self.walk_at = until;
        if took > VERY_SLOW_WALK && now >= self.warn_at {
            self.warn_at = now + WARNING_INTERVAL;
            tracing::warn!(
                took_ms = took.as_millis(),
                "a walk over webhooks.delivery_queue takes long: look for what keeps vacuum from removing its dead rows (a long transaction: pg_stat_activity.backend_xmin; pg_replication_slots.xmin; pg_prepared_xacts), or whether tens of thousands of subscriptions have deliveries waiting"
            );
        }
        is_slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn claims_grow_while_they_are_quick_and_shrink_when_they_are_slow() {
        let mut size = ClaimSize::new();
        assert_eq!(size.rows(), 2 * MIN_CLAIM);
        for _ in 0..8 {
            size.took(size.rows(), MS);
        }
        assert_eq!(size.rows(), MAX_CLAIM);
        size.took(MAX_CLAIM, 2 * CLAIM_TIME);
        assert_eq!(size.rows(), MAX_CLAIM / 2);
        size.took(MAX_CLAIM / 2, CLAIM_TIME * 5 / 4);
        assert_eq!(size.rows(), MAX_CLAIM * 2 / 5, "as many as it has time for");
        size.took(1, MS);
        size.took(1, 2 * CLAIM_TIME);
        assert_eq!(size.rows(), MAX_CLAIM * 2 / 5);
        for _ in 0..8 {
            size.took(size.rows(), 20 * CLAIM_TIME);
        }
        assert_eq!(size.rows(), LEAST_ROWS);
    }
}
