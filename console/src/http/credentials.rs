//! Who asks: the access token or JWT in the header Authorization, and the tenant that an operator names.

use super::acceptance;
use super::jwt::{self, Verifier};
use super::problem::Problem;
use super::secret;
use super::trace::RequestId;
use crate::database::{Credentials, Proof};
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use std::sync::Arc;
use uuid::Uuid;

/// Which tenant a request with a token for all tenants is about.
static TENANT: HeaderName = HeaderName::from_static("webhooks-tenant");

impl<S: Sync> FromRequestParts<S> for Credentials {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let token = token(&parts.headers).ok_or_else(|| {
            Problem::new(StatusCode::UNAUTHORIZED, "there is no access token")
                .hint("Send the header Authorization: Bearer and a token of webhooks.create_access_token().")
        })?;
        // Without a verifier no JWT is accepted: it is as any other token that is not valid.
        let verifier = parts.extensions.get::<Arc<Verifier>>();
        let proof = match verifier.filter(|_| jwt::is_jwt(token)) {
            Some(verifier) => Proof::Jwt(Arc::new(verifier.verify(token).await?)),
            None => Proof::Token(secret::hash(token)),
        };
        Ok(Self {
            proof,
            tenant: tenant(parts)?,
            request_id: RequestId::of(&parts.extensions),
            // No link brings the header.
            follows_link: false,
            accepted: acceptance::flag(&parts.extensions),
        })
    }
}

/// The hash of the token that a request brings, if it brings one.
pub fn token_hash(headers: &HeaderMap) -> Option<[u8; 32]> {
    token(headers).map(secret::hash)
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim())
}

fn tenant(parts: &Parts) -> Result<Option<Uuid>, Problem> {
    let Some(value) = parts.headers.get(&TENANT) else {
        return Ok(None);
    };
    let tenant = value.to_str().ok().and_then(|text| text.parse().ok());
    tenant.map(Some).ok_or_else(|| {
        Problem::bad_request("the header Webhooks-Tenant is no UUID")
            .hint("Give the id of the tenant, or leave the header out.")
    })
}
