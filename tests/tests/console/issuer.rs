//! An identity provider, as far as its keys and its tokens go.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, PublicKeyData};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

pub const NAME: &str = "https://idp.example.com/";
pub const AUDIENCE: &str = "webhooks";
/// What HS256 signs with.
const SECRET: [u8; 32] = [7; 32];

/// A key with its id: what signs, and what it is in a JWK Set.
pub struct Key {
    pub id: &'static str,
    pub algorithm: Algorithm,
    pub signs: EncodingKey,
    pub jwk: Value,
    /// The public key in PEM, of those that have one.
    pub pem: String,
}

impl Key {
    pub fn rsa(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let signs = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
        let jwk = Jwk::from_encoding_key(&signs, Algorithm::RS256).unwrap();
        let jwk = serde_json::to_value(jwk).unwrap();
        Self::new(id, Algorithm::RS256, signs, jwk, pair.public_key_pem())
    }

    pub fn ed25519(id: &'static str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let signs = EncodingKey::from_ed_der(&pair.serialize_der());
        let x = URL_SAFE_NO_PAD.encode(pair.der_bytes());
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
        Self::new(id, Algorithm::EdDSA, signs, jwk, pair.public_key_pem())
    }

    pub fn secret(id: &'static str) -> Self {
        let signs = EncodingKey::from_secret(&SECRET).unwrap();
        let jwk = json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET)});
        Self::new(id, Algorithm::HS256, signs, jwk, String::new())
    }

    fn new(
        id: &'static str,
        algorithm: Algorithm,
        signs: EncodingKey,
        mut jwk: Value,
        pem: String,
    ) -> Self {
        jwk["kid"] = json!(id);
        Self {
            id,
            algorithm,
            signs,
            jwk,
            pem,
        }
    }

    /// A token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        sign(self.algorithm, Some(self.id), claims, &self.signs)
    }
}

/// A token whose header says this.
pub fn sign(algorithm: Algorithm, id: Option<&str>, claims: &Value, with: &EncodingKey) -> String {
    let mut header = Header::new(algorithm);
    header.kid = id.map(str::to_owned);
    encode(&header, claims, with).unwrap()
}

/// A token without a signature.
pub fn unsigned(id: &str, claims: &Value) -> String {
    let header = json!({"typ": "JWT", "alg": "none", "kid": id});
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&header), part(claims))
}

/// A JWK Set.
pub fn key_set(keys: &[&Key]) -> String {
    let keys: Vec<_> = keys.iter().map(|key| &key.jwk).collect();
    json!({ "keys": keys }).to_string()
}

/// Claims that are all right, with these changed; null leaves one out.
pub fn claims(tenant: &str, changed: &Value) -> Value {
    let mut claims = json!({
        "iss": NAME, "aud": AUDIENCE, "exp": seconds(600), "iat": seconds(0), "sub": "auth0|7",
        "tenant_id": tenant, "scope": "openid webhook_subscriptions:read",
    });
    for (name, value) in changed.as_object().into_iter().flatten() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    claims
}

/// So many seconds from now on, as JWTs say times.
pub fn seconds(from_now: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + from_now
}
