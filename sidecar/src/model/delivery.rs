//! A delivery that was claimed.

use super::message::Message;
use super::subscription::Subscription;
use std::sync::Arc;
use std::time::Instant;
use uuid::Uuid;

/// A delivery to attempt.
pub struct Delivery {
    pub id: Uuid,
    pub shard: i16,
    /// Attempts made before.
    pub attempt: i32,
    /// It is made to see what its receiver answers: once, and whatever may hold its subscription's others back.
    pub is_test: bool,
    /// Published just now, and nothing else of its subscription is here.
    pub is_fresh: bool,
    /// It goes one at a time with others of the same lane of its subscription; `None`: in any order.
    pub lane: Option<i64>,
    /// Not to be sent after this time. By the server's clock when it was claimed, so this machine's does not matter.
    pub deadline: Instant,
    pub subscription: Arc<Subscription>,
    /// Or why there is nothing that could be sent.
    pub message: Result<Arc<Message>, String>,
    /// Memory that holding it costs, in bytes: its part of a body that is shared.
    pub size: usize,
}

impl Delivery {
    /// The queue that it is in: its subscription's; a test is in its own.
    pub fn queue(&self) -> Uuid {
        match self.is_test {
            true => self.id,
            false => self.subscription.id,
        }
    }

    /// Whether a request will be made of it.
    pub fn is_sendable(&self, now: Instant) -> bool {
        self.message.is_ok() && now < self.deadline
    }
}
