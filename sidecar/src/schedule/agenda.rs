//! The agenda: what the owning session is asked for next, one statement at a time, in the order of [`ORDER`].
//!
//! Each item has a time from which on it is due:
//! ```text
//!             its time comes                  the session takes it up
//!   Waiting -----------------> Due (in turn) -------------------------> UnderWay
//!    ^                          ^                                        |    |
//!    |                          |    it gave up waiting for a lock       |    |
//!    |                          +----------------------------------------+    |
//!    |                                    it is done                          |
//!    +------------------------------------------------------------------------+
//! ```
//! After one that gave up, nothing but shards and the heartbeat is due for a while ([`Agenda::on_failed`]). The settings
//! alone are due by an event, and not by a time:
//! ```text
//!              changed              taken up
//!   Current -----------> Changed -----------> Reading
//!      ^                    ^                  |  |
//!      |                    |     changed      |  |
//!      |                    +------------------+  |
//!      +------------------------------------------+
//!                         read
//! ```
//! Until they are current again nothing is sent.

use std::time::{Duration, Instant};

/// How often to send a heartbeat and look at the balance of shards. Short, so that one that joins is given its share
/// within seconds; one small statement each.
pub const BALANCE_INTERVAL: Duration = Duration::from_secs(2);
/// How often to look for changes of settings and subscriptions that nobody notified this sidecar of.
const CHANGES_INTERVAL: Duration = Duration::from_secs(10);
/// Longest time between looks at scheduled deliveries. Who publishes one with deliver_after rings, and a retry is known:
/// this is how late one can be noticed whose time was changed by hand.
const PROMOTE_INTERVAL: Duration = Duration::from_secs(5);
/// Shortest time between such looks when publishers ring.
const PROMOTE_PAUSE: Duration = Duration::from_millis(250);
/// Shortest time between them at all: retries that fall due one after another are made ready together.
const PROMOTE_STEP: Duration = Duration::from_millis(5);

/// What the session can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// Read the settings: nothing is sent meanwhile.
    Settings,
    /// Release shards: others wait for them.
    Release,
    /// Heartbeat, and taking shards.
    Balance,
    /// Look for changes that nobody notified this sidecar of.
    Changes,
    /// Make due deliveries ready.
    Promote,
    /// Load subscriptions whose receivers may have to be asked: before anything is claimed of them.
    Load,
    /// Claim tests: somebody waits for them.
    Tests,
    /// Claim deliveries, or lock or unlock the bells, as the doorbell has it.
    Deliveries,
}

/// The order in which they are considered.
const ORDER: [Item; 8] = [
    Item::Settings,
    Item::Release,
    Item::Balance,
    Item::Changes,
    Item::Promote,
    Item::Load,
    Item::Tests,
    Item::Deliveries,
];

impl Item {
    /// What is done then, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Settings => "reading the settings",
            Self::Release => "releasing shards or the doorbell",
            Self::Balance => "balancing shards",
            Self::Changes => "looking for changes",
            Self::Promote => "making due deliveries ready",
            Self::Load => "loading subscriptions",
            Self::Tests => "claiming tests",
            Self::Deliveries => "claiming deliveries",
        }
    }
}

/// What the agenda has to know of others.
#[derive(Clone, Copy, Debug)]
pub struct Situation {
    /// There are shards to deliver for.
    pub is_delivering: bool,
    /// There are shards to release.
    pub is_releasing: bool,
    /// There are subscriptions to load.
    pub is_loading: bool,
    /// When tests are to be looked for; `None`: now.
    pub tests_at: Option<Instant>,
}

/// Whether the settings that are known are those in force.
#[derive(Debug, PartialEq, Eq)]
enum Settings {
    Current,
    Changed,
    Reading,
}

/// When what is due.
pub struct Agenda {
    settings: Settings,
    balance_at: Instant,
    changes_at: Instant,
    promote_at: Instant,
    last_promote: Instant,
    /// After a statement that gave up: none but the heartbeat before this time.
    retry_at: Instant,
}

impl Agenda {
    /// A session begins, with the settings in force.
    pub fn new(now: Instant) -> Self {
        Self {
            settings: Settings::Current,
            balance_at: now,
            changes_at: now + CHANGES_INTERVAL,
            promote_at: now,
            last_promote: now,
            retry_at: now,
        }
    }

    /// The first item that is due, or the time before which none is.
    ///
    /// # Errors
    /// That time.
    pub fn next(&self, now: Instant, situation: &Situation) -> Result<Item, Instant> {
        let is_due = |item: &Item| self.at(*item, now, situation).is_some_and(|at| at <= now);
        match ORDER.into_iter().find(is_due) {
            Some(item) => Ok(item),
            None => Err(self.until(now, situation)),
        }
    }

    /// When the next of the items is due that are not yet.
    pub fn until(&self, now: Instant, situation: &Situation) -> Instant {
        let times = ORDER
            .iter()
            .filter_map(|item| self.at(*item, now, situation));
        let later = times.filter(|at| *at > now);
        later.fold(now + BALANCE_INTERVAL, Instant::min)
    }

    /// From when on an item is due; `None`: not before something happens.
    fn at(&self, item: Item, now: Instant, situation: &Situation) -> Option<Instant> {
        let delivering = |at: Instant| situation.is_delivering.then_some(at.max(self.retry_at));
        match item {
            Item::Settings => (self.settings == Settings::Changed).then_some(self.retry_at),
            Item::Release => situation.is_releasing.then_some(now),
            Item::Balance => Some(self.balance_at),
            Item::Changes => delivering(self.changes_at),
            Item::Promote => delivering(self.promote_at),
            Item::Load => delivering(now).filter(|_| situation.is_loading),
            Item::Tests => delivering(situation.tests_at.unwrap_or(now)),
            Item::Deliveries => delivering(now),
        }
    }

    /// An item is taken up.
    pub fn on_started(&mut self, item: Item, now: Instant) {
        match item {
            Item::Settings => self.settings = Settings::Reading,
            Item::Balance => self.balance_at = now + BALANCE_INTERVAL,
            Item::Changes => self.changes_at = now + CHANGES_INTERVAL,
            Item::Promote => {
                self.last_promote = now;
                self.promote_at = now + PROMOTE_INTERVAL;
            }
            Item::Release | Item::Load | Item::Tests | Item::Deliveries => {}
        }
    }

    /// A statement gave up waiting for somebody's lock, or was cancelled. It is tried again from this time on, and all
    /// others too: what is locked may be in their way as well.
    pub fn on_failed(&mut self, item: Item, retry_at: Instant) {
        self.retry_at = retry_at;
        match item {
            Item::Settings => self.settings = Settings::Changed,
            Item::Balance => self.balance_at = retry_at,
            Item::Promote => self.promote_at = retry_at,
            Item::Release | Item::Changes | Item::Load | Item::Tests | Item::Deliveries => {}
        }
    }

    /// Other settings are in force.
    pub fn on_settings_changed(&mut self) {
        self.settings = Settings::Changed;
    }

    /// The settings were read.
    pub fn on_settings_read(&mut self) {
        if self.settings == Settings::Reading {
            self.settings = Settings::Current;
        }
    }

    /// Whether the settings that are known are those in force, as far as anybody said.
    pub fn are_settings_current(&self) -> bool {
        self.settings == Settings::Current
    }

    /// A publisher notified: what it published may be due.
    pub fn on_notify(&mut self) {
        self.promote_by(self.last_promote + PROMOTE_PAUSE);
    }

    /// Other shards are to be delivered for: what is due of them is not known.
    pub fn on_shards_added(&mut self, now: Instant) {
        self.promote_at = now;
    }

    /// A claim left lanes behind, which it finds after the next promotion.
    pub fn on_more_lanes(&mut self, now: Instant) {
        self.promote_by(now + PROMOTE_PAUSE);
    }

    /// A delivery is due again after this time.
    pub fn on_retry(&mut self, after: Duration, now: Instant) {
        self.promote_by(now + after + PROMOTE_STEP);
    }

    fn promote_by(&mut self, at: Instant) {
        self.promote_at = self.promote_at.min(at);
    }

    /// What was due is ready, which took so long. `next`: the time until something else is due.
    pub fn on_promoted(
        &mut self,
        next: Option<Duration>,
        took: Duration,
        are_some_locked: bool,
        now: Instant,
    ) {
        // To go over very many locked rows takes its time, in which nothing is claimed.
        let least = match are_some_locked {
            true => took * 10,
            false => PROMOTE_STEP,
        };
        let pause = next.unwrap_or(PROMOTE_INTERVAL).max(least);
        self.promote_at = now + pause.clamp(PROMOTE_STEP, PROMOTE_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);
    /// Nothing but deliveries, and tests one day.
    fn delivering(now: Instant) -> Situation {
        Situation {
            is_delivering: true,
            is_releasing: false,
            is_loading: false,
            tests_at: Some(now + SECOND * 86_400),
        }
    }

    /// Takes up what is due, until that is `last`.
    fn take_up(agenda: &mut Agenda, now: Instant, situation: &Situation, last: Item) -> Vec<Item> {
        let mut taken = Vec::new();
        while taken.last() != Some(&last) {
            let item = agenda.next(now, situation).unwrap();
            agenda.on_started(item, now);
            taken.push(item);
        }
        taken
    }

    /// One that has done what is due at first.
    fn settled(now: Instant) -> Agenda {
        let mut agenda = Agenda::new(now);
        let taken = take_up(&mut agenda, now, &delivering(now), Item::Deliveries);
        assert_eq!(taken, [Item::Balance, Item::Promote, Item::Deliveries]);
        agenda
    }

    #[test]
    fn what_is_due_is_taken_up_in_order() {
        let now = Instant::now();
        let mut agenda = Agenda::new(now);
        agenda.on_settings_changed();
        let mut situation = Situation {
            is_delivering: true,
            is_releasing: true,
            is_loading: true,
            tests_at: None,
        };
        let then = now + CHANGES_INTERVAL;
        for expected in ORDER {
            assert_eq!(agenda.next(then, &situation), Ok(expected));
            agenda.on_started(expected, then);
            match expected {
                Item::Release => situation.is_releasing = false,
                Item::Load => situation.is_loading = false,
                Item::Tests => situation.tests_at = Some(then + SECOND),
                _ => {}
            }
        }
        assert_eq!(agenda.until(then, &situation), then + SECOND);
    }

    #[test]
    fn without_shards_only_heartbeats_and_settings_are_due() {
        let now = Instant::now();
        let mut agenda = Agenda::new(now);
        let situation = Situation {
            is_delivering: false,
            is_loading: true,
            tests_at: None,
            ..delivering(now)
        };
        assert_eq!(agenda.next(now, &situation), Ok(Item::Balance));
        agenda.on_started(Item::Balance, now);
        assert_eq!(agenda.next(now, &situation), Err(now + BALANCE_INTERVAL));
        agenda.on_settings_changed();
        assert_eq!(agenda.next(now, &situation), Ok(Item::Settings));
    }

    #[test]
    fn each_item_has_its_interval() {
        let now = Instant::now();
        for (item, interval) in [
            (Item::Balance, BALANCE_INTERVAL),
            (Item::Promote, PROMOTE_INTERVAL),
            (Item::Changes, CHANGES_INTERVAL),
        ] {
            let (agenda, around) = (settled(now), delivering(now));
            let at = |time| agenda.at(item, time, &around).unwrap();
            assert_eq!(at(now + interval), now + interval, "{item:?}");
        }
    }

    #[test]
    fn after_a_failure_only_the_heartbeat_and_releasing_are_due_for_a_while() {
        let now = Instant::now();
        let retry_at = now + 100 * MS;
        for (item, is_repeated) in [
            (Item::Settings, true),
            (Item::Balance, true),
            (Item::Promote, true),
            (Item::Changes, false),
        ] {
            let (mut agenda, mut around) = (settled(now), delivering(now));
            agenda.on_started(item, now);
            agenda.on_failed(item, retry_at);
            assert_eq!(agenda.next(now, &around), Err(retry_at), "{item:?}");
            let next = agenda.next(retry_at, &around).unwrap();
            assert_eq!(next == item, is_repeated, "{item:?}");
            around.is_releasing = true;
            assert_eq!(agenda.next(now, &around), Ok(Item::Release));
            around.is_releasing = false;
            agenda.balance_at = now;
            assert_eq!(agenda.next(now, &around), Ok(Item::Balance));
        }
    }

    #[test]
    fn settings_that_change_while_they_are_read_are_read_again() {
        let now = Instant::now();
        let (mut agenda, around) = (settled(now), delivering(now));
        assert!(agenda.are_settings_current());
        for is_changed_meanwhile in [true, false] {
            agenda.on_settings_changed();
            assert_eq!(agenda.next(now, &around), Ok(Item::Settings));
            agenda.on_started(Item::Settings, now);
            assert_eq!(agenda.next(now, &around), Ok(Item::Deliveries));
            assert!(!agenda.are_settings_current());
            if is_changed_meanwhile {
                agenda.on_settings_changed();
            }
            agenda.on_settings_read();
            assert_eq!(agenda.are_settings_current(), !is_changed_meanwhile);
        }
    }

    #[test]
    fn due_deliveries_are_looked_for_when_there_may_be_some() {
        let now = Instant::now();
        type Event = Box<dyn Fn(&mut Agenda, Instant)>;
        let on = |event: fn(&mut Agenda, Instant)| -> Event { Box::new(event) };
        let promoted = |next: Option<u32>, are_some_locked| -> Event {
            let next = next.map(|next| MS * next);
            Box::new(move |agenda, now| agenda.on_promoted(next, 30 * MS, are_some_locked, now))
        };
        for (event, pause) in [
            (on(|_, _| {}), PROMOTE_INTERVAL),
            (on(|agenda, _| agenda.on_notify()), PROMOTE_PAUSE),
            (on(Agenda::on_more_lanes), PROMOTE_PAUSE),
            (on(Agenda::on_shards_added), Duration::ZERO),
            (
                on(|agenda, now| agenda.on_retry(40 * MS, now)),
                40 * MS + PROMOTE_STEP,
            ),
            (
                on(|agenda, now| agenda.on_retry(9 * SECOND, now)),
                PROMOTE_INTERVAL,
            ),
            (promoted(None, false), PROMOTE_INTERVAL),
            (promoted(Some(0), false), PROMOTE_STEP),
            (promoted(Some(700), false), 700 * MS),
            (promoted(Some(7000), false), PROMOTE_INTERVAL),
            (promoted(Some(0), true), 300 * MS),
        ] {
            let mut agenda = settled(now);
            event(&mut agenda, now);
            assert_eq!(agenda.promote_at, now + pause);
        }
    }

    proptest! {
        /// Whatever happens: asking twice answers the same, what is not due has a time in the future, and when nothing
        /// else is due there was a heartbeat within its interval.
        #[test]
        fn questions_change_nothing_and_heartbeats_go_on(
            steps in prop::collection::vec((0_u32..500, 0_u8..8, any::<[bool; 3]>()), 1..200),
        ) {
            let mut now = Instant::now();
            let mut agenda = Agenda::new(now);
            let mut heartbeat = now;
            for (pause, event, [is_delivering, is_releasing, is_loading]) in steps {
                let situation = Situation {
                    is_delivering,
                    is_releasing,
                    is_loading,
                    tests_at: None,
                };
                let next = agenda.next(now, &situation);
                prop_assert_eq!(agenda.next(now, &situation), next);
                match next {
                    Ok(item) => {
                        agenda.on_started(item, now);
                        match event {
                            0 => agenda.on_failed(item, now + MS * 100),
                            1 => agenda.on_settings_changed(),
                            _ => agenda.on_settings_read(),
                        }
                        if item == Item::Balance {
                            heartbeat = now;
                        }
                        if item != Item::Deliveries {
                            continue;
                        }
                    }
                    Err(until) => prop_assert!(until > now && until <= now + BALANCE_INTERVAL),
                }
                prop_assert!(now < heartbeat + BALANCE_INTERVAL);
                now += MS * pause;
            }
        }
    }
}
