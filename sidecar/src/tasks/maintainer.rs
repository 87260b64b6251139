//! The maintainer: regular upkeep, one call at a time.

use crate::postgres::{Database, maintain::maintain};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// When to maintain, and what is under way: dropped, that is not waited for, since it can be done at any other time.
pub struct Maintainer {
    call: Box<dyn Fn() -> JoinHandle<()> + Send + Sync>,
    interval: Duration,
    next: Instant,
    under_way: Option<AbortOnDropHandle<()>>,
}

impl Maintainer {
    /// Maintains at once, and then in this interval, in a task among `tasks`.
    pub fn new(database: Database, tasks: TaskTracker, interval: Duration) -> Self {
        let call = move || {
            let database = database.clone();
            tasks.spawn(async move {
                if let Err(error) = maintain(&database).await {
                    tracing::warn!("maintenance failed: {error}");
                }
            })
        };
        Self::calling(call, interval, Instant::now())
    }

    fn calling(
        call: impl Fn() -> JoinHandle<()> + Send + Sync + 'static,
        interval: Duration,
        now: Instant,
    ) -> Self {
        Self {
            call: Box::new(call),
            interval,
            next: now,
            under_way: None,
        }
    }

    /// Maintains if it is time to. A call that takes longer than the interval is not overtaken: the next one begins
    /// when it has ended, as soon as this is asked again.
    pub fn maintain_if_due(&mut self, now: Instant) {
        let is_busy = self
            .under_way
            .as_ref()
            .is_some_and(|task| !task.is_finished());
        if now >= self.next && !is_busy {
            self.next = now + self.interval;
            self.under_way = Some(AbortOnDropHandle::new((self.call)()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    const INTERVAL: Duration = Duration::from_secs(1);

    /// A maintainer whose calls last until they are let go, and how many there were.
    struct World {
        maintainer: Maintainer,
        calls: Arc<AtomicUsize>,
        let_go: Arc<Semaphore>,
        tasks: TaskTracker,
        now: Instant,
    }

    fn world() -> World {
        let now = Instant::now();
        let calls = Arc::new(AtomicUsize::new(0));
        let let_go = Arc::new(Semaphore::new(0));
        let tasks = TaskTracker::new();
        let (count, until, tracked) = (calls.clone(), let_go.clone(), tasks.clone());
        let call = move || {
            count.fetch_add(1, Ordering::Relaxed);
            let until = until.clone();
            tracked.spawn(async move { until.acquire().await.unwrap().forget() })
        };
        World {
            maintainer: Maintainer::calling(call, INTERVAL, now),
            calls,
            let_go,
            tasks,
            now,
        }
    }

    impl World {
        /// How many calls there were, once it was asked at this time.
        fn calls_at(&mut self, after: Duration) -> usize {
            self.maintainer.maintain_if_due(self.now + after);
            self.calls.load(Ordering::Relaxed)
        }

        async fn ended(&self) {
            self.tasks.close();
            self.tasks.wait().await;
        }
    }

    #[tokio::test]
    async fn a_call_that_takes_longer_than_the_interval_is_not_overtaken() {
        let mut world = world();
        assert_eq!(world.calls_at(Duration::ZERO), 1);
        assert_eq!(world.calls_at(10 * INTERVAL), 1);
        world.let_go.add_permits(1);
        world.ended().await;
        assert_eq!(world.calls_at(INTERVAL / 2), 1);
        assert_eq!(world.calls_at(INTERVAL), 2);
    }

    #[tokio::test]
    async fn a_call_under_way_ends_with_the_engine() {
        let mut world = world();
        assert_eq!(world.calls_at(Duration::ZERO), 1);
        world.maintainer = Maintainer::calling(|| unreachable!(), INTERVAL, world.now);
        world.ended().await;
    }
}
