//! Standard Webhooks: <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use super::{HmacSha256, keyed};
use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::Mac;
use subtle::ConstantTimeEq;
use thiserror::Error;

/// What marks a secret as base64.
pub(super) const PREFIX: &str = "whsec_";

/// Padding is required but the unused last bits may be anything, as in the published Python and Go libraries.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// What is wrong with a secret. Never shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SecretError {
    /// Nothing, or nothing after the prefix.
    #[error("the secret is empty")]
    Empty,
    /// Prefixed, so meant to be base64, but it isn't.
    #[error("the secret starts with whsec_ but the rest is not base64")]
    NotBase64,
    /// Copied with what is around it.
    #[error(
        "the secret has a space, quotation mark or invisible character at an end, or a control character such as a line end; remove it"
    )]
    StrayCharacter,
    /// A key of another kind of signature.
    #[error(
        "the secret is a key of an asymmetric signature (whsk_, whpk_), which is not supported; use a whsec_ secret, which both sides have"
    )]
    Asymmetric,
    /// The prefix is not at the start, or not in lower case.
    #[error(
        "the secret has whsec_ elsewhere than at its start, or not in lower case; it must start with whsec_"
    )]
    BadPrefix,
}

/// The key that a secret stands for.
///
/// `whsec_…` is base64 of the key. Without the prefix the published libraries decode too, so a secret that happens
/// to be standard, padded base64 is decoded; any other is used as its UTF-8 bytes (the libraries refuse those).
///
/// # Errors
/// If the secret is empty, or prefixed and no base64.
pub fn standard_key(secret: &str) -> Result<Vec<u8>, SecretError> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(encoded) => LENIENT
            .decode(encoded)
            .map_err(|_| SecretError::NotBase64)?,
        None => LENIENT
            .decode(secret)
            .unwrap_or_else(|_| secret.as_bytes().to_vec()),
    };
    if key.is_empty() {
        return Err(SecretError::Empty);
    }
    Ok(key)
}

/// `v1,<base64>`: the signature of one message at one time.
pub fn sign_standard(key: &[u8], msg_id: &str, timestamp_secs: i64, body: &[u8]) -> String {
    sign(keyed(key), msg_id, timestamp_secs, body)
}

pub(super) fn sign(mac: HmacSha256, msg_id: &str, timestamp_secs: i64, body: &[u8]) -> String {
    let mac = mac
        .chain_update(msg_id)
        .chain_update(".")
        .chain_update(timestamp_secs.to_string())
        .chain_update(".")
        .chain_update(body);
    let mut signature = String::with_capacity(3 + 44);
    signature.push_str("v1,");
    STANDARD.encode_string(mac.finalize().into_bytes(), &mut signature);
    signature
}

/// Whether one of the space-separated signatures in a `webhook-signature` header is right, in constant time for each.
///
/// Whether the timestamp is recent enough is for the caller to check. A secret that [`standard_key`] refuses
/// verifies nothing. This is the receiver's side: the demo's and the tests' receivers verify with it.
pub fn verify_standard(
    secret: &str,
    msg_id: &str,
    timestamp_secs: i64,
    body: &[u8],
    header: &str,
) -> bool {
    let Ok(key) = standard_key(secret) else {
        return false;
    };
    let expected = sign_standard(&key, msg_id, timestamp_secs, body);
    header
        .split(' ')
        .any(|given| bool::from(given.as_bytes().ct_eq(expected.as_bytes())))
}
