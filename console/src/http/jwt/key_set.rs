//! Keys, each with the one algorithm that it is for: no token says what a key is.

use anyhow::{Context, bail};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// For HMAC with SHA-256 (RFC 7518, 3.2): as long as the hash.
const SHORTEST_SECRET: usize = 32;

/// A key that signatures can be checked with.
#[derive(Clone)]
pub struct Key {
    /// The id that tokens name it by.
    id: Option<String>,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

/// The keys of an issuer.
#[derive(Clone)]
pub struct KeySet(Vec<Key>);

/// Whether a set may have secrets: one that everybody can read must not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    Secret,
    Public,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// A JWK Set (RFC 7517), or a public key in PEM.
    ///
    /// # Errors
    /// It is neither, or has no key that can be used.
    pub fn from_file(content: &[u8]) -> anyhow::Result<Self> {
        if content.trim_ascii_start().starts_with(b"-----BEGIN") {
            let key = pem(content)?;
            return Ok(Self(vec![key]));
        }
        Self::from_json(content, Secrecy::Secret)
    }

    /// A JWK Set. What is in it for other purposes is left out.
    ///
    /// # Errors
    /// It is none, or has no key that can be used.
    pub fn from_json(content: &[u8], secrecy: Secrecy) -> anyhow::Result<Self> {
        let document: Document =
            serde_json::from_slice(content).context("it is no JWK Set and no public key in PEM")?;
        let keys = document.keys.into_iter();
        let keys: Vec<Key> = keys.filter_map(|jwk| usable(jwk, secrecy)).collect();
        if keys.is_empty() {
            bail!(
                "it has no key for RS256, EdDSA (Ed25519){}",
                match secrecy {
                    Secrecy::Secret => " or HS256 (of 32 bytes at least)",
                    Secrecy::Public => "",
                }
            );
        }
        Ok(Self(keys))
    }

    /// The key that a token names; of a token that names none, the only one.
    pub fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, self.0.as_slice()) {
            // A PEM file has no ids: its key is for all.
            (None, [key]) | (Some(_), [key @ Key { id: None, .. }]) => Some(key),
            (None, _) => None,
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
        }
    }
}

fn pem(content: &[u8]) -> anyhow::Result<Key> {
    let rsa = DecodingKey::from_rsa_pem(content).map(|key| (Algorithm::RS256, key));
    let either = rsa.or_else(|_| {
        let ed = DecodingKey::from_ed_pem(content);
        ed.map(|key| (Algorithm::EdDSA, key))
    });
    let (algorithm, key) = either.context("it is no public key of RSA or Ed25519")?;
    Ok(Key {
        id: None,
        algorithm,
        key,
    })
}

fn usable(jwk: Value, secrecy: Secrecy) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(jwk).ok()?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
            Algorithm::EdDSA
        }
        AlgorithmParameters::OctetKey(secret)
            if secrecy == Secrecy::Secret && secret.value.len() * 3 / 4 >= SHORTEST_SECRET =>
        {
            Algorithm::HS256
        }
        _ => return None,
    };
    let common = &jwk.common;
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
    let named = common.key_algorithm;
    let is_for_algorithm = named.is_none_or(|named| named == KeyAlgorithm::from(algorithm));
    if !is_for_signatures || !is_for_algorithm {
        return None;
    }
    Some(Key {
        id: common.key_id.clone(),
        algorithm,
        key: DecodingKey::from_jwk(&jwk).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Of RFC 8037, A.2.
    const ED25519: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

    fn set(keys: Value, secrecy: Secrecy) -> Option<KeySet> {
        let text = json!({ "keys": keys }).to_string();
        KeySet::from_json(text.as_bytes(), secrecy).ok()
    }

    fn ed25519(id: &str, more: &[(&str, &str)]) -> Value {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519, "kid": id});
        for (name, value) in more {
            key[name] = json!(value);
        }
        key
    }

    #[test]
    fn a_key_is_for_one_algorithm() {
        let secret = json!({"kty": "oct", "k": "A".repeat(43), "kid": "s"});
        let both = json!([ed25519("a", &[]), secret]);
        let keys = set(both.clone(), Secrecy::Secret).unwrap();
        assert_eq!(keys.find(Some("a")).unwrap().algorithm, Algorithm::EdDSA);
        assert_eq!(keys.find(Some("s")).unwrap().algorithm, Algorithm::HS256);
        assert!(keys.find(Some("x")).is_none() && keys.find(None).is_none());
        // No secret is where everybody can read it.
        let keys = set(both, Secrecy::Public).unwrap();
        assert!(keys.find(Some("s")).is_none());
        assert_eq!(keys.find(None).unwrap().algorithm, Algorithm::EdDSA);
        for unusable in [
            ed25519("a", &[("use", "enc")]),
            ed25519("a", &[("alg", "HS256")]),
            ed25519("a", &[("crv", "X25519")]),
            json!({"kty": "oct", "k": "A".repeat(42), "kid": "s"}),
            json!({"kty": "new"}),
            json!(1),
        ] {
            assert!(
                set(json!([unusable]), Secrecy::Secret).is_none(),
                "{unusable}"
            );
            // It does not keep others from being used.
            let with_other = json!([unusable, ed25519("b", &[("use", "sig"), ("alg", "EdDSA")])]);
            let keys = set(with_other, Secrecy::Secret).unwrap();
            assert!(keys.find(Some("b")).is_some());
        }
    }

    #[test]
    fn a_file_is_a_set_or_a_public_key() {
        // Of RFC 8410, 10.1.
        let pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        let keys = KeySet::from_file(pem.as_bytes()).unwrap();
        for id in [None, Some("any")] {
            assert_eq!(keys.find(id).unwrap().algorithm, Algorithm::EdDSA);
        }
        for bad in ["", "{}", "secret", "-----BEGIN PUBLIC KEY-----\n"] {
            assert!(KeySet::from_file(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
