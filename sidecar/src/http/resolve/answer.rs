//! What is known of a name after it was asked for.

use super::failure::Failed;
use std::net::IpAddr;
use std::time::Duration;

/// Addresses, and how long they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub addresses: Vec<IpAddr>,
    pub lifetime: Duration,
}

pub type Answer = Result<Found, Failed>;
