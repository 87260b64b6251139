//! What all requests have in common.
//!
//! - [`server`]: connections, and their end; [`client_address`]: where they come from; [`rate_limit`]: how much they bring
//! - [`trace`]: the id of a request, and its line in the log
//! - [`problem`]: answers to requests that fail; [`fields`]: which field it is about
//! - [`credentials`]: the access token; [`input`]: path, query and body; [`output`]: JSON as the database made it
//! - [`paging`]: pages of lists; [`cursor`]: where the next one begins; [`etag`]: versions

pub mod client_address;
pub mod credentials;
pub mod cursor;
pub mod etag;
mod fields;
pub mod input;
pub mod output;
pub mod paging;
pub mod problem;
pub mod rate_limit;
pub mod server;
pub mod trace;
