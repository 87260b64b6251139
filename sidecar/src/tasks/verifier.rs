//! The verifier: receivers are asked whether they want deliveries, and what they said is recorded.

use super::requests::Request;
use super::sender::Sender;
use crate::model::{Answer, Settings, Subscription};
use crate::postgres::{Database, verify};
use crate::task_group::TaskGroup;
use futures_util::FutureExt;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// Before a receiver is asked again when asking came to nothing: at once, it would be tried over and over.
const NOT_ASKED_PAUSE: Duration = Duration::from_secs(5);
/// A recording that takes longer counts as failed; the server cancels its statement a little earlier.
const TIMEOUT: Duration = Duration::from_secs(35);
/// Before what could not be recorded is asked once more.
const FAILED_PAUSE: Duration = Duration::from_secs(5);
/// Before answers are given again whose subscriptions somebody has locked.
const LOCKED_PAUSE: Duration = Duration::from_secs(1);

/// What is new of the receivers that have to agree.
pub enum News {
    Answered(Answer),
    /// Asking the receiver of this subscription came to nothing, a while ago.
    NotAsked(Uuid),
    /// The answers of these subscriptions are recorded, or were given up.
    Recorded(Vec<Uuid>),
    /// Somebody has locked the subscriptions of these answers: they are to be given again.
    Locked(Vec<Answer>),
}

/// Asks receivers and has their answers recorded, one batch at a time.
pub struct Verifier {
    sender: Sender,
    database: Database,
    tasks: TaskGroup,
    news_sender: UnboundedSender<News>,
    pub news: UnboundedReceiver<News>,
    /// Subscriptions that are to be loaded, since their receivers may have to be asked.
    pub due: HashSet<Uuid>,
    /// Answers that wait for others to be recorded.
    answers: Vec<Answer>,
    is_recording: bool,
}

impl Verifier {
    /// What it starts will be among `tasks`.
    pub fn new(sender: Sender, database: Database, tasks: TaskGroup) -> Self {
        let (news_sender, news) = unbounded_channel();
        Self {
            sender,
            database,
            tasks,
            news_sender,
            news,
            due: HashSet::new(),
            answers: Vec::new(),
            is_recording: false,
        }
    }

    /// Asks a subscription's receiver.
    pub fn ask(&self, subscription: Arc<Subscription>, settings: Arc<Settings>) -> Request {
        let (sender, news) = (self.sender.clone(), self.news_sender.clone());
        let id = subscription.id;
        let task = self.tasks.spawn(async move {
            let asked = AssertUnwindSafe(sender.ask(subscription, &settings)).catch_unwind();
            let answer = asked.await.unwrap_or_else(|_| {
                tracing::error!(
                    subscription_id = %id,
                    "asking a receiver whether it wants deliveries panicked; it will be asked again"
                );
                None
            });
            let told = match answer {
                Some(answer) => News::Answered(answer),
                None => {
                    tokio::time::sleep(NOT_ASKED_PAUSE).await;
                    News::NotAsked(id)
                }
            };
            // The engine may have ended; then the shard's next owner asks.
            let _ = news.send(told);
        });
        AbortOnDropHandle::new(task)
    }

    /// An answer is to be recorded, instead of an older one.
    pub fn on_answered(&mut self, answer: Answer) {
        let id = answer.subscription.id;
        self.answers.retain(|older| older.subscription.id != id);
        self.answers.push(answer);
    }

    /// An answer is still to be recorded, unless there is a newer one.
    pub fn on_locked(&mut self, answer: Answer) {
        let is_newer = |a: &Answer| a.subscription.id == answer.subscription.id;
        if !self.answers.iter().any(is_newer) {
            self.answers.push(answer);
        }
    }

    /// A batch is recorded, or was given up.
    pub fn on_recorded(&mut self) {
        self.is_recording = false;
    }

    /// Has what waits recorded, unless a batch is under way.
    pub fn record_next(&mut self) {
        if !self.is_recording && !self.answers.is_empty() {
            self.is_recording = true;
            let answers = std::mem::take(&mut self.answers);
            let (database, news) = (self.database.clone(), self.news_sender.clone());
            self.tasks.spawn(record(database, answers, news));
        }
    }
}

/// Records answers, and says what became of them. Ends early when nobody listens any more: then the receivers are asked
/// again by whoever owns their shards next.
async fn record(database: Database, answers: Vec<Answer>, news: UnboundedSender<News>) {
    tokio::select! {
        () = record_and_tell(&database, answers, &news) => {}
        () = news.closed() => {}
    }
}

/// What can't be recorded is only logged, and its receiver will be asked once more.
async fn record_and_tell(database: &Database, answers: Vec<Answer>, news: &UnboundedSender<News>) {
    let ids = |answers: &[Answer]| answers.iter().map(|a| a.subscription.id).collect();
    let tell = |of| {
        let _ = news.send(of);
    };
    let recorded = tokio::time::timeout(TIMEOUT, verify::record(database, &answers));
    let failure = match recorded.await {
        Ok(Ok(locked)) => {
            let (locked, recorded): (Vec<_>, Vec<_>) = answers
                .into_iter()
                .partition(|answer| locked.contains(&answer.subscription.id));
            tell(News::Recorded(ids(&recorded)));
            if !locked.is_empty() {
                tokio::time::sleep(LOCKED_PAUSE).await;
                tell(News::Locked(locked));
            }
            return;
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", TIMEOUT.as_secs()),
    };
    tracing::warn!(
        subscriptions = answers.len(),
        "could not record what receivers said when asked whether they want deliveries; they will be asked again: {failure}"
    );
    tokio::time::sleep(FAILED_PAUSE).await;
    tell(News::Recorded(ids(&answers)));
}
