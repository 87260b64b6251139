//! JSON Web Tokens (RFC 7519) of an identity provider, instead of access tokens.
//!
//! - [`Verifier`]: what makes one valid, and what its claims mean
//! - [`key_set`]: keys, each with the one algorithm that it is for
//! - [`source`]: where keys come from: a file, or an address that is asked again when a key is unknown, and that is
//!   one of [`public_addresses`]

mod key_set;
mod public_addresses;
mod source;

pub use source::tls;

use super::problem::Problem;
use crate::config::JwtArgs;
use crate::database::Claims;
use axum::http::StatusCode;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};
use source::{Source, Unavailable};
use uuid::Uuid;

/// Finds out whether a JWT is valid, and what it says.
pub struct Verifier {
    source: Source,
    issuer: String,
    audience: String,
    meaning: Meaning,
}

/// Which claims say what.
struct Meaning {
    tenant: String,
    scopes: String,
    user: String,
    has_all_tenants: bool,
}

/// Whether a token is a JWT. Access tokens of the database have no dots.
pub fn is_jwt(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl Verifier {
    /// `None`: no identity provider is trusted.
    ///
    /// # Errors
    /// Keys that can't be read, or an address that is not safe.
    pub fn new(args: &JwtArgs) -> anyhow::Result<Option<Self>> {
        let (Some(keys), Some(issuer), Some(audience)) =
            (&args.jwt_keys, &args.jwt_issuer, &args.jwt_audience)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            source: Source::new(keys, &args.jwt_allow_networks)?,
            issuer: issuer.clone(),
            audience: audience.clone(),
            meaning: Meaning {
                tenant: args.jwt_tenant_claim.clone(),
                scopes: args.jwt_scope_claim.clone(),
                user: args.jwt_user_claim.clone(),
                has_all_tenants: args.jwt_all_tenants,
            },
        }))
    }

    /// # Errors
    /// It is not valid, or lacks a claim; or the keys are not to be had.
    pub async fn verify(&self, token: &str) -> Result<Claims, Problem> {
        let header = decode_header(token).map_err(|error| refused(error.kind()))?;
        let key = self.source.key(header.kid.as_deref()).await?;
        // The key says which algorithm it is for. A token that says another one is not valid.
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        let decoded = decode::<Map<String, Value>>(token, &key.key, &validation);
        let claims = decoded.map_err(|error| refused(error.kind()))?.claims;
        self.meaning.of(&claims)
    }
}

impl Meaning {
    fn of(&self, claims: &Map<String, Value>) -> Result<Claims, Problem> {
        Ok(Claims {
            tenant: self.tenant(claims.get(&self.tenant))?,
            scopes: self.scopes(claims.get(&self.scopes))?,
            user: claims
                .get(&self.user)
                .and_then(Value::as_str)
                .and_then(|user| user.parse().ok()),
        })
    }

    fn tenant(&self, claim: Option<&Value>) -> Result<Option<Uuid>, Problem> {
        let text = claim.and_then(Value::as_str);
        if text == Some("*") && self.has_all_tenants {
            return Ok(None);
        }
        let tenant = text.and_then(|text| text.parse().ok());
        // A JWT without a tenant must not be one for all of them.
        tenant.map(Some).ok_or_else(|| {
            unauthorized(format!("the JWT has no UUID as claim \"{}\"", self.tenant))
                .hint("It says which tenant the JWT is for. The flag --jwt-tenant-claim names it.")
        })
    }

    fn scopes(&self, claim: Option<&Value>) -> Result<Vec<String>, Problem> {
        let scopes = match claim {
            Some(Value::String(text)) => Some(text.split_whitespace().map(str::to_owned).collect()),
            Some(Value::Array(scopes)) => scopes
                .iter()
                .map(|scope| scope.as_str().map(str::to_owned))
                .collect(),
            _ => None,
        };
        scopes.ok_or_else(|| {
            unauthorized(format!("the JWT has no scopes as claim \"{}\"", self.scopes)).hint(
                "They are a text with spaces between them, or an array. The flag --jwt-scope-claim names the claim.",
            )
        })
    }
}

/// What a client learns: no part of the token.
fn refused(kind: &ErrorKind) -> Problem {
    match kind {
        ErrorKind::ExpiredSignature => unauthorized("the JWT has expired"),
        ErrorKind::ImmatureSignature => unauthorized("the JWT is not valid yet"),
        ErrorKind::InvalidIssuer => unauthorized("the JWT is of another issuer"),
        ErrorKind::InvalidAudience => unauthorized("the JWT is for another audience"),
        ErrorKind::MissingRequiredClaim(claim) => {
            unauthorized(format!("the JWT has no claim \"{claim}\""))
        }
        ErrorKind::InvalidSignature => unauthorized("the signature of the JWT is wrong"),
        ErrorKind::InvalidAlgorithm => {
            unauthorized("the algorithm of the JWT is not that of its key")
        }
        _ => unauthorized("the JWT is malformed, or its algorithm is not supported"),
    }
}

fn unauthorized(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail).hint("Get a new one of the identity provider.")
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        match error {
            Unavailable::Unknown => unauthorized("the issuer has no key that the JWT names"),
            Unavailable::Away => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the keys of the issuer are not available",
            )
            .hint("Try again in a moment."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TENANT: &str = "11111111-1111-4111-8111-111111111111";

    fn meaning(has_all_tenants: bool) -> Meaning {
        Meaning {
            tenant: "tenant_id".to_owned(),
            scopes: "scope".to_owned(),
            user: "sub".to_owned(),
            has_all_tenants,
        }
    }

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn scopes_are_a_text_or_an_array() {
        for (scope, scopes) in [
            (json!("a:read  b"), &["a:read", "b"][..]),
            (json!(["a:read", "b"]), &["a:read", "b"]),
            (json!(""), &[]),
        ] {
            let given = claims(json!({"tenant_id": TENANT, "scope": scope, "sub": TENANT}));
            let claims = meaning(false).of(&given).unwrap();
            assert_eq!(claims.scopes, scopes);
            assert_eq!(claims.tenant, Some(TENANT.parse().unwrap()));
            assert_eq!(claims.user, Some(TENANT.parse().unwrap()));
        }
        for scope in [json!(null), json!(1), json!(["a", 1])] {
            let given = claims(json!({"tenant_id": TENANT, "scope": scope}));
            assert!(meaning(false).of(&given).is_err());
        }
    }

    #[test]
    fn all_tenants_are_said_not_left_out() {
        for (tenant, without, with) in [
            (json!("*"), false, true),
            (json!(null), false, false),
            (json!(""), false, false),
            (json!("acme"), false, false),
            (json!(["*"]), false, false),
        ] {
            let given = claims(json!({"tenant_id": tenant, "scope": "x", "sub": "auth0|1"}));
            assert_eq!(meaning(false).of(&given).is_ok(), without, "{tenant}");
            assert_eq!(meaning(true).of(&given).is_ok(), with, "{tenant}");
        }
        let given = claims(json!({"tenant_id": "*", "scope": "x", "sub": "auth0|1"}));
        let claims = meaning(true).of(&given).unwrap();
        assert_eq!((claims.tenant, claims.user), (None, None));
    }
}
