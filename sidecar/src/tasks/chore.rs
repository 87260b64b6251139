//! Chores: what one sidecar of a database does regularly, beside deliveries. Each has one call under way at most.

use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

/// When to do it, and what is under way: dropped, that is not waited for, since it can be done at any other time.
pub struct Chore {
    call: Box<dyn Fn() -> JoinHandle<()> + Send + Sync>,
    interval: Duration,
    next: Instant,
    under_way: Option<AbortOnDropHandle<()>>,
}

impl Chore {
    /// `call` begins it, at once and then in this interval.
    pub fn new(
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

    /// Does it if it is time to. A call that takes longer than the interval is not overtaken: the next one begins
    /// when it has ended, as soon as this is asked again.
    pub fn do_if_due(&mut self, now: Instant) {
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
    use tokio_util::task::TaskTracker;

    const INTERVAL: Duration = Duration::from_secs(1);

    /// A chore whose calls last until they are let go, and how many there were.
    struct World {
        chore: Chore,
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
            chore: Chore::new(call, INTERVAL, now),
            calls,
            let_go,
            tasks,
            now,
        }
    }

    impl World {
        /// How many calls there were, once it was asked at this time.
        fn calls_at(&mut self, after: Duration) -> usize {
            self.chore.do_if_due(self.now + after);
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
        world.chore = Chore::new(|| unreachable!(), INTERVAL, world.now);
        world.ended().await;
    }
}
