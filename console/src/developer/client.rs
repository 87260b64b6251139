//! Requests to the API, with the token of who develops.

use crate::config::ApiArgs;
use crate::http::jwt::tls;
use anyhow::{Context, bail};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Longer than a poll waits.
const TIMEOUT: Duration = Duration::from_secs(60);

pub struct Client {
    client: reqwest::Client,
    base: String,
    token: String,
    tenant: Option<String>,
}

/// Why there is no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The console can't be reached, or fails: that may pass.
    #[error("{0}")]
    Away(String),
    /// The request was refused.
    #[error("{0}")]
    Refused(String),
}

impl Client {
    /// # Errors
    /// No token, or one that can't be read.
    pub fn new(args: &ApiArgs) -> anyhow::Result<Self> {
        let token = match (&args.token_file, &args.token) {
            (Some(file), _) => std::fs::read_to_string(file)
                .with_context(|| format!("--token-file={}", file.display()))?,
            (None, Some(token)) if !token.is_empty() => token.clone(),
            (None, _) => bail!(
                "there is no access token: give --token-file, or the variable WEBHOOKS_TOKEN; \
                 webhooks.create_access_token() makes one"
            ),
        };
        let base = args.url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            client: reqwest::Client::builder()
                .tls_backend_preconfigured(tls()?)
                .redirect(reqwest::redirect::Policy::none())
                .timeout(TIMEOUT)
                .build()?,
            base,
            token: token.trim().to_owned(),
            tenant: args.tenant.map(|tenant| tenant.to_string()),
        })
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// There is no answer, or a refusal, in the words of the API.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, Failure> {
        let url = format!("{}{path}", self.base);
        let mut request = self.client.request(method, url);
        request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        if let Some(tenant) = &self.tenant {
            request = request.header("Webhooks-Tenant", tenant);
        }
        if let Some(body) = body {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_string());
        }
        let away = |error: reqwest::Error| {
            let base = &self.base;
            Failure::Away(format!(
                "the console at {base} does not answer: {}",
                cause(&error)
            ))
        };
        let answer = request.send().await.map_err(away)?;
        let status = answer.status();
        let text = answer.text().await.map_err(away)?;
        if !status.is_success() {
            return Err(refusal(status, &text));
        }
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|_| {
            let base = &self.base;
            Failure::Refused(format!(
                "{base} answers as no webhooks-console does: see --url"
            ))
        })
    }
}

/// The innermost reason, without the URL.
pub fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    match error.is_timeout() {
        true => "it takes too long".to_owned(),
        false => cause.to_string(),
    }
}

fn refusal(status: StatusCode, text: &str) -> Failure {
    let problem: Value = serde_json::from_str(text).unwrap_or_default();
    let mut message = match problem["detail"].as_str() {
        Some(detail) => format!("{detail} (HTTP status {})", status.as_u16()),
        None => format!("HTTP status {}", status.as_u16()),
    };
    if let Some(hint) = problem["hint"].as_str() {
        message = format!("{message}\n{hint}");
    }
    match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        true => Failure::Away(message),
        false => Failure::Refused(message),
    }
}
