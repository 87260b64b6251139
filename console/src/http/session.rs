//! Who has a page open: the session in a cookie, and the tenant in the path.

use super::trace::RequestId;
use crate::database::Credentials;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::response::Redirect;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const COOKIE_NAME: &str = "webhooks_session";

/// A session.
pub struct Session {
    pub who: Credentials,
    /// What its forms have to hand back.
    pub csrf: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = Redirect;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Redirect> {
        let secret = parts
            .headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .find(|(name, _)| *name == COOKIE_NAME)
            .map(|(_, value)| value.to_owned())
            .ok_or_else(|| Redirect::to("/login"))?;
        let path = RawPathParams::from_request_parts(parts, state).await;
        let tenant = path.ok().and_then(|path| {
            let given = path.iter().find(|(name, _)| *name == "tenant_id");
            given.and_then(|(_, tenant)| tenant.parse().ok())
        });
        Ok(Self {
            csrf: csrf(&secret),
            who: Credentials {
                token_hash: Sha256::digest(secret.as_bytes()).into(),
                tenant,
                request_id: RequestId::of(&parts.extensions),
            },
        })
    }
}

fn csrf(secret: &str) -> String {
    // A key of any length is one.
    Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_or_else(
        |_| String::new(),
        |mac| URL_SAFE_NO_PAD.encode(mac.chain_update(b"csrf").finalize().into_bytes()),
    )
}
