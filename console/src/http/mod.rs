//! What all requests have in common.
//!
//! - [`server`]: connections, and their end
//! - [`trace`]: the id of a request, and its line in the log
//! - [`problem`]: answers to requests that fail; [`fields`]: which field it is about
//! - [`credentials`]: the access token; [`input`]: path, query and body; [`output`]: JSON as the database made it
//! - [`cursor`]: where the next page begins; [`etag`]: versions

pub mod credentials;
pub mod cursor;
pub mod etag;
mod fields;
pub mod input;
pub mod output;
pub mod problem;
pub mod server;
pub mod session;
pub mod trace;
