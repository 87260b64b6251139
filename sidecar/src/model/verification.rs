//! Endpoint verification: what a receiver said when it was asked whether it wants deliveries. CloudEvents' "HTTP 1.1
//! Web Hooks for Event Delivery" 1.0.2, 4.

use super::subscription::Subscription;
use std::sync::Arc;
use std::time::Duration;

/// The header that says for whom a receiver is asked.
pub const REQUEST_ORIGIN: &str = "WebHook-Request-Origin";

/// What a receiver said.
#[derive(Debug, PartialEq, Eq)]
pub enum Permission {
    /// It agrees, to so many requests per minute; `None`: to as many as there are.
    Given(Option<u32>),
    /// It does not agree, and why that is so. Without what it said: who watches over the system reads it.
    Refused(String),
}

/// What came of asking.
pub struct Answer {
    pub subscription: Arc<Subscription>,
    /// The subscription's URL as it is stored.
    pub url: String,
    /// For whom it was asked.
    pub origin: String,
    /// An error: there was no answer.
    pub permission: Result<Permission, String>,
    pub retry_after: Option<Duration>,
}
