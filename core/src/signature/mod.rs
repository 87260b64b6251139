//! Signatures of requests. A signed request carries two, made with the same secret:
//!
//! - the specification's `X-Webhook-Signature: sha256=<hex>`, HMAC-SHA256 of the body, keyed with the secret's own
//!   UTF-8 bytes (the whole string, including a `whsec_` prefix);
//! - [Standard Webhooks](https://www.standardwebhooks.com) `webhook-signature: v1,<base64>`, HMAC-SHA256 of
//!   `id.timestamp.body`, keyed with the decoded secret (see [`standard_key`]).
//!
//! A [`Signer`] has both keys prepared; the free functions prepare one for each call.

mod generate;
mod new_secret;
#[cfg(test)]
mod properties;
mod standard;
#[cfg(test)]
mod tests;

pub use generate::{generate_api_key, generate_secret};
pub use new_secret::{ADVISED_KEY_BYTES, check_new_secret};
pub use standard::{SecretError, sign_standard, standard_key, verify_standard};

use crate::hex;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt::{self, Debug, Formatter};
use subtle::ConstantTimeEq;

type HmacSha256 = Hmac<Sha256>;

/// A subscription's secret, ready to sign: build one per version of a subscription, not one per delivery.
#[derive(Clone)]
pub struct Signer {
    body: HmacSha256,
    standard: HmacSha256,
}

impl Signer {
    /// Prepares both keys.
    ///
    /// # Errors
    /// As [`standard_key`].
    pub fn new(secret: &str) -> Result<Self, SecretError> {
        Ok(Self {
            body: keyed(secret.as_bytes()),
            standard: keyed(&standard_key(secret)?),
        })
    }

    /// Hex HMAC-SHA256 of the body: what follows `sha256=` in `X-Webhook-Signature`.
    pub fn sign_body_hex(&self, body: &[u8]) -> String {
        hex::encode(&self.body.clone().chain_update(body).finalize().into_bytes())
    }

    /// `v1,<base64>` for `webhook-signature`; `timestamp_secs` is that of `webhook-timestamp`.
    pub fn sign_standard(&self, msg_id: &str, timestamp_secs: i64, body: &[u8]) -> String {
        standard::sign(self.standard.clone(), msg_id, timestamp_secs, body)
    }
}

/// Without the keys.
impl Debug for Signer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

/// Hex HMAC-SHA256 of `body` with the secret's own bytes, whatever they are.
pub fn sign_body_hex(secret: &str, body: &[u8]) -> String {
    let mac = keyed(secret.as_bytes()).chain_update(body);
    hex::encode(&mac.finalize().into_bytes())
}

/// Whether `signature` is [`sign_body_hex`]'s for this body: with or without `sha256=`, in either case of hex, in
/// constant time.
pub fn verify_body_hex(secret: &str, body: &[u8], signature: &str) -> bool {
    let given = signature.strip_prefix("sha256=").unwrap_or(signature);
    let expected = sign_body_hex(secret, body);
    // The length is no secret, and a huge `signature` is not worth copying.
    given.len() == expected.len()
        && bool::from(
            given
                .to_ascii_lowercase()
                .as_bytes()
                .ct_eq(expected.as_bytes()),
        )
}

/// HMAC-SHA256 under a key of any length.
fn keyed(key: &[u8]) -> HmacSha256 {
    // What HMAC does with a key (RFC 2104): hashed if longer than a block, padded with zeros to one.
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    HmacSha256::new(&block.into())
}
