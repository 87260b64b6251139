//! Which URLs may be subscribed, and which addresses the sidecar may connect to.
//!
//! Two checks at two times. [`check_webhook_url`] looks at the text when a subscription is written.
//! [`AddressPolicy`] looks at what the host resolved to, at every connection: the same name may resolve to another
//! address the next time. A URL whose host is an address never reaches a resolver: check [`host_address`] too.

mod address;
#[cfg(test)]
mod properties;
mod url_text;

pub use address::{AddressError, AddressPolicy, Refusal};
pub use url_text::{
    UrlError, check_webhook_url, host_address, parse_webhook_url, request_target, special_host,
};
