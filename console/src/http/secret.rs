//! Secrets that this program makes, and what it does with those that it gets.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

/// A new secret: 32 random bytes, in base64url.
///
/// # Errors
/// The system has no random numbers.
pub fn generate() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// What the database knows a secret by.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// What shows that a session's own page made a text, for a purpose. The session's secret can't be found out from it.
pub fn signature(session: &str, purpose: &str, text: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac(session, purpose, text).finalize().into_bytes())
}

/// Whether a signature is that of the text. It takes the same time wherever the difference is.
pub fn is_signature(session: &str, purpose: &str, text: &str, given: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(given)
        .is_ok_and(|given| mac(session, purpose, text).verify_slice(&given).is_ok())
}

fn mac(session: &str, purpose: &str, text: &str) -> Hmac<Sha256> {
    // A key of the block's length, which can't fail; the hash of a secret is as good a key as the secret.
    let mut key = [0; 64];
    key[..32].copy_from_slice(&hash(&format!("form:{session}")));
    Hmac::<Sha256>::new(&key.into())
        .chain_update(purpose)
        .chain_update([0])
        .chain_update(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_session_purpose_and_text() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!((one.len(), one == other), (43, false));
        let signed = signature(&one, "a", "text");
        assert!(is_signature(&one, "a", "text", &signed));
        assert!(!is_signature(&other, "a", "text", &signed));
        assert!(!is_signature(&one, "b", "text", &signed));
        assert!(!is_signature(&one, "a", "texts", &signed));
        assert!(!is_signature(&one, "at", "ext", &signed));
        for wrong in ["", "x", &signed[1..], &one] {
            assert!(!is_signature(&one, "a", "text", wrong), "{wrong}");
        }
    }
}
