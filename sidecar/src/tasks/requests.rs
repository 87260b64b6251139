//! Requests of deliveries: each is a task, which is cut off when nothing waits for it any more.

use super::destinations::Place;
use super::sender::Sender;
use super::slots::Slot;
use crate::model::{Attempt, Delivery, NotSent, Settings};
use crate::task_group::TaskGroup;
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::task::AbortOnDropHandle;

/// A request under way in its task.
pub type Request = AbortOnDropHandle<()>;

/// Starts requests, and hears how they ended.
pub struct Requests {
    sender: Sender,
    tasks: TaskGroup,
    ended_sender: UnboundedSender<Result<Attempt, NotSent>>,
    pub ended: UnboundedReceiver<Result<Attempt, NotSent>>,
}

impl Requests {
    /// They will be among `tasks`.
    pub fn new(sender: Sender, tasks: TaskGroup) -> Self {
        let (ended_sender, ended) = unbounded_channel();
        Self {
            sender,
            tasks,
            ended_sender,
            ended,
        }
    }

    /// Makes an attempt of a delivery, which has a slot, and a place at its destination, until it ends.
    pub fn start(
        &self,
        delivery: Delivery,
        settings: Arc<Settings>,
        room: (Slot, Option<Place>),
    ) -> Request {
        let (sender, ended) = (self.sender.clone(), self.ended_sender.clone());
        let task = self.tasks.spawn(async move {
            let attempt = sender.attempt(&delivery, &settings).await;
            drop(room);
            // The engine may have ended; then the delivery is made again.
            let _ = ended.send(attempt);
        });
        AbortOnDropHandle::new(task)
    }
}
