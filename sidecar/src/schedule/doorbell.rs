//! The doorbell: when to look for work, and when to sleep. The protocol is described at its SQL half,
//! `sql/sidecar/doorbell.sql`.
//!
//! Asleep, the bells of the owned shards are locked: publishers notify, and a look costs one statement per event.
//! Awake, publishers don't notify, so this side looks every few milliseconds. A high rate of notifications wakes it up;
//! a pause without finds makes it lock the bells again.
//!
//! ```text
//!             nothing found for long                 locked: claim once more
//!   Awake --------------------------> Arming -------------------------------> Asleep
//!    ^ ^                               |                                        |
//!    | |    a publisher is in flight   |                                        | a high rate of notifications,
//!    | +-------------------------------+                                        | or other shards are owned
//!    |                                                                          v
//!    +--------------------------------------------------------------------- Disarming <--- it is not known
//!                                   unlocked                                               what is locked
//! ```

use super::claim_planner::{Plan, Scope};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many notifications within [`HIGH_RATE_WINDOW`] and publishers are spared their NOTIFY.
const HIGH_RATE: usize = 8;
const HIGH_RATE_WINDOW: Duration = Duration::from_millis(50);
/// Pause between looks while awake.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// Longest such pause, reached while a long publishing transaction keeps the bells from being armed.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(50);
/// Awake for so long without finding anything: lock the bells.
const IDLE_BEFORE_SLEEP: Duration = Duration::from_millis(25);

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Claim.
    Claim(Scope),
    /// Lock the bells.
    Arm,
    /// Unlock the bells.
    Disarm,
    /// Nothing, before this time.
    Wait(Instant),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Awake,
    Arming,
    Asleep,
    Disarming,
}

/// Asleep or awake, and since when.
pub struct Doorbell {
    poll_interval: Duration,
    state: State,
    /// The shards whose bells are locked, or may be.
    locked: Vec<i16>,
    /// The bells have to be unlocked, whatever there is to do.
    must_disarm: bool,
    /// There may be work that no claim has seen.
    has_unseen: bool,
    notified: VecDeque<Instant>,
    last_claim: Instant,
    last_find: Instant,
    last_arm: Instant,
}

impl Doorbell {
    /// Awake, and about to claim.
    pub fn new(poll_interval: Duration, now: Instant) -> Self {
        Self {
            poll_interval,
            state: State::Awake,
            locked: Vec::new(),
            must_disarm: false,
            has_unseen: true,
            notified: VecDeque::with_capacity(HIGH_RATE),
            last_claim: now,
            last_find: now,
            last_arm: now,
        }
    }

    /// A session begins, in which nothing is locked.
    pub fn on_opened(&mut self, now: Instant) {
        *self = Self::new(self.poll_interval, now);
    }

    /// A publisher notified.
    pub fn on_notify(&mut self, now: Instant) {
        self.has_unseen = true;
        if self.notified.len() == HIGH_RATE {
            self.notified.pop_front();
        }
        self.notified.push_back(now);
    }

    /// Something else may have made work: room for a subscription, a promotion, new shards.
    pub fn on_work(&mut self) {
        self.has_unseen = true;
    }

    /// A claim begins: what it will see is no longer unseen.
    pub fn on_claiming(&mut self, now: Instant) {
        self.last_claim = now;
        self.has_unseen = false;
    }

    /// A claim brought something.
    pub fn on_found(&mut self, now: Instant) {
        self.last_find = now;
    }

    /// The bells of these shards are being locked.
    pub fn on_arming(&mut self, shards: &[i16]) {
        self.state = State::Arming;
        shards.clone_into(&mut self.locked);
    }

    /// An attempt to lock them ended. Locked: claim once more, with a snapshot taken after the locks.
    pub fn on_armed(&mut self, success: bool, now: Instant) {
        self.state = match success {
            true => State::Asleep,
            false => {
                self.locked.clear();
                State::Awake
            }
        };
        self.has_unseen = success;
        self.last_arm = now;
        self.notified.clear();
    }

    /// The bells are being unlocked. Returns the shards of those that are locked, or may be.
    pub fn on_disarming(&mut self) -> Vec<i16> {
        self.state = State::Disarming;
        self.must_disarm = false;
        std::mem::take(&mut self.locked)
    }

    /// The bells are unlocked.
    pub fn on_disarmed(&mut self, now: Instant) {
        self.state = State::Awake;
        self.has_unseen = true;
        self.last_find = now;
        self.notified.clear();
    }

    /// Other shards are owned now, whose bells are not locked, or nothing could wake this sidecar up.
    pub fn must_not_sleep(&mut self) {
        self.must_disarm |= self.state == State::Asleep;
    }

    /// A statement failed, so that any of these shards' bells may be locked.
    pub fn on_failed(&mut self, owned: Vec<i16>) {
        self.locked = owned;
        self.must_disarm = true;
    }

    fn is_notify_rate_high(&self) -> bool {
        self.notified.len() == HIGH_RATE
            && self
                .notified
                .back()
                .zip(self.notified.front())
                .is_some_and(|(last, first)| *last - *first <= HIGH_RATE_WINDOW)
    }

    fn look_pause(&self, now: Instant) -> Duration {
        (now.saturating_duration_since(self.last_find) / 10).clamp(LOOK_PAUSE, LOOK_PAUSE_MAX)
    }

    /// The next step, while no statement is under way.
    pub fn next(&self, now: Instant, plan: &Plan) -> Step {
        let is_asleep = self.state == State::Asleep;
        if self.must_disarm || is_asleep && self.is_notify_rate_high() {
            return Step::Disarm;
        }
        if let Some(scope) = plan.scope
            && (self.has_unseen || plan.is_due)
        {
            return Step::Claim(scope);
        }
        let next_claim = if is_asleep {
            self.last_claim + self.poll_interval
        } else {
            let pause = self.look_pause(now);
            if plan.may_sleep
                && now >= self.last_find + IDLE_BEFORE_SLEEP
                && now >= self.last_arm + pause
            {
                return Step::Arm;
            }
            self.last_claim + pause
        };
        let until = match plan.scope {
            Some(scope) if now >= next_claim => return Step::Claim(scope),
            Some(_) => next_claim,
            // A recorded delivery makes room and wakes the engine by itself.
            None => now + self.poll_interval,
        };
        Step::Wait(plan.until.map_or(until, |at| at.min(until)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLL: Duration = Duration::from_secs(10);
    const SCOPE: Scope = Scope::FullScan { from_start: true };
    const CLAIM: Step = Step::Claim(SCOPE);
    /// There is room, and nothing known to be left.
    const ROOM: Plan = Plan {
        scope: Some(SCOPE),
        is_due: false,
        may_sleep: true,
        until: None,
    };
    const NO_ROOM: Plan = Plan {
        scope: None,
        ..ROOM
    };

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn awake(now: Instant) -> Doorbell {
        Doorbell::new(POLL, now)
    }

    fn asleep(now: Instant) -> Doorbell {
        let mut doorbell = awake(now);
        doorbell.on_claiming(now);
        doorbell.on_arming(&[0, 1]);
        doorbell.on_armed(true, now);
        doorbell.on_claiming(now);
        doorbell
    }

    #[test]
    fn it_claims_first_then_arms_after_a_while_and_claims_once_more() {
        let now = Instant::now();
        let mut doorbell = awake(now);
        assert_eq!(doorbell.next(now, &ROOM), CLAIM);
        doorbell.on_claiming(now);
        assert_eq!(doorbell.next(now, &ROOM), Step::Wait(now + LOOK_PAUSE));
        assert_eq!(doorbell.next(now + LOOK_PAUSE, &ROOM), CLAIM);
        doorbell.on_claiming(now + ms(24));
        let idle = now + IDLE_BEFORE_SLEEP;
        assert_eq!(doorbell.next(idle, &ROOM), Step::Arm);
        doorbell.on_arming(&[0]);
        doorbell.on_armed(true, idle);
        assert_eq!(doorbell.next(idle, &ROOM), CLAIM);
    }

    #[test]
    fn a_publisher_in_flight_keeps_it_awake_with_longer_pauses() {
        let now = Instant::now();
        let mut doorbell = awake(now);
        let idle = now + IDLE_BEFORE_SLEEP;
        doorbell.on_claiming(now + ms(24));
        doorbell.on_arming(&[0]);
        doorbell.on_armed(false, idle);
        assert_eq!(
            doorbell.next(idle, &ROOM),
            Step::Wait(now + ms(24) + ms(2) + ms(1) / 2)
        );
        let later = now + Duration::from_secs(60);
        doorbell.on_claiming(later);
        doorbell.on_arming(&[0]);
        doorbell.on_armed(false, later);
        let longest = Step::Wait(later + LOOK_PAUSE_MAX);
        assert_eq!(doorbell.next(later, &ROOM), longest);
        assert!(doorbell.on_disarming().is_empty());
    }

    #[test]
    fn asleep_it_waits_for_the_poll() {
        let now = Instant::now();
        let doorbell = asleep(now);
        assert_eq!(doorbell.next(now + ms(1), &ROOM), Step::Wait(now + POLL));
        assert_eq!(doorbell.next(now + POLL, &ROOM), CLAIM);
    }

    #[test]
    fn one_notification_is_a_claim_and_many_wake_it_up() {
        let now = Instant::now();
        let mut doorbell = asleep(now);
        doorbell.on_notify(now + ms(1));
        assert_eq!(doorbell.next(now + ms(1), &ROOM), CLAIM);
        for n in 0..7 {
            doorbell.on_claiming(now + ms(2 + n));
            doorbell.on_notify(now + ms(2 + n));
        }
        assert_eq!(doorbell.next(now + ms(9), &ROOM), Step::Disarm);
        assert_eq!(doorbell.on_disarming(), [0, 1]);
        doorbell.on_disarmed(now + ms(9));
        assert_eq!(doorbell.next(now + ms(9), &ROOM), CLAIM);
    }

    #[test]
    fn while_something_is_known_to_be_left_it_stays_awake() {
        let now = Instant::now();
        let mut doorbell = awake(now);
        doorbell.on_claiming(now + ms(24));
        let idle = now + IDLE_BEFORE_SLEEP;
        let something_left = Plan {
            may_sleep: false,
            ..ROOM
        };
        assert!(matches!(
            doorbell.next(idle, &something_left),
            Step::Wait(_)
        ));
        assert_eq!(doorbell.next(idle, &ROOM), Step::Arm);
    }

    #[test]
    fn a_low_rate_of_notifications_leaves_it_asleep() {
        let now = Instant::now();
        let mut doorbell = asleep(now);
        for n in 0..20 {
            doorbell.on_notify(now + ms(20 * n));
            assert_eq!(doorbell.next(now + ms(20 * n), &ROOM), CLAIM);
            doorbell.on_claiming(now + ms(20 * n));
        }
    }

    #[test]
    fn without_room_it_does_not_claim_and_waits_for_another_plan() {
        let now = Instant::now();
        let mut doorbell = asleep(now);
        doorbell.on_notify(now);
        assert_eq!(doorbell.next(now, &NO_ROOM), Step::Wait(now + POLL));
        let soon = Plan {
            until: Some(now + ms(3)),
            ..NO_ROOM
        };
        assert_eq!(doorbell.next(now, &soon), Step::Wait(now + ms(3)));
    }

    #[test]
    fn what_is_due_is_claimed_also_while_it_sleeps() {
        let now = Instant::now();
        let due = Plan {
            is_due: true,
            ..ROOM
        };
        assert_eq!(asleep(now).next(now + ms(1), &due), CLAIM);
    }

    #[test]
    fn other_shards_wake_it_up_unless_it_is_awake() {
        let now = Instant::now();
        let (mut awake, mut asleep) = (awake(now), asleep(now));
        awake.must_not_sleep();
        assert_eq!(awake.next(now, &ROOM), CLAIM);
        asleep.must_not_sleep();
        assert_eq!(asleep.next(now, &ROOM), Step::Disarm);
        assert_eq!(asleep.on_disarming(), [0, 1]);
    }

    #[test]
    fn after_a_failure_all_bells_are_unlocked_first() {
        let now = Instant::now();
        let mut doorbell = awake(now);
        doorbell.on_arming(&[0]);
        doorbell.on_failed(vec![0, 1, 2]);
        assert_eq!(doorbell.next(now, &NO_ROOM), Step::Disarm);
        assert_eq!(doorbell.on_disarming(), [0, 1, 2]);
        doorbell.on_disarmed(now);
        assert_eq!(doorbell.next(now, &ROOM), CLAIM);
    }

    proptest! {
        /// Publishers commit at any time: whatever happens between, what is committed is claimed within a poll interval
        /// after a notification that is not seen, and within milliseconds otherwise.
        #[test]
        fn nothing_committed_waits_for_long(
            steps in prop::collection::vec((0_u64..40, any::<bool>(), any::<bool>()), 1..200),
        ) {
            let start = Instant::now();
            let (mut now, mut doorbell) = (start, awake(start));
            // Bells are locked in the database; committed and not claimed since.
            let (mut is_locked, mut waits_since) = (false, None::<Instant>);
            for (pause, commits, may_arm) in steps {
                now += ms(pause);
                if commits {
                    waits_since.get_or_insert(now);
                    if is_locked {
                        doorbell.on_notify(now);
                    }
                }
                // What the engine does until there is nothing to do.
                let mut idle = false;
                for _ in 0..10 {
                    match doorbell.next(now, &ROOM) {
                        Step::Claim(_) => {
                            doorbell.on_claiming(now);
                            if waits_since.take().is_some() {
                                doorbell.on_found(now);
                            }
                        }
                        Step::Arm => {
                            doorbell.on_arming(&[0]);
                            is_locked = may_arm;
                            doorbell.on_armed(may_arm, now);
                        }
                        Step::Disarm => {
                            prop_assert_eq!(doorbell.on_disarming(), [0]);
                            is_locked = false;
                            doorbell.on_disarmed(now);
                        }
                        Step::Wait(until) => {
                            prop_assert!(until > now, "it must not spin");
                            let longest = if is_locked { POLL } else { LOOK_PAUSE_MAX };
                            prop_assert!(until <= now + longest);
                            idle = true;
                            break;
                        }
                    }
                }
                prop_assert!(idle, "it must come to rest");
                if is_locked {
                    prop_assert_eq!(waits_since, None, "asleep with something committed");
                }
            }
        }
    }
}
