//! The claim planner: what to claim next. Full scans alternate with cheaper claims where that is better for somebody.
//!
//! ```text
//!                           there is room, and the distance from the last claim is kept
//!                                   |                                   |
//!                                   v no                                v yes
//!      fresh deliveries are looked for now                        scans are slow, and were made lately
//!              |              |                                        |                  |
//!              v yes          v no                                     v yes              v no
//!          FreshOnly       nothing                                 Backlogs           FullScan
//!      then: a claim is due                                  then: a full scan is due
//! ```
//! Tests are claimed by themselves ([`Scope::Tests`]), beside all others.

mod size;
mod slow_scans;

use size::ClaimSize;
use slow_scans::SlowScans;
use std::time::{Duration, Instant};
use uuid::Uuid;

pub(super) use size::{MAX_CLAIM, MIN_CLAIM};

/// While there is work for every slot, claims keep this distance, so that each brings many rows: to scan the
/// subscriptions costs as much as to read some dozens.
const CLAIM_DISTANCE: Duration = Duration::from_millis(10);
/// While fresh deliveries were found within [`LATELY`], they are looked for between claims, with this pause, or so many
/// times what a claim took if that is longer.
const FRESH_PAUSE: Duration = Duration::from_millis(2);
const FRESH_PART: u32 = 4;
/// While there were none: they come with claims, and with this pause if there is room for nothing else.
const NO_FRESH_PAUSE: Duration = Duration::from_millis(10);
const LATELY: Duration = Duration::from_millis(250);
/// How often tests are looked for: sidecars are notified of each, unless `webhooks.notify` is off.
const TESTS_INTERVAL: Duration = Duration::from_secs(15);

/// What a claim looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Fresh deliveries: there is no room for more, or the last claim was just now.
    FreshOnly,
    /// The subscriptions that something is here of, behind what was read of them, and fresh deliveries.
    Backlogs,
    /// All there is, beginning where the last full scan was truncated.
    FullScan { from_start: bool },
    /// Tests of subscriptions.
    Tests,
}

/// What there is room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Deliveries, fresh ones aside; 0: none now.
    pub(super) deliveries: usize,
    pub(super) fresh: usize,
    /// Deliveries that are here.
    pub(super) held: usize,
    /// Requests that may be under way at once.
    pub(super) slots: usize,
}

/// What a claim would look at now, and what the doorbell has to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `None`: there is no room for anything.
    pub scope: Option<Scope>,
    /// Something is known to be left in the database, and may be claimed.
    pub is_due: bool,
    /// Nothing that could be claimed is known to be left.
    pub may_sleep: bool,
    /// Another plan may be made from this time on.
    pub until: Option<Instant>,
}

/// What a claim brought.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Deliveries, also fresh ones.
    pub rows: usize,
    pub fresh: usize,
    /// It left something behind.
    pub is_truncated: bool,
    /// Some subscriptions have more lanes than it looked at.
    pub has_more_lanes: bool,
    /// How long the server took to find the rows; `None`: there were none.
    pub scan: Option<Duration>,
    /// How long all of it took.
    pub took: Duration,
    /// The shortest time that a statement takes.
    pub round_trip: Duration,
}

/// What is known to be left in the database.
#[derive(Debug, Default)]
struct Left {
    /// Not all there is was scanned since it was last heard of work.
    scan_due: bool,
    /// Nothing but fresh deliveries was looked for since.
    claim_due: bool,
    /// A subscription has room again of which there is more.
    wants_more: bool,
    /// Other lanes, which a later claim may find.
    more_lanes: bool,
    /// Tests that may be made now.
    tests: bool,
}

/// Plans claims, and takes in what they brought.
pub(super) struct ClaimPlanner {
    /// Claims so far.
    number: u64,
    is_claiming: bool,
    /// When the last one began, of those with a distance to keep.
    last_claim: Option<Instant>,
    /// The last one left something behind, so that what is here had better last until the next.
    is_truncated: bool,
    left: Left,
    size: ClaimSize,
    slow_scans: SlowScans,
    last_fresh: Option<Instant>,
    /// While nothing else may be claimed, fresh deliveries are not looked for before this time.
    fresh_at: Instant,
    tests_at: Instant,
    /// The last subscription that a claim of backlogs looked at.
    backlogs_until: Uuid,
}

impl ClaimPlanner {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            number: 0,
            is_claiming: false,
            last_claim: None,
            is_truncated: false,
            left: Left::default(),
            size: ClaimSize::default(),
            slow_scans: SlowScans::new(now),
            last_fresh: None,
            fresh_at: now,
            tests_at: now,
            backlogs_until: Uuid::nil(),
        }
    }

    /// Which claim was the last to begin.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The last claim whose snapshot was certainly taken before now.
    pub(super) fn last_complete(&self) -> u64 {
        self.number - u64::from(self.is_claiming)
    }

    /// Whether a claim is under way, which may bring once more what is recorded meanwhile.
    pub(super) fn is_claiming(&self) -> bool {
        self.is_claiming
    }

    pub(super) fn slow_scans(&self) -> &SlowScans {
        &self.slow_scans
    }

    pub(super) fn backlogs_until(&self) -> Uuid {
        self.backlogs_until
    }

    /// A subscription has room again, or is to be looked at again.
    pub(super) fn want_more(&mut self) {
        self.left.wants_more = true;
    }

    /// Tests are to be looked for: there are some, or one of them ended.
    pub(super) fn look_for_tests(&mut self) {
        self.left.tests = true;
    }

    /// Deliveries became ready. Returns whether there may be more to claim.
    pub(super) fn on_promoted(&mut self, any_ready: bool) -> bool {
        std::mem::take(&mut self.left.more_lanes) || any_ready
    }

    /// When the next claim is worth its while; `None`: now.
    pub(super) fn claim_at(&self, room: &Room) -> Option<Instant> {
        let enough = room.slots * if self.is_truncated { 2 } else { 1 };
        let is_busy = room.held >= enough;
        self.last_claim
            .filter(|_| is_busy)
            .map(|at| at + CLAIM_DISTANCE)
    }

    /// When tests are to be looked for; `None`: now.
    pub(super) fn tests_at(&self, now: Instant) -> Option<Instant> {
        (!self.left.tests && now < self.tests_at).then_some(self.tests_at)
    }

    /// Tests are looked for, unless there is no room for any.
    pub(super) fn on_tests_looked_for(&mut self, now: Instant) {
        self.left.tests = false;
        self.tests_at = now + TESTS_INTERVAL;
    }

    /// What a claim should look at. `is_at_start`: where the last full scan was truncated, nothing is left.
    pub(super) fn next(&self, now: Instant, room: &Room, is_at_start: bool) -> Plan {
        let claim_at = self.claim_at(room).filter(|at| now < *at);
        let has_room = room.deliveries > 0 && claim_at.is_none();
        let scan_at = self.slow_scans.scan_at();
        let may_scan = now >= scan_at;
        let scope = if !has_room {
            (now >= self.fresh_at && room.fresh > 0).then_some(Scope::FreshOnly)
        } else if may_scan {
            Some(Scope::FullScan {
                from_start: is_at_start,
            })
        } else {
            Some(Scope::Backlogs)
        };
        let left = &self.left;
        let is_left = left.claim_due || left.wants_more || may_scan && left.scan_due;
        let later = [
            claim_at,
            (!has_room && now < self.fresh_at).then_some(self.fresh_at),
            (left.scan_due && !may_scan).then_some(scan_at),
        ];
        Plan {
            scope,
            is_due: has_room && is_left,
            may_sleep: !left.scan_due && !left.claim_due || room.deliveries == 0,
            until: later.into_iter().flatten().min(),
        }
    }

    /// A claim begins. What it does not look at is looked at when that is possible.
    pub(super) fn on_claiming(&mut self, scope: Scope, now: Instant) {
        self.number += 1;
        self.is_claiming = true;
        match scope {
            Scope::FreshOnly => self.left.claim_due = true,
            Scope::Tests => {}
            Scope::Backlogs | Scope::FullScan { .. } => {
                self.last_claim = Some(now);
                self.left.claim_due = false;
                self.left.wants_more = false;
                self.left.scan_due = scope == Scope::Backlogs;
            }
        }
    }

    /// How many rows a claim asks for, fresh ones aside, if there is room for so many.
    pub(super) fn rows(&self, room: usize, now: Instant) -> usize {
        match self.is_fresh_lately(now) {
            true => room.min(self.size.rows()),
            false => room,
        }
    }

    /// A claim brought this. Returns how long a scan took that is worth a warning.
    pub(super) fn on_claimed(
        &mut self,
        scope: Scope,
        outcome: &Outcome,
        now: Instant,
    ) -> Option<Duration> {
        if scope == Scope::Tests {
            return None;
        }
        if outcome.fresh > 0 {
            self.last_fresh = Some(now);
        }
        let pause = match self.is_fresh_lately(now) {
            true => FRESH_PAUSE,
            false => NO_FRESH_PAUSE,
        };
        self.fresh_at = now + pause;
        self.left.more_lanes |= outcome.has_more_lanes;
        // Nothing found: nothing but the scan and the way to the server took time.
        let scan = outcome
            .scan
            .unwrap_or_else(|| outcome.took.saturating_sub(outcome.round_trip));
        let is_slow = slow_scans::is_slow(scan, outcome.rows);
        if scope == Scope::FreshOnly {
            self.fresh_at = self.fresh_at.max(now + outcome.took * FRESH_PART);
            return None;
        }
        self.is_truncated = outcome.is_truncated && !is_slow;
        if !is_slow {
            // To claim, and to read subscriptions.
            let took = outcome.took.saturating_sub(outcome.round_trip * 2);
            self.size.on_claimed(outcome.rows - outcome.fresh, took);
        }
        match scope {
            Scope::FullScan { .. } => self.slow_scans.on_scanned(is_slow, scan, now),
            _ => {
                self.slow_scans.on_backlogs_read(is_slow, scan, now);
                None
            }
        }
    }

    /// A claim looked at backlogs up to this subscription.
    pub(super) fn on_backlogs_read(&mut self, until: Uuid) {
        self.backlogs_until = until;
    }

    /// The claim that was under way has been taken in, or failed.
    pub(super) fn on_claim_ended(&mut self) {
        self.is_claiming = false;
    }

    /// A claim failed: what it did not bring is left.
    pub(super) fn on_claim_failed(&mut self) {
        self.left.scan_due = true;
    }

    fn is_fresh_lately(&self, now: Instant) -> bool {
        self.last_fresh.is_some_and(|at| now < at + LATELY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);
    const FULL_SCAN: Scope = Scope::FullScan { from_start: true };
    const ROOM: Room = Room {
        deliveries: 100,
        fresh: 32,
        held: 0,
        slots: 64,
    };
    const BUSY: Room = Room { held: 64, ..ROOM };
    const FULL: Room = Room {
        deliveries: 0,
        held: 700,
        ..ROOM
    };
    /// A quick claim that brought all there was.
    const ALL: Outcome = Outcome {
        rows: 1,
        fresh: 0,
        is_truncated: false,
        has_more_lanes: false,
        scan: Some(MS),
        took: MS,
        round_trip: MS,
    };

    fn claim(planner: &mut ClaimPlanner, scope: Scope, outcome: Outcome, now: Instant) {
        planner.on_claiming(scope, now);
        planner.on_claimed(scope, &outcome, now);
        planner.on_claim_ended();
    }

    /// A planner whose full scans are slow, which made one just now.
    fn slow(now: Instant) -> ClaimPlanner {
        let mut planner = ClaimPlanner::new(now);
        let slow = Outcome {
            scan: Some(100 * MS),
            ..ALL
        };
        for _ in 0..2 {
            claim(&mut planner, FULL_SCAN, slow, now);
        }
        planner
    }

    #[test]
    fn each_scope_has_its_condition() {
        let now = Instant::now();
        let claimed = |outcome: Outcome| {
            let mut planner = ClaimPlanner::new(now);
            claim(&mut planner, FULL_SCAN, outcome, now);
            planner
        };
        let truncated = Outcome {
            is_truncated: true,
            ..ALL
        };
        for (case, planner, room, after, expected) in [
            ("at first", ClaimPlanner::new(now), ROOM, 0, Some(FULL_SCAN)),
            (
                "there is little to do",
                claimed(ALL),
                ROOM,
                0,
                Some(FULL_SCAN),
            ),
            ("too early", claimed(ALL), BUSY, 9, None),
            ("late enough", claimed(ALL), BUSY, 10, Some(FULL_SCAN)),
            (
                "truncated, and not much is here",
                claimed(truncated),
                BUSY,
                0,
                Some(FULL_SCAN),
            ),
            ("no room, and no pause", claimed(ALL), FULL, 9, None),
            ("no room", claimed(ALL), FULL, 10, Some(Scope::FreshOnly)),
            (
                "no room at all",
                claimed(ALL),
                Room { fresh: 0, ..FULL },
                10,
                None,
            ),
            ("scans are slow", slow(now), ROOM, 0, Some(Scope::Backlogs)),
            (
                "it was slow long ago",
                slow(now),
                ROOM,
                1901,
                Some(FULL_SCAN),
            ),
        ] {
            let plan = planner.next(now + MS * after, &room, true);
            assert_eq!(plan.scope, expected, "{case}");
        }
    }

    #[test]
    fn a_scan_that_was_truncated_goes_on() {
        let now = Instant::now();
        let plan = ClaimPlanner::new(now).next(now, &ROOM, false);
        assert_eq!(plan.scope, Some(Scope::FullScan { from_start: false }));
    }

    #[test]
    fn after_fresh_deliveries_alone_a_claim_is_due() {
        let now = Instant::now();
        let mut planner = ClaimPlanner::new(now);
        claim(&mut planner, Scope::FreshOnly, ALL, now);
        let plan = planner.next(now, &FULL, true);
        assert!(!plan.is_due, "there is no room");
        assert!(plan.may_sleep, "nor would it be of use to stay awake");
        let plan = planner.next(now, &ROOM, true);
        assert!(plan.is_due && !plan.may_sleep);
        claim(&mut planner, FULL_SCAN, ALL, now);
        let plan = planner.next(now, &ROOM, true);
        assert!(!plan.is_due && plan.may_sleep);
    }

    #[test]
    fn after_backlogs_alone_a_full_scan_is_due_when_there_may_be_one() {
        let now = Instant::now();
        let mut planner = slow(now);
        claim(&mut planner, Scope::Backlogs, ALL, now);
        let plan = planner.next(now, &ROOM, true);
        assert!(!plan.is_due && !plan.may_sleep);
        let scan_at = plan.until.unwrap();
        assert_eq!(scan_at, now + 1900 * MS);
        let plan = planner.next(scan_at, &ROOM, true);
        assert_eq!(plan.scope, Some(FULL_SCAN));
        assert!(plan.is_due && plan.until.is_none());
    }

    #[test]
    fn fresh_deliveries_are_looked_for_more_often_while_there_are_some() {
        let now = Instant::now();
        for (fresh, took, pause) in [(0, 1, 10), (1, 1, 4), (1, 0, 2), (0, 5, 20)] {
            let mut planner = ClaimPlanner::new(now);
            let outcome = Outcome {
                fresh,
                took: MS * took,
                ..ALL
            };
            claim(&mut planner, Scope::FreshOnly, outcome, now);
            let plan = planner.next(now, &FULL, true);
            assert_eq!(plan.scope, None);
            assert_eq!(plan.until, Some(now + MS * pause), "{fresh} {took}");
            let plan = planner.next(now + MS * pause, &FULL, true);
            assert_eq!(plan.scope, Some(Scope::FreshOnly));
        }
    }

    #[test]
    fn claims_are_limited_while_there_are_fresh_deliveries() {
        let now = Instant::now();
        let mut planner = ClaimPlanner::new(now);
        assert_eq!(planner.rows(500, now), 500);
        let fresh = Outcome { fresh: 1, ..ALL };
        claim(&mut planner, FULL_SCAN, fresh, now);
        assert_eq!(planner.rows(500, now), 2 * MIN_CLAIM);
        assert_eq!(planner.rows(5, now), 5);
        assert_eq!(planner.rows(500, now + LATELY), 500);
    }

    #[test]
    fn tests_are_looked_for_when_told_and_now_and_then() {
        let now = Instant::now();
        let mut planner = ClaimPlanner::new(now);
        assert_eq!(planner.tests_at(now), None);
        planner.on_tests_looked_for(now);
        let then = now + TESTS_INTERVAL;
        assert_eq!(planner.tests_at(now), Some(then));
        assert_eq!(planner.tests_at(then), None);
        planner.look_for_tests();
        assert_eq!(planner.tests_at(now), None);
        let before = planner.next(now, &ROOM, true);
        claim(&mut planner, Scope::Tests, ALL, now);
        assert_eq!(planner.next(now, &ROOM, true), before, "tests are apart");
    }

    #[test]
    fn more_lanes_are_looked_for_after_the_next_promotion() {
        let now = Instant::now();
        let mut planner = ClaimPlanner::new(now);
        assert!(planner.on_promoted(true));
        assert!(!planner.on_promoted(false));
        let more = Outcome {
            has_more_lanes: true,
            ..ALL
        };
        claim(&mut planner, FULL_SCAN, more, now);
        assert!(planner.on_promoted(false));
        assert!(!planner.on_promoted(false));
    }

    proptest! {
        /// Whatever claims bring, and whatever room there is: a plan is the same when asked for twice, comes to an end,
        /// and what is left is claimed as soon as there is room and the scan may be made.
        #[test]
        fn plans_end_and_what_is_left_is_claimed(
            steps in prop::collection::vec(
                (0_u32..30, 0_usize..600, 0_usize..900, any::<bool>(), 0_u32..400, any::<bool>()),
                1..60,
            ),
        ) {
            let mut now = Instant::now();
            let mut planner = ClaimPlanner::new(now);
            for (pause, deliveries, held, wants_more, scan, is_truncated) in steps {
                now += MS * pause;
                if wants_more {
                    planner.want_more();
                }
                let room = Room { deliveries, held, ..ROOM };
                let plan = planner.next(now, &room, true);
                prop_assert_eq!(plan, planner.next(now, &room, true));
                prop_assert!(plan.until.is_none_or(|until| until > now));
                prop_assert!(!plan.is_due || plan.scope.is_some_and(|s| s != Scope::FreshOnly));
                if plan.scope.is_none() {
                    prop_assert!(plan.until.is_some(), "room for fresh ones is a matter of time");
                }
                if let Some(scope) = plan.scope {
                    let outcome = Outcome {
                        rows: deliveries,
                        is_truncated,
                        scan: Some(MS * scan),
                        ..ALL
                    };
                    claim(&mut planner, scope, outcome, now);
                }
                // Much later, with nothing to do, a full scan is made, after which nothing is due.
                let later = now + Duration::from_secs(60);
                let plan = planner.next(later, &ROOM, true);
                prop_assert_eq!(plan.scope, Some(FULL_SCAN));
            }
            let later = now + Duration::from_secs(60);
            claim(&mut planner, FULL_SCAN, ALL, later);
            let plan = planner.next(later, &ROOM, true);
            prop_assert!(!plan.is_due && plan.may_sleep);
        }
    }
}
