//! What all requests have in common.
//!
//! - [`server`]: connections, and their end, of which [`stall`] is one; [`client_address`]: where they come from
//! - [`rate_limit`]: how much clients bring, once they have [`acceptance`]; [`wait`]: requests that wait for something
//! - [`health`]: whether requests can be answered
//! - [`trace`]: the id of a request, and its line in the log
//! - [`problem`]: answers to requests that fail; [`fields`]: which field it is about
//! - [`credentials`]: the access token; [`jwt`]: a token of an identity provider instead; [`input`]: path, query and body; [`output`]: JSON as the database made it
//! - [`session`]: the cookie; [`form`]: what pages send, which is checked by [`same_origin`]; [`secret`]: secrets that are
//!   made here
//! - [`attempts`]: how many attempts to log in may fail; [`security_headers`]: what browsers may do with pages
//! - [`paging`]: pages of lists; [`cursor`]: where the next one begins; [`etag`]: versions

mod acceptance;
pub mod attempts;
pub mod client_address;
pub mod credentials;
pub mod cursor;
pub mod etag;
mod fields;
pub mod form;
pub mod health;
pub mod input;
pub mod jwt;
pub mod output;
pub mod paging;
pub mod problem;
pub mod rate_limit;
mod same_origin;
pub mod secret;
pub mod security_headers;
pub mod server;
pub mod session;
mod stall;
pub mod trace;
pub mod wait;
