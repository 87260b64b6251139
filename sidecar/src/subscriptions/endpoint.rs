//! What a subscription's requests have in common: where they go, how they authenticate, what signs them.

use crate::http::Headers;
use hyper::Method;
use hyper::header::HeaderValue;
use std::time::{Duration, Instant};
use tokio_postgres::Row;
use url::Url;
use webhooks_core::auth::Auth;
use webhooks_core::headers::written_headers;
use webhooks_core::signature::Signer;
use webhooks_core::url_policy::{parse_webhook_url, request_target};

/// The request's constant parts.
pub struct Endpoint {
    pub method: Method,
    /// Where to connect to.
    pub url: Url,
    /// What is asked for: path and query byte for byte as they are written.
    pub target: String,
    pub headers: Headers,
    pub auth: Auth,
    /// The API key's, as it is written in `auth_config`.
    pub key_header: String,
    /// Of the secrets before, and until when requests are signed with them.
    retired: Vec<(Signer, Instant)>,
}

/// Retired secrets that can be used.
fn retired_secrets(row: &Row) -> Vec<(Signer, Instant)> {
    let secrets: Option<Vec<String>> = row.get("retired_secrets");
    let left: Option<Vec<i64>> = row.get("retired_secrets_for_ms");
    let signers = secrets.unwrap_or_default().into_iter();
    let signers = signers.zip(left.unwrap_or_default());
    signers
        .filter_map(|(secret, ms)| {
            let left = Duration::from_millis(u64::try_from(ms).ok()?);
            Some((Signer::new(&secret).ok()?, Instant::now() + left))
        })
        .collect()
}

impl Endpoint {
    /// What signs with the secrets before the present one, as long as they overlap.
    pub fn retired_signers(&self) -> impl Iterator<Item = &Signer> {
        let now = Instant::now();
        let in_overlap = self.retired.iter().filter(move |(_, until)| now < *until);
        in_overlap.map(|(signer, _)| signer)
    }

    pub(super) fn from_row(row: &Row, content_type: &str) -> Result<Self, String> {
        let written: &str = row.get("webhook_url");
        let url = parse_webhook_url(written).map_err(|error| format!("webhook_url: {error}"))?;
        let method = row
            .get::<_, &str>("webhook_method")
            .parse()
            .map_err(|_| "webhook_method is no HTTP method".to_owned())?;
        let auth_config = super::json(row, "auth_config")?;
        let auth = Auth::parse(row.get("auth_type"), &auth_config)
            .map_err(|error| format!("auth_config: {error}"))?;
        let key_header = auth_config.get("header").and_then(|header| header.as_str());
        let mut headers = Headers::default();
        let content_type = HeaderValue::try_from(content_type)
            .map_err(|_| "payload_content_type can't be sent".to_owned())?;
        headers.set("Content-Type", content_type);
        for (name, value) in written_headers(&super::json(row, "webhook_headers")?)
            .map_err(|error| format!("webhook_headers: {error}"))?
        {
            let Ok(value) = HeaderValue::try_from(&value) else {
                return Err(format!("webhook_headers: {name} can't be sent"));
            };
            headers.set(name, value);
        }
        Ok(Self {
            method,
            url,
            target: request_target(written),
            headers,
            auth,
            key_header: key_header.unwrap_or("Authorization").to_owned(),
            retired: retired_secrets(row),
        })
    }
}
