//! Request headers.

use hyper::header::HeaderValue;

/// Request headers, in the order in which they are sent; no name twice.
pub type Headers = webhooks_core::request::Headers<HeaderValue>;
