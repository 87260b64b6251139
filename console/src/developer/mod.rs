//! Commands for who develops a receiver. They know the API alone, not the database.
//!
//! - [`listen`]: what would be sent goes to a port of this machine; [`leftovers`]: what a killed one has left behind
//! - [`trigger`]: publishes the example of an event type
//! - [`client`]: requests to the API

mod client;
mod leftovers;
mod listen;
mod near;
mod trigger;

pub use listen::listen;
pub use trigger::trigger;
