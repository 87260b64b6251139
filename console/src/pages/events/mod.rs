//! Events: the list of them, and what became of one.
//!
//! - [`list`]: those of a period, a type, a resource, or the one of an id or idempotency key
//! - [`detail`]: one event, [`event`]: as the database has it; [`history`]: its timeline; [`exchange`]: the request of a delivery, and the response;
//!   [`matching`]: which subscriptions match it
//! - [`replay`]: delivers it again

pub mod detail;
mod event;
pub mod exchange;
mod history;
pub mod list;
mod matching;
pub mod replay;
