//! New secrets.

use super::standard::PREFIX;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// `whsec_` and base64 of 32 random bytes: 50 characters.
///
/// # Panics
/// If the operating system has no randomness to give: a guessable secret would be worse. In PostgreSQL that is an
/// ordinary error of the statement.
pub fn generate_secret() -> String {
    format!("{PREFIX}{}", STANDARD.encode(random_bytes()))
}

/// 32 random bytes as unpadded base64url: 43 characters, the same as Python's `secrets.token_urlsafe(32)`.
///
/// # Panics
/// As [`generate_secret`].
pub fn generate_api_key() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes())
}

fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    if let Err(error) = getrandom::fill(&mut bytes) {
        panic!("the operating system's random source failed: {error}");
    }
    bytes
}
