//! Throttles: receivers that want less. One that asks for a pause gets none of its subscription's requests until it is
//! over. One that got too many without saying how long to wait, or that has too much to do, gets fewer at once, after
//! short pauses. With what it takes then it is given more again.
//!
//! ```text
//!           it wants less                 it wants a pause, or still less
//!   Free -----------------> Limited --------------------------------------> Paused
//!    ^                       |   ^                                             |
//!    |  enough successes,    |   |               the pause is over             |
//!    |  or a long silence    |   +---------------------------------------------+
//!    +-----------------------+
//! ```

use std::collections::HashMap;
use std::time::{Duration, Instant};
use uuid::Uuid;
use webhooks_core::retry::Throttle;

/// Pauses of receivers that do not say how long they want them, each twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What is left of an entry that nothing is heard of any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// A longer wait is worth recording once more if it is that much longer.
const WORTH_RECORDING: Duration = Duration::from_secs(1);

/// A receiver that wanted less.
#[derive(Debug)]
struct Throttled {
    shard: i16,
    /// No request before this time.
    until: Instant,
    /// What follows the end of that time was not done yet.
    waits: bool,
    /// Requests that began before say nothing new.
    since: Instant,
    /// The next pause of one that does not say how long.
    pause: Duration,
    /// How many requests may be under way at once; it grows by one in about as many successes.
    limit: f64,
}

/// The receivers of all subscriptions that wanted less.
#[derive(Default)]
pub(super) struct Throttles {
    throttled: HashMap<Uuid, Throttled>,
}

/// An answer, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    pub(super) subscription: Uuid,
    pub(super) shard: i16,
    pub(super) max_in_flight: usize,
    /// When its request began.
    pub(super) began: Instant,
}

impl Throttles {
    /// Takes over what the database knows, unless more is known here.
    pub(super) fn on_loaded(
        &mut self,
        subscription: Uuid,
        shard: i16,
        until: Instant,
        now: Instant,
    ) {
        self.throttled.entry(subscription).or_insert(Throttled {
            shard,
            until,
            waits: true,
            since: now,
            pause: FIRST_PAUSE,
            // As if it had been the first answer: it is given more soon.
            limit: 1.0,
        });
    }

    /// Forgets those for which `keep` is false.
    pub(super) fn retain(&mut self, keep: impl Fn(Uuid, i16) -> bool) {
        self.throttled.retain(|id, one| keep(*id, one.shard));
    }

    /// Until when nothing may be sent.
    pub(super) fn waits_until(&self, subscription: Uuid, now: Instant) -> Option<Instant> {
        let until = self.throttled.get(&subscription)?.until;
        (now < until).then_some(until)
    }

    /// Whether a receiver's wait is over since this was last asked.
    pub(super) fn end_wait(&mut self, subscription: Uuid, now: Instant) -> bool {
        let ended = self
            .throttled
            .get_mut(&subscription)
            .filter(|one| one.until <= now);
        ended.is_some_and(|one| std::mem::take(&mut one.waits))
    }

    /// Those that wanted less.
    pub(super) fn ids(&self) -> impl Iterator<Item = Uuid> {
        self.throttled.keys().copied()
    }

    /// Those to which nothing may be sent.
    pub(super) fn waiting(&self, now: Instant) -> impl Iterator<Item = Uuid> {
        let waiting = self
            .throttled
            .iter()
            .filter(move |(_, one)| now < one.until);
        waiting.map(|(id, _)| *id)
    }

    /// How many requests may be under way, of so many that its subscription allows.
    pub(super) fn limit(&self, subscription: Uuid, max_in_flight: usize) -> usize {
        let limit = self.throttled.get(&subscription).map(|one| one.limit);
        limit.map_or(max_in_flight, |limit| {
            (limit as usize).clamp(1, max_in_flight.max(1))
        })
    }

    /// The receiver wants less. Returns for how long nothing is sent to it, if that is news.
    pub(super) fn on_wish(
        &mut self,
        answer: Answer,
        wish: Throttle,
        now: Instant,
    ) -> Option<Duration> {
        let most = answer.max_in_flight.max(1) as f64;
        let one = self
            .throttled
            .entry(answer.subscription)
            .or_insert(Throttled {
                shard: answer.shard,
                until: now,
                waits: false,
                since: answer.began,
                pause: FIRST_PAUSE,
                limit: most,
            });
        // Of what was under way when it began, each answer would halve it.
        let is_news = answer.began >= one.since;
        let limit_before = one.limit.min(most);
        if is_news {
            one.since = now;
            one.limit = (limit_before / 2.0).max(1.0);
        }
        let wait = match wish {
            Throttle::Wait(wait) => wait,
            _ if !is_news => return None,
            // Some of many: fewer at once may be enough.
            Throttle::Overloaded if limit_before > 1.0 => return None,
            Throttle::TooMany | Throttle::Overloaded => {
                let pause = one.pause;
                one.pause = (pause * 2).min(LONGEST_PAUSE);
                pause
            }
        };
        let until = now + wait;
        let is_longer = until > one.until + WORTH_RECORDING || one.until <= now;
        one.until = one.until.max(until);
        one.waits = true;
        is_longer.then_some(wait)
    }

    /// The receiver took a request. Returns whether more may be under way now.
    pub(super) fn on_success(&mut self, answer: Answer, now: Instant) -> bool {
        let Some(one) = self.throttled.get_mut(&answer.subscription) else {
            return false;
        };
        if answer.began < one.since || now < one.until {
            return false;
        }
        let before = one.limit as usize;
        one.pause = (one.pause / 2).max(FIRST_PAUSE);
        one.limit += 1.0 / one.limit;
        let is_more = one.limit as usize > before;
        if one.limit >= answer.max_in_flight as f64 {
            self.throttled.remove(&answer.subscription);
            return true;
        }
        is_more
    }

    /// Forgets what nothing was heard of for long.
    pub(super) fn tick(&mut self, now: Instant) {
        self.throttled
            .retain(|_, one| now < one.until.max(one.since) + FORGOTTEN_AFTER);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: Uuid = Uuid::from_u128(1);
    const SECOND: Duration = Duration::from_secs(1);

    fn answer(began: Instant) -> Answer {
        Answer {
            subscription: ID,
            shard: 1,
            max_in_flight: 20,
            began,
        }
    }

    #[test]
    fn a_receiver_that_says_how_long_is_left_alone_so_long() {
        let (mut throttles, now) = (Throttles::default(), Instant::now());
        let wait = |seconds| Throttle::Wait(SECOND * seconds);
        assert_eq!(
            throttles.on_wish(answer(now - SECOND), wait(90), now),
            Some(SECOND * 90)
        );
        assert_eq!(throttles.waits_until(ID, now), Some(now + SECOND * 90));
        // Others that were under way: the longest counts, and only a longer one is news.
        assert_eq!(throttles.on_wish(answer(now - SECOND), wait(30), now), None);
        assert_eq!(
            throttles.on_wish(answer(now - SECOND), wait(120), now),
            Some(SECOND * 120)
        );
        let later = now + SECOND * 120;
        assert_eq!(throttles.waits_until(ID, later - SECOND), Some(later));
        assert_eq!(throttles.waiting(later - SECOND).collect::<Vec<_>>(), [ID]);
        assert_eq!(throttles.waits_until(ID, later), None);
        assert_eq!(throttles.limit(ID, 20), 10, "halved once for all of them");
        throttles.tick(later + FORGOTTEN_AFTER);
        assert_eq!(throttles.limit(ID, 20), 20);
    }

    #[test]
    fn one_that_does_not_is_slowed_down_and_recovers() {
        let (mut throttles, mut now) = (Throttles::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let began = now;
            let pause = throttles
                .on_wish(answer(began), Throttle::TooMany, now)
                .unwrap();
            assert_eq!(
                throttles.on_wish(answer(began - SECOND), Throttle::TooMany, now),
                None
            );
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(throttles.limit(ID, 20), 1);
        let mut successes = 0;
        while throttles.limit(ID, 20) < 20 {
            throttles.on_success(answer(now), now);
            successes += 1;
        }
        assert!((150..250).contains(&successes), "{successes}");
        assert!(throttles.throttled.is_empty());
        // From the beginning.
        assert_eq!(
            throttles.on_wish(answer(now), Throttle::TooMany, now),
            Some(SECOND)
        );
    }

    #[test]
    fn one_that_has_too_much_to_do_gets_fewer_at_once_before_it_gets_a_pause() {
        let (mut throttles, now) = (Throttles::default(), Instant::now());
        for limit in [10, 5, 2, 1] {
            let wish = Throttle::Overloaded;
            assert_eq!(throttles.on_wish(answer(now), wish, now), None);
            assert_eq!(throttles.waits_until(ID, now), None);
            assert_eq!(throttles.limit(ID, 20), limit);
        }
        // 20, 10, 5, 2.5, 1.25, 1
        throttles.on_wish(answer(now), Throttle::Overloaded, now);
        let pause = throttles.on_wish(answer(now), Throttle::Overloaded, now);
        assert_eq!(pause, Some(SECOND));
        // With successes between, it never gets there.
        let mut throttles = Throttles::default();
        for _ in 0..100 {
            assert_eq!(
                throttles.on_wish(answer(now), Throttle::Overloaded, now),
                None
            );
            for _ in 0..100 {
                throttles.on_success(answer(now), now);
            }
        }
        assert!(throttles.limit(ID, 20) >= 8);
    }

    #[test]
    fn what_began_before_says_nothing_of_the_time_after() {
        let (mut throttles, now) = (Throttles::default(), Instant::now());
        throttles.on_wish(answer(now), Throttle::TooMany, now + SECOND);
        for _ in 0..1000 {
            assert!(!throttles.on_success(answer(now), now + SECOND * 9));
        }
        assert_eq!(throttles.limit(ID, 20), 10);
    }

    #[test]
    fn what_the_database_knows_counts_unless_more_is_known() {
        let (mut throttles, now) = (Throttles::default(), Instant::now());
        throttles.on_loaded(ID, 1, now + SECOND, now);
        throttles.on_loaded(ID, 1, now + SECOND * 9, now);
        assert_eq!(throttles.waits_until(ID, now), Some(now + SECOND));
        throttles.retain(|_, shard| shard != 1);
        assert_eq!(throttles.waits_until(ID, now), None);
    }

    proptest! {
        /// Whatever it answers: a pause that was asked for is kept, and at least one request may be under way.
        #[test]
        fn a_pause_is_kept_and_the_limit_is_within_bounds(
            answers in prop::collection::vec((0_u8..4, 0_u64..100, 0_u64..20), 1..60),
        ) {
            let (mut throttles, mut now) = (Throttles::default(), Instant::now());
            let mut asked_until = now;
            for (kind, wait, seconds) in answers {
                now += SECOND * seconds as u32;
                let wait = SECOND * wait as u32;
                let wish = [Throttle::Wait(wait), Throttle::TooMany, Throttle::Overloaded];
                match wish.get(usize::from(kind)) {
                    Some(wish) => {
                        throttles.on_wish(answer(now), *wish, now);
                    }
                    None => {
                        throttles.on_success(answer(now), now);
                    }
                }
                if kind == 0 {
                    asked_until = asked_until.max(now + wait);
                }
                throttles.tick(now);
                let waits_until = throttles.waits_until(ID, now);
                prop_assert!(now >= asked_until || waits_until >= Some(asked_until));
                prop_assert!(waits_until.is_none_or(|until| until > now));
                prop_assert_eq!(throttles.waiting(now).count(), usize::from(waits_until.is_some()));
                prop_assert!((1..=20).contains(&throttles.limit(ID, 20)));
            }
        }
    }
}
