//! The database: a small pool of connections ([`pool`], which [`opener`] opens), the transaction of a request ([`request`]), sessions of browsers
//! ([`sessions`]), and which tokens were used ([`token_uses`]).

mod note_token_uses;
mod opener;
mod pool;
mod request;
mod sessions;
mod token_uses;

pub use note_token_uses::note_token_uses;
pub use pool::{Connection, Database, Unavailable, describe};
pub use request::{Access, Claims, Credentials, Mode, Proof, ReadError, Refused, Request};
pub use sessions::Key;
