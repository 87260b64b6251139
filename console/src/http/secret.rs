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

/// What the forms of a session have to hand back. The session's secret can't be found out from it.
pub fn form_token(session: &str) -> String {
    URL_SAFE_NO_PAD.encode(mac(session).finalize().into_bytes())
}

/// Whether a form handed back that of its session. It takes the same time wherever the difference is.
pub fn is_form_token(session: &str, given: &str) -> bool {
    URL_SAFE_NO_PAD
        .decode(given)
        .is_ok_and(|given| mac(session).verify_slice(&given).is_ok())
}

fn mac(session: &str) -> Hmac<Sha256> {
    // A key of the block's length, which can't fail; the hash of a secret is as good a key as the secret.
    let mut key = [0; 64];
    key[..32].copy_from_slice(&hash(&format!("form:{session}")));
    Hmac::<Sha256>::new(&key.into()).chain_update(b"csrf")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_token_is_of_one_session() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_eq!((one.len(), one == other), (43, false));
        let token = form_token(&one);
        assert!(is_form_token(&one, &token));
        assert!(!is_form_token(&other, &token));
        for wrong in ["", "x", &token[1..], &one] {
            assert!(!is_form_token(&one, wrong), "{wrong}");
        }
    }
}
