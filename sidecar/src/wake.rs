//! When to look for work, when to sleep. The protocol is described at its SQL half, `sql/sidecar/doorbell.sql`.
//!
//! Asleep (armed), the bells are locked: publishers notify, and a look costs one statement per event. Awake
//! (disarmed), publishers don't notify, so this side looks every few milliseconds. Notifications that come thick
//! wake it up; a pause without finds makes it arm again.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many rings within [`RING_WINDOW`] and publishers are spared their NOTIFY.
const RINGS: usize = 8;
const RING_WINDOW: Duration = Duration::from_millis(50);
/// Pause between looks while awake.
const LOOK_PAUSE: Duration = Duration::from_millis(2);
/// Longest such pause, reached while a long publishing transaction keeps the bells from being armed.
const LOOK_PAUSE_MAX: Duration = Duration::from_millis(50);
/// Awake for so long without finding anything: arm.
const LINGER: Duration = Duration::from_millis(25);

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Claim.
    Look,
    /// Lock the bells.
    Arm,
    /// Unlock the bells.
    Disarm,
    /// Nothing, until then.
    Wait(Instant),
}

/// Asleep or awake, and since when.
pub struct Wake {
    poll_interval: Duration,
    armed: bool,
    /// There may be work that no look has seen.
    dirty: bool,
    rings: VecDeque<Instant>,
    last_look: Instant,
    last_find: Instant,
    last_arm: Instant,
}

impl Wake {
    /// Awake, and about to look.
    pub fn new(poll_interval: Duration, now: Instant) -> Self {
        Self {
            poll_interval,
            armed: false,
            dirty: true,
            rings: VecDeque::with_capacity(RINGS),
            last_look: now,
            last_find: now,
            last_arm: now,
        }
    }

    /// A publisher notified.
    pub fn rang(&mut self, now: Instant) {
        self.dirty = true;
        if self.rings.len() == RINGS {
            self.rings.pop_front();
        }
        self.rings.push_back(now);
    }

    /// Something else may have made work: room for a subscription, a promotion, new shards.
    pub fn look_again(&mut self) {
        self.dirty = true;
    }

    /// A claim was started: what it will see is no longer unseen.
    pub fn looking(&mut self, now: Instant) {
        self.last_look = now;
        self.dirty = false;
    }

    /// A claim brought something.
    pub fn found(&mut self, now: Instant) {
        self.last_find = now;
    }

    /// An attempt to arm ended. Armed: look once more, with a snapshot taken after the locks.
    pub fn tried_to_arm(&mut self, success: bool, now: Instant) {
        self.armed = success;
        self.dirty = success;
        self.last_arm = now;
        self.rings.clear();
    }

    /// The bells are unlocked.
    pub fn disarmed(&mut self, now: Instant) {
        self.armed = false;
        self.dirty = true;
        self.last_find = now;
        self.rings.clear();
    }

    pub fn is_armed(&self) -> bool {
        self.armed
    }

    fn rings_thick(&self) -> bool {
        self.rings.len() == RINGS
            && self
                .rings
                .back()
                .zip(self.rings.front())
                .is_some_and(|(last, first)| *last - *first <= RING_WINDOW)
    }

    fn look_pause(&self, now: Instant) -> Duration {
        (now.saturating_duration_since(self.last_find) / 10).clamp(LOOK_PAUSE, LOOK_PAUSE_MAX)
    }

    /// The next step. `room`: claimed deliveries could be taken. `may_sleep`: the last look saw everything there was.
    pub fn next(&self, now: Instant, room: bool, may_sleep: bool) -> Step {
        if self.armed && self.rings_thick() {
            return Step::Disarm;
        }
        if self.dirty && room {
            return Step::Look;
        }
        let next_look = if self.armed {
            self.last_look + self.poll_interval
        } else {
            let pause = self.look_pause(now);
            if may_sleep && now >= self.last_find + LINGER && now >= self.last_arm + pause {
                return Step::Arm;
            }
            self.last_look + pause
        };
        match room {
            true if now >= next_look => Step::Look,
            true => Step::Wait(next_look),
            // A recorded delivery makes room and wakes the engine by itself.
            false => Step::Wait(now + self.poll_interval),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLL: Duration = Duration::from_secs(10);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn asleep(now: Instant) -> Wake {
        let mut wake = Wake::new(POLL, now);
        wake.looking(now);
        wake.tried_to_arm(true, now);
        wake.looking(now);
        wake
    }

    #[test]
    fn looks_first_then_lingers_then_arms_and_looks_once_more() {
        let now = Instant::now();
        let mut wake = Wake::new(POLL, now);
        assert_eq!(wake.next(now, true, true), Step::Look);
        wake.looking(now);
        assert_eq!(wake.next(now, true, true), Step::Wait(now + LOOK_PAUSE));
        assert_eq!(wake.next(now + LOOK_PAUSE, true, true), Step::Look);
        wake.looking(now + ms(24));
        assert_eq!(wake.next(now + LINGER, true, true), Step::Arm);
        wake.tried_to_arm(true, now + LINGER);
        assert_eq!(wake.next(now + LINGER, true, true), Step::Look);
    }

    #[test]
    fn a_publisher_in_flight_keeps_it_awake_with_longer_pauses() {
        let now = Instant::now();
        let mut wake = Wake::new(POLL, now);
        wake.looking(now + ms(24));
        wake.tried_to_arm(false, now + LINGER);
        assert_eq!(
            wake.next(now + LINGER, true, true),
            Step::Wait(now + ms(24) + wake.look_pause(now + LINGER))
        );
        let later = now + Duration::from_secs(60);
        wake.looking(later);
        wake.tried_to_arm(false, later);
        assert_eq!(
            wake.next(later, true, true),
            Step::Wait(later + LOOK_PAUSE_MAX)
        );
    }

    #[test]
    fn asleep_it_waits_for_the_poll() {
        let now = Instant::now();
        let wake = asleep(now);
        assert_eq!(wake.next(now + ms(1), true, true), Step::Wait(now + POLL));
        assert_eq!(wake.next(now + POLL, true, true), Step::Look);
    }

    #[test]
    fn one_ring_is_a_look_and_many_wake_it_up() {
        let now = Instant::now();
        let mut wake = asleep(now);
        wake.rang(now + ms(1));
        assert_eq!(wake.next(now + ms(1), true, true), Step::Look);
        for n in 0..7 {
            wake.looking(now + ms(2 + n));
            wake.rang(now + ms(2 + n));
        }
        assert_eq!(wake.next(now + ms(9), true, true), Step::Disarm);
        wake.disarmed(now + ms(9));
        assert_eq!(wake.next(now + ms(9), true, true), Step::Look);
    }

    #[test]
    fn while_not_all_was_looked_at_it_stays_awake() {
        let now = Instant::now();
        let mut wake = Wake::new(POLL, now);
        wake.looking(now + ms(24));
        let later = now + LINGER;
        assert_eq!(
            wake.next(later, true, false),
            Step::Wait(now + ms(24) + wake.look_pause(later))
        );
        assert_eq!(wake.next(later, true, true), Step::Arm);
    }

    #[test]
    fn slow_rings_leave_it_asleep() {
        let now = Instant::now();
        let mut wake = asleep(now);
        for n in 0..20 {
            wake.rang(now + ms(20 * n));
            assert_eq!(wake.next(now + ms(20 * n), true, true), Step::Look);
            wake.looking(now + ms(20 * n));
        }
    }

    #[test]
    fn without_room_it_does_not_look() {
        let now = Instant::now();
        let mut wake = asleep(now);
        wake.rang(now);
        assert!(matches!(wake.next(now, false, true), Step::Wait(_)));
    }
}
