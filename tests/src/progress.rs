//! A counter that can be waited for without polling, and that costs two atomic operations when nobody waits.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Counts things (requests, log lines) and wakes those who wait for more of them.
#[derive(Debug)]
pub(crate) struct Progress {
    count: AtomicU64,
    /// Waiters sleep until the count reaches this: a wait for the 20,000th request is woken once, not 20,000 times.
    wake_at: AtomicU64,
    wake: Notify,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            wake_at: AtomicU64::new(u64::MAX),
            wake: Notify::new(),
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.count.load(SeqCst)
    }

    /// Counts one more. What is counted must be visible to waiters before the call.
    pub(crate) fn advance(&self) {
        let count = self.count.fetch_add(1, SeqCst) + 1;
        if count >= self.wake_at.load(SeqCst) {
            // May erase the wish of a waiter that came just now: it wakes too, and wishes again.
            self.wake_at.store(u64::MAX, SeqCst);
            self.wake.notify_waiters();
        }
    }

    /// Waits until `check` returns something; it is asked now and each time the count has reached `next(count)`.
    pub(crate) async fn wait<T>(
        &self,
        timeout: Duration,
        mut check: impl FnMut() -> Option<T>,
        next: impl Fn(u64) -> u64,
        describe: impl FnOnce() -> String,
    ) -> Result<T> {
        let deadline = Instant::now() + timeout;
        loop {
            let wake = self.wake.notified();
            tokio::pin!(wake);
            wake.as_mut().enable();
            // The wish comes before the check: an advance in between sees the wish, an earlier one is seen by the check.
            self.wake_at.fetch_min(next(self.count()), SeqCst);
            if let Some(found) = check() {
                return Ok(found);
            }
            if timeout_at(deadline, wake).await.is_err() {
                bail!("not seen within {timeout:?}: {}", describe());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn wakes_each_waiter_at_its_count() {
        let progress = Arc::new(Progress::new());
        let waiters: Vec<_> = [1, 500, 1000]
            .map(|wanted| {
                let progress = Arc::clone(&progress);
                tokio::spawn(async move {
                    let reached = || (progress.count() >= wanted).then_some(());
                    progress
                        .wait(Duration::from_secs(10), reached, |_| wanted, String::new)
                        .await
                })
            })
            .into();
        let counting = {
            let progress = Arc::clone(&progress);
            std::thread::spawn(move || (0..1000).for_each(|_| progress.advance()))
        };
        for waiter in waiters {
            waiter.await.unwrap().unwrap();
        }
        counting.join().unwrap();
        let never = progress
            .wait(
                Duration::from_millis(20),
                || None::<()>,
                |n| n + 1,
                || "x".into(),
            )
            .await;
        assert!(never.unwrap_err().to_string().contains("not seen"));
    }
}
