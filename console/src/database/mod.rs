//! The database: a small pool of connections ([`pool`]), the transaction of a request ([`request`]), and which tokens
//! were used ([`token_uses`]).

mod pool;
mod request;
mod token_uses;

pub use pool::{Database, Unavailable, describe};
pub use request::{Acceptance, Credentials, Mode, Request};
pub use token_uses::TokenUses;
