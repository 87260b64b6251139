//! How a subscription's requests authenticate: its `auth_type` and `auth_config`.
//!
//! | `auth_type` | `auth_config` | the request carries |
//! | --- | --- | --- |
//! | `none` | – | nothing |
//! | `api_key` | `{"api_key": …}` | `Authorization: Bearer <key>` |
//! | `api_key` | `{"api_key": …, "header": "X-Api-Key"}` | `X-Api-Key: <key>` |
//! | `signature` | `{"secret": …}` | both signatures, see [`crate::signature`] |
//! | `oauth` | | refused by this version |

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use crate::excerpt::{Excerpt, kind};
use crate::headers;
use crate::signature::{SecretError, Signer};
use serde_json::{Map, Value};
use std::fmt::{self, Debug, Formatter};
use thiserror::Error;

/// Longest API key, in bytes; common servers refuse header lines beyond 8 KiB.
const MAX_API_KEY_BYTES: usize = 4096;
/// Longest signing secret, in bytes; HMAC-SHA256 uses no more than 64 as they are.
const MAX_SECRET_BYTES: usize = 4096;

/// A subscription's authentication, ready to use. `Debug` shows no secret.
#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "one per subscription, and read at every delivery"
)]
pub enum Auth {
    /// Requests are not authenticated.
    None,
    /// One header with a key.
    ApiKey {
        /// In lower case.
        header: String,
        /// The whole value: `Bearer <key>` in `authorization`, the bare key in another header. A secret.
        value: String,
    },
    /// Requests are signed.
    Signature(Signer),
}

/// What is wrong with `auth_type` or `auth_config`. Never shows a secret.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AuthError {
    /// OAuth comes with later work.
    #[error(
        "auth_type oauth is not supported yet by this version; use api_key with a long-lived token, or signature"
    )]
    OauthUnsupported,
    /// A type that does not exist.
    #[error("unknown auth_type {0}; the types are none, api_key and signature")]
    UnknownType(String),
    /// `auth_config` is not an object.
    #[error("auth_config must be an object, not {0}")]
    NotAnObject(&'static str),
    /// A key that this type does not have.
    #[error("auth_type {auth_type} has no auth_config key {key}")]
    UnknownKey {
        /// The type.
        auth_type: &'static str,
        /// The key.
        key: String,
    },
    /// A key that this type needs.
    #[error("auth_type {auth_type} needs the auth_config key \"{key}\"")]
    MissingKey {
        /// The type.
        auth_type: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A value that is not a string.
    #[error("auth_config \"{key}\" must be a string, not {found}")]
    ValueKind {
        /// The key.
        key: &'static str,
        /// The kind of value.
        found: &'static str,
    },
    /// An API key that no header can carry.
    #[error(
        "auth_config \"api_key\" must be 1 to {MAX_API_KEY_BYTES} visible ASCII characters, without space at either end"
    )]
    BadApiKey,
    /// A header that cannot carry the key.
    #[error("auth_config \"header\": {0}")]
    BadHeader(#[from] headers::HeaderError),
    /// A secret that cannot be a key.
    #[error("auth_config \"secret\": {0}; webhooks.generate_secret() makes a good one")]
    BadSecret(#[from] SecretError),
    /// A secret that is longer than any is.
    #[error("auth_config \"secret\" has {0} bytes; {MAX_SECRET_BYTES} at most")]
    LongSecret(usize),
    /// `webhook_headers` sets the header that carries the key.
    #[error("webhook_headers and the API key both set header {0}")]
    HeaderClash(String),
}

impl Auth {
    /// Reads `auth_type` and `auth_config`; a null config counts as `{}`.
    ///
    /// # Errors
    /// For unknown types and keys, missing keys, and values that cannot be used.
    pub fn parse(auth_type: &str, config: &Value) -> Result<Self, AuthError> {
        let empty = Map::new();
        let fields = match config {
            Value::Null => &empty,
            Value::Object(fields) => fields,
            other => return Err(AuthError::NotAnObject(kind(other))),
        };
        match auth_type {
            "none" => {
                Config::new("none", fields, &[])?;
                Ok(Self::None)
            }
            "api_key" => api_key(&Config::new("api_key", fields, &["api_key", "header"])?),
            "signature" => {
                let config = Config::new("signature", fields, &["secret"])?;
                match config.required("secret")? {
                    long if long.len() > MAX_SECRET_BYTES => Err(AuthError::LongSecret(long.len())),
                    secret => Ok(Self::Signature(Signer::new(secret)?)),
                }
            }
            "oauth" => Err(AuthError::OauthUnsupported),
            other => Err(AuthError::UnknownType(Excerpt(other).to_string())),
        }
    }

    /// Refuses `webhook_headers` (as [`headers::validate_headers`] returns them) that set the API key's header too.
    ///
    /// # Errors
    /// [`AuthError::HeaderClash`].
    pub fn check_headers(&self, headers: &[(String, String)]) -> Result<(), AuthError> {
        match self {
            Self::ApiKey { header, .. } if headers.iter().any(|(name, _)| name == header) => {
                Err(AuthError::HeaderClash(header.clone()))
            }
            _ => Ok(()),
        }
    }
}

fn api_key(config: &Config<'_>) -> Result<Auth, AuthError> {
    let key = config.required("api_key")?;
    let fits = !key.is_empty() && key.len() <= MAX_API_KEY_BYTES;
    if !fits || headers::check_value(key) != Ok(key) {
        return Err(AuthError::BadApiKey);
    }
    let header = headers::check_name(config.optional("header")?.unwrap_or("authorization"))?;
    if headers::is_reserved(&header) {
        return Err(headers::HeaderError::Reserved(header).into());
    }
    let value = if header == "authorization" {
        format!("Bearer {key}")
    } else {
        key.to_owned()
    };
    Ok(Auth::ApiKey { header, value })
}

struct Config<'a> {
    auth_type: &'static str,
    fields: &'a Map<String, Value>,
}

impl<'a> Config<'a> {
    fn new(
        auth_type: &'static str,
        fields: &'a Map<String, Value>,
        known: &[&str],
    ) -> Result<Self, AuthError> {
        match fields.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(AuthError::UnknownKey {
                auth_type,
                key: Excerpt(key).to_string(),
            }),
            None => Ok(Self { auth_type, fields }),
        }
    }

    fn optional(&self, key: &'static str) -> Result<Option<&'a str>, AuthError> {
        match self.fields.get(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(AuthError::ValueKind {
                key,
                found: kind(other),
            }),
        }
    }

    fn required(&self, key: &'static str) -> Result<&'a str, AuthError> {
        self.optional(key)?.ok_or(AuthError::MissingKey {
            auth_type: self.auth_type,
            key,
        })
    }
}

impl Debug for Auth {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::ApiKey { header, .. } => f
                .debug_struct("ApiKey")
                .field("header", header)
                .finish_non_exhaustive(),
            Self::Signature(signer) => f.debug_tuple("Signature").field(signer).finish(),
        }
    }
}
