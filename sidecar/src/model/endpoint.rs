//! What a subscription's requests have in common: where they go, how they authenticate, what signs them.

use super::headers::Headers;
use hyper::Method;
use std::time::Instant;
use url::Url;
use webhooks_core::auth::Auth;
use webhooks_core::signature::Signer;

/// The request's constant parts.
pub struct Endpoint {
    pub method: Method,
    /// Where to connect to.
    pub url: Url,
    /// What is asked for: path and query byte for byte as they are written.
    pub target: String,
    pub headers: Headers,
    pub auth: Auth,
    /// The API key's, as it is written in `auth_config`.
    pub key_header: String,
    /// Of the secrets before, and until when requests are signed with them.
    pub retired_signers: Vec<(Signer, Instant)>,
}

impl Endpoint {
    /// What signs with the secrets before the present one, as long as they overlap.
    pub fn valid_retired_signers(&self) -> impl Iterator<Item = &Signer> {
        let now = Instant::now();
        let in_overlap = self.retired_signers.iter();
        in_overlap
            .filter(move |(_, until)| now < *until)
            .map(|(signer, _)| signer)
    }
}
