//! The handshake: asks a receiver, before its first delivery, whether it wants any from this system. CloudEvents' "HTTP
//! 1.1 Web Hooks for Event Delivery" 1.0.2, 4.1.
//!
//! The request is under the same address policy, bounds and deadline as a delivery, and carries nothing secret: whoever
//! is there has not agreed to anything yet.

use crate::database::Database;
use crate::deliver::{Deliverer, classify};
use crate::owner::Settings;
use crate::permission::{self, Permission, REQUEST_ORIGIN, REQUEST_RATE};
use crate::postgres::ConnectError;
use crate::postgres::trouble::SessionError;
use crate::response::Capture;
use crate::subscriptions::{Subscription, Verification};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Client;
use uuid::Uuid;
use webhooks_core::capture::error_text;

/// How long to wait for who has locked a table.
const LOCK_TIMEOUT: &str = "5s";
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(35);
/// The server cancels a statement a little earlier.
const SERVER_TIMEOUT: &str = "30s";
/// How long the body of an answer is worth waiting for.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);
/// Before what could not be written is asked once more.
const PAUSE: Duration = Duration::from_secs(5);
/// Before answers are given again whose subscriptions somebody has locked.
pub const LOCKED_PAUSE: Duration = Duration::from_secs(1);

/// What came of asking.
pub struct Answer {
    pub subscription: Arc<Subscription>,
    /// The subscription's URL as it is stored.
    url: String,
    /// For whom it was asked.
    origin: String,
    /// An error: there was no answer.
    pub permission: Result<Permission, String>,
    retry_after: Option<Duration>,
}

/// What is new of the receivers that have to agree.
pub enum News {
    Answered(Answer),
    /// The answers of these subscriptions are written, or were given up.
    Recorded(Vec<Uuid>),
    /// Somebody has locked the subscriptions of these answers: they are to be given again.
    Locked(Vec<Answer>),
}

impl Deliverer {
    /// Asks a subscription's receiver. `None`: it need not be asked, or there is nobody to ask for.
    pub async fn ask(
        &self,
        subscription: Arc<Subscription>,
        settings: &Settings,
    ) -> Option<Answer> {
        let Verification::Needed { url, .. } = &subscription.verification else {
            return None;
        };
        let url = url.clone();
        let origin = settings.verification_origin.clone()?;
        let (permission, retry_after) = match self.exchange(&subscription, &origin, settings).await
        {
            Ok((permission, retry_after)) => (Ok(permission), retry_after),
            Err(reason) => (Err(error_text(&reason)), None),
        };
        Some(Answer {
            subscription,
            url,
            origin,
            permission,
            retry_after: retry_after.map(|after| after.min(settings.max_retry_after)),
        })
    }

    async fn exchange(
        &self,
        subscription: &Subscription,
        origin: &str,
        settings: &Settings,
    ) -> Result<(Permission, Option<Duration>), String> {
        let endpoint = subscription.endpoint.as_ref().map_err(Clone::clone)?;
        let refused = self.resolver.check_literal(&endpoint.url);
        refused.map_err(|refused| refused.to_string())?;
        let request = request(
            &self.user_agent,
            endpoint.url.as_str(),
            origin,
            subscription,
        )?;
        let response = tokio::time::timeout(subscription.timeout, self.client.request(request))
            .await
            .map_err(|_| {
                let seconds = subscription.timeout.as_secs();
                format!("no answer to OPTIONS within timeout_seconds ({seconds})")
            })?
            .map_err(|error| classify(error.is_connect(), &error).1)?;
        let permission = permission::read(response.status().as_u16(), response.headers(), origin);
        let mut capture = Capture::begin(&response, settings.max_response_headers_bytes);
        // To keep the connection; what the body says, and whether it comes, is nothing to go by.
        let _ = tokio::time::timeout(BODY_TIMEOUT, capture.read(response.into_body(), 0)).await;
        Ok((permission, capture.retry_after))
    }
}

fn request(
    user_agent: &HeaderValue,
    url: &str,
    origin: &str,
    subscription: &Subscription,
) -> Result<Request<Full<Bytes>>, String> {
    let uri = Uri::try_from(url).map_err(|error| format!("webhook_url: {error}"))?;
    let mut request = Request::new(Full::default());
    *request.method_mut() = Method::OPTIONS;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    let origin = HeaderValue::try_from(origin)
        .map_err(|_| "the setting verification_origin can't be sent".to_owned())?;
    headers.insert(REQUEST_ORIGIN, origin);
    if let Some(limit) = subscription.rate_limit {
        headers.insert(REQUEST_RATE, HeaderValue::from(limit.per_minute()));
    }
    headers.insert(USER_AGENT, user_agent.clone());
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    Ok(request)
}

/// Writes answers, on a session of its own. Returns the subscriptions of those that are written, or given up: what can't be
/// written is only logged, and its receiver will be asked once more; and the answers whose subscriptions somebody has locked.
pub async fn record(database: &Database, answers: Vec<Answer>) -> (Vec<Uuid>, Vec<Answer>) {
    let ids: Vec<Uuid> = answers
        .iter()
        .map(|answer| answer.subscription.id)
        .collect();
    let written = tokio::time::timeout(STATEMENT_TIMEOUT, async {
        let client = open(database).await?;
        Ok::<_, SessionError>(write(&client, &ids, &answers).await?)
    });
    let failure = match written.await {
        Ok(Ok(locked)) => {
            let (locked, written): (Vec<_>, Vec<_>) = answers
                .into_iter()
                .partition(|answer| locked.contains(&answer.subscription.id));
            return (written.iter().map(|a| a.subscription.id).collect(), locked);
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", STATEMENT_TIMEOUT.as_secs()),
    };
    tracing::warn!(
        subscriptions = ids.len(),
        "could not record what receivers said when asked whether they want deliveries; they will be asked again: {failure}"
    );
    tokio::time::sleep(PAUSE).await;
    (ids, Vec::new())
}

async fn open(database: &Database) -> Result<Client, ConnectError> {
    let settings = [
        ("lock_timeout", LOCK_TIMEOUT.to_owned()),
        ("statement_timeout", SERVER_TIMEOUT.to_owned()),
        (
            "idle_in_transaction_session_timeout",
            SERVER_TIMEOUT.to_owned(),
        ),
    ];
    let session = database
        .connect("webhooks-sidecar verify", &settings)
        .await?;
    Ok(session.client)
}

async fn write(
    client: &Client,
    ids: &[Uuid],
    answers: &[Answer],
) -> Result<Vec<Uuid>, tokio_postgres::Error> {
    let column = |of: fn(&Answer) -> &str| answers.iter().map(of).collect::<Vec<_>>();
    let (urls, origins) = (column(|a| &a.url), column(|a| &a.origin));
    let states = column(|answer| match answer.permission {
        Ok(Permission::Given(_)) => "verified",
        Ok(Permission::Refused(_)) => "refused",
        Err(_) => "pending",
    });
    let rates: Vec<Option<i32>> = answers
        .iter()
        .map(|answer| match answer.permission {
            Ok(Permission::Given(Some(rate))) => i32::try_from(rate).ok(),
            _ => None,
        })
        .collect();
    let errors: Vec<Option<&str>> = answers
        .iter()
        .map(|answer| match &answer.permission {
            Ok(Permission::Given(_)) => None,
            Ok(Permission::Refused(reason)) | Err(reason) => Some(reason.as_str()),
        })
        .collect();
    let retry_after_ms: Vec<Option<i64>> = answers
        .iter()
        .map(|answer| i64::try_from(answer.retry_after?.as_millis()).ok())
        .collect();
    let locked = client
        .query(
            "select * from webhooks.record_verifications($1, $2, $3, $4, $5, $6, $7)",
            &[
                &ids,
                &urls,
                &origins,
                &states,
                &rates,
                &errors,
                &retry_after_ms,
            ],
        )
        .await?;
    Ok(locked.iter().map(|row| row.get(0)).collect())
}
