//! What notifications say.

use tokio_postgres::Notification;
use uuid::Uuid;

/// What a notification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Something to deliver was committed.
    Doorbell,
    /// A test was.
    Test,
    /// A subscription was changed or deleted.
    Subscription(Uuid),
    /// A subscription's receiver is to be asked whether it wants deliveries.
    Verify(Uuid),
    /// Very many subscriptions were changed.
    Subscriptions,
    /// Settings were changed.
    Settings,
}

impl Signal {
    /// Reads a notification; `None` if it is none of ours.
    pub fn of(notification: &Notification) -> Option<Self> {
        match (notification.channel(), notification.payload()) {
            ("webhooks_doorbell", "test") => Some(Self::Test),
            ("webhooks_doorbell", _) => Some(Self::Doorbell),
            ("webhooks_changed", "settings") => Some(Self::Settings),
            ("webhooks_changed", "subscriptions") => Some(Self::Subscriptions),
            ("webhooks_changed", payload) => match payload.strip_prefix("verify ") {
                Some(id) => id.parse().ok().map(Self::Verify),
                None => payload.parse().ok().map(Self::Subscription),
            },
            _ => None,
        }
    }
}
