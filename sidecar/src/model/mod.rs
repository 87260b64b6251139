//! What the sidecar knows and passes around: plain data and rules about it, without I/O.

pub mod attempt;
pub mod policy;
pub mod receiver;
pub mod shard;

pub use crate::claim::{ClaimRequest, Delivery};
#[cfg(test)]
pub use crate::message::Message;
pub use crate::subscriptions::{Subscription, Verification};
pub use attempt::EndpointSignal;
pub use policy::{BreakerChange, BreakerPolicy, RateLimit};
pub use receiver::{FailureSeries, Receiver};
