//! Health of this process: is it alive, and does it deliver. Whoever knows reports it here; who asks gets an answer without
//! waiting for anybody.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// The engine goes round at least every other second, whatever the database does.
const ALIVE: Duration = Duration::from_secs(30);
/// A result that waits longer to be recorded is a sign that something is wrong.
const RECORDED_WITHIN: Duration = Duration::from_secs(30);
/// No result waits.
const NONE: u64 = u64::MAX;

/// What is known of this process's health. Times are in milliseconds since its start.
pub struct Health {
    start: Instant,
    /// Without an answer of the database for so long the shards are lost.
    lease: Duration,
    went_round: AtomicU64,
    answered: AtomicU64,
    has_session: AtomicBool,
    owned: AtomicUsize,
    unrecorded_since: AtomicU64,
    is_stopping: AtomicBool,
}

impl Health {
    /// Alive, and not ready.
    pub fn new(lease: Duration, now: Instant) -> Self {
        Self {
            start: now,
            lease,
            went_round: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            has_session: AtomicBool::new(false),
            owned: AtomicUsize::new(0),
            unrecorded_since: AtomicU64::new(NONE),
            is_stopping: AtomicBool::new(false),
        }
    }

    fn ms(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_millis();
        u64::try_from(since).unwrap_or(NONE - 1)
    }

    fn since(&self, then: &AtomicU64, now: Instant) -> Duration {
        Duration::from_millis(self.ms(now).saturating_sub(then.load(Relaxed)))
    }

    /// The engine goes round. Returns whether it does so for the first time in this second.
    pub fn on_round(&self, now: Instant) -> bool {
        let ms = self.ms(now);
        self.went_round.swap(ms, Relaxed) / 1000 != ms / 1000
    }

    /// The database answered the owning session.
    pub fn on_answer(&self, now: Instant) {
        self.answered.store(self.ms(now), Relaxed);
        self.has_session.store(true, Relaxed);
    }

    /// Whether there is an owning session.
    pub fn has_session(&self) -> bool {
        self.has_session.load(Relaxed)
    }

    /// There is no owning session.
    pub fn on_session_lost(&self) {
        self.has_session.store(false, Relaxed);
        self.owned.store(0, Relaxed);
    }

    /// So many shards are owned.
    pub fn on_owned(&self, shards: usize) {
        self.owned.store(shards, Relaxed);
    }

    /// It was asked to end: it sends nothing more, and ends within its time by itself.
    pub fn on_stopping(&self) {
        self.is_stopping.store(true, Relaxed);
    }

    /// Since when results wait to be recorded; `None`: none does.
    pub fn on_unrecorded(&self, since: Option<Instant>) {
        let since = since.map_or(NONE, |at| self.ms(at));
        self.unrecorded_since.store(since, Relaxed);
    }

    /// Why the process is to be restarted; `None`: it is alive.
    pub fn not_alive(&self, now: Instant) -> Option<String> {
        let idle = self.since(&self.went_round, now);
        let is_stopping = self.is_stopping.load(Relaxed);
        (idle > ALIVE && !is_stopping).then(|| format!("nothing has run for {} s", idle.as_secs()))
    }

    /// Why it delivers nothing, or not as it should; empty: it is ready.
    pub fn not_ready(&self, now: Instant) -> Vec<String> {
        let mut reasons: Vec<String> = self.not_alive(now).into_iter().collect();
        let silent = self.since(&self.answered, now);
        if self.is_stopping.load(Relaxed) {
            reasons.push("it is stopping".to_owned());
        } else if !self.has_session.load(Relaxed) {
            reasons.push("there is no session with the database; the log says why".to_owned());
        } else if silent > self.lease {
            let seconds = silent.as_secs();
            reasons.push(format!("the database has not answered for {seconds} s"));
        } else if self.owned.load(Relaxed) == 0 {
            reasons.push(
                "no shard is owned: other sidecars own all, or are about to release some"
                    .to_owned(),
            );
        }
        if self.unrecorded_since.load(Relaxed) != NONE {
            let waited = self.since(&self.unrecorded_since, now);
            if waited > RECORDED_WITHIN {
                let seconds = waited.as_secs();
                reasons.push(format!(
                    "results have waited for {seconds} s to be recorded"
                ));
            }
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn ready_with_a_session_that_answers_a_shard_and_nothing_left_to_record() {
        let start = Instant::now();
        let health = Health::new(15 * SECOND, start);
        let is_ready = |now| health.not_ready(now).is_empty();
        assert!(!is_ready(start), "no session");
        let now = start + 60 * SECOND;
        health.on_round(now);
        health.on_answer(now);
        assert!(!is_ready(now), "no shard");
        health.on_owned(1);
        assert!(is_ready(now));
        assert!(is_ready(now + 15 * SECOND));
        assert!(!is_ready(now + 16 * SECOND), "no answer");
        health.on_unrecorded(Some(start + 30 * SECOND));
        assert!(is_ready(now));
        health.on_unrecorded(Some(start + 29 * SECOND));
        assert!(!is_ready(now), "a result waits");
        health.on_unrecorded(None);
        assert!(is_ready(now));
        health.on_session_lost();
        assert!(!is_ready(now));
    }

    #[test]
    fn alive_while_it_goes_round_whatever_the_database_does() {
        let start = Instant::now();
        let health = Health::new(15 * SECOND, start);
        assert_eq!(health.not_alive(start + ALIVE), None);
        let later = start + ALIVE + SECOND;
        assert_eq!(health.not_alive(later).unwrap(), "nothing has run for 31 s");
        assert_eq!(health.not_ready(later).len(), 2);
        health.on_round(later);
        assert_eq!(health.not_alive(later), None);
        health.on_stopping();
        let drained = later + 2 * ALIVE;
        assert_eq!(health.not_alive(drained), None);
        assert_eq!(health.not_ready(drained), ["it is stopping"]);
    }
}
