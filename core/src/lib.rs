//! What the extension and the sidecar agree on: pure logic, no database, no network, no async.
//!
//! Each rule of the product that both sides must see alike is written here, once. A payload previewed by SQL
//! and the payload sent on the wire are the same bytes because they come from the same function.
//!
//! # Layout
//! - [`json`]: reading JSON that comes from outside
//! - [`filter`]: does an event pass a subscription's `event_filters`, and if not, why
//! - [`jsonpath`]: which SQL/JSON paths a filter may have
//! - [`payload`]: the request body in each format, and its hash
//! - [`request`]: the headers that each request has of its own, and its signatures
//! - [`template`]: a subscription's own body
//! - [`signature`]: both signatures of a request, verifying them, new secrets
//! - [`auth`]: a subscription's `auth_type` and `auth_config`
//! - [`headers`]: a subscription's own request headers
//! - [`url_policy`]: which URLs may be subscribed, which addresses may be connected to
//! - [`retry`]: from an attempt's outcome to what happens next
//! - [`jsonb`]: how large a `jsonb` value is as text
//! - [`meter`]: what tenants with limits publish and have outstanding
//! - [`capture`]: from a hostile response to text that PostgreSQL can store
//!
//! Everything here is total: no input makes it panic (but [`signature::generate_secret`] and
//! [`signature::generate_api_key`] do if the operating system has no randomness to give), and what it
//! allocates is bounded by the size of its input or by a stated limit.

pub mod auth;
pub mod capture;
pub mod filter;
pub mod headers;
pub mod json;
pub mod jsonb;
pub mod jsonpath;
pub mod meter;
pub mod payload;
pub mod request;
pub mod retry;
pub mod signature;
pub mod template;
pub mod url_policy;

mod excerpt;
mod hex;
