//! The maintainer: regular upkeep, one call at a time.

use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

/// When to maintain, and what is under way: dropped, that is not waited for, since it can be done at any other time.
pub struct Maintainer {
    interval: Duration,
    next: Instant,
    under_way: Option<AbortOnDropHandle<()>>,
}

impl Maintainer {
    /// Maintains at once, and then in this interval.
    pub fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            next: now,
            under_way: None,
        }
    }

    /// Whether it is time to. A call that takes longer than the interval is not overtaken: the next one begins when it
    /// has ended, as soon as this is asked again.
    pub fn is_due(&self, now: Instant) -> bool {
        let is_busy = self
            .under_way
            .as_ref()
            .is_some_and(|task| !task.is_finished());
        now >= self.next && !is_busy
    }

    /// A call is under way in this task.
    pub fn started(&mut self, task: JoinHandle<()>, now: Instant) {
        self.next = now + self.interval;
        self.under_way = Some(AbortOnDropHandle::new(task));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::pending;
    use tokio_util::task::TaskTracker;

    const INTERVAL: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn a_call_that_takes_longer_than_the_interval_is_not_overtaken() {
        let now = Instant::now();
        let mut maintainer = Maintainer::new(INTERVAL, now);
        assert!(maintainer.is_due(now));
        let (end, ended) = tokio::sync::oneshot::channel::<()>();
        let tasks = TaskTracker::new();
        let task = tasks.spawn(async {
            let _ = ended.await;
        });
        maintainer.started(task, now);
        assert!(!maintainer.is_due(now + 10 * INTERVAL));
        end.send(()).unwrap();
        tasks.close();
        tasks.wait().await;
        assert!(!maintainer.is_due(now + INTERVAL / 2));
        assert!(maintainer.is_due(now + INTERVAL));
    }

    #[tokio::test]
    async fn a_call_under_way_ends_with_the_engine() {
        let now = Instant::now();
        let mut maintainer = Maintainer::new(INTERVAL, now);
        let tasks = TaskTracker::new();
        maintainer.started(tasks.spawn(pending()), now);
        drop(maintainer);
        tasks.close();
        tasks.wait().await;
    }
}
