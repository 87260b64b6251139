//! The database: a small pool of connections ([`pool`], which [`opener`] opens), the transaction of a request
//! ([`request`]), and which tokens were used ([`token_uses`]).

mod opener;
mod pool;
mod request;
mod token_uses;

pub use pool::{Database, Unavailable, describe};
pub use request::{Access, Credentials, Mode, ReadError, Request};
pub use token_uses::TokenUses;
