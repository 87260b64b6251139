//! The verifier: what receivers said when they were asked whether they want deliveries, back to SQL.

use crate::model::Answer;
use crate::postgres::{Database, verify};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

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

/// Records answers, and says what became of them. Ends early when nobody listens any more: then the receivers are asked
/// again by whoever owns their shards next.
pub async fn record(database: Database, answers: Vec<Answer>, news: UnboundedSender<News>) {
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
