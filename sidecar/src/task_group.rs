//! The tasks of a database: what they log has its name where there are several.

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span};

/// Tasks that end together, and where their log lines belong.
#[derive(Clone)]
pub struct TaskGroup {
    tracker: TaskTracker,
    span: Span,
}

impl TaskGroup {
    /// Of a process with one database, whose log lines need not name it.
    pub fn unnamed() -> Self {
        Self {
            tracker: TaskTracker::new(),
            span: Span::none(),
        }
    }

    /// Of one database of several. The span is an error's, so that no level leaves it out.
    pub fn of_database(database: &str) -> Self {
        Self {
            tracker: TaskTracker::new(),
            span: tracing::error_span!("sidecar", %database),
        }
    }

    /// Starts a task.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tracker.spawn(task.instrument(self.span.clone()))
    }

    /// Where the log lines of its tasks belong.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// How many have not ended.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Waits until all have ended. No other should be started then.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}
