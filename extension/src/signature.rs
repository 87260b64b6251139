//! Signing, verification and new secrets.

use pgrx::prelude::*;
use webhooks_core::signature;

/// Hex HMAC-SHA256.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn generate_signature(payload: &str, secret: &str) -> String {
    signature::sign_body_hex(secret, payload.as_bytes())
}

/// Whether the hex HMAC-SHA256 is right, with or without `sha256=`; in constant time.
#[pg_extern(sql = false, immutable, strict, parallel_safe)]
fn verify_signature(payload: &str, signature: &str, secret: &str) -> bool {
    signature::verify_body_hex(secret, payload.as_bytes(), signature)
}

/// A Standard Webhooks secret.
#[pg_extern(sql = false, volatile, strict, parallel_safe)]
fn generate_secret() -> String {
    signature::generate_secret()
}

/// A random API key.
#[pg_extern(sql = false, volatile, strict, parallel_safe)]
fn generate_api_key() -> String {
    signature::generate_api_key()
}
