//! The settings in force in the database, as far as the sidecar obeys them.

use std::time::Duration;

/// `webhooks_private.sidecar_settings()`.
#[derive(Clone, Debug)]
pub struct Settings {
    pub extension_version: String,
    pub max_retry_delay: Duration,
    pub max_retry_after: Duration,
    pub max_response_body_bytes: usize,
    pub max_response_headers_bytes: usize,
    /// Nothing but failures for so long disables a subscription; `None`: never.
    pub disable_after: Option<Duration>,
    /// Whether receivers have to agree, and for whom they are asked.
    pub endpoint_verification: Option<String>,
    pub verification_origin: Option<String>,
    /// Another one whenever any setting is changed.
    pub digest: i64,
}
