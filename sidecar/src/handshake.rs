//! The handshake: asks a receiver, before its first delivery, whether it wants any from this system. CloudEvents' "HTTP
//! 1.1 Web Hooks for Event Delivery" 1.0.2, 4.1.
//!
//! The request is under the same address policy, bounds and deadline as a delivery, and carries nothing secret: whoever
//! is there has not agreed to anything yet.

use crate::database::Database;
use crate::deliver::{Deliverer, retry_after};
use crate::http::{Call, Headers, Outgoing, Reply};
use crate::owner::Settings;
use crate::permission::{self, Permission, REQUEST_ORIGIN, REQUEST_RATE};
use crate::postgres::ConnectError;
use crate::postgres::trouble::SessionError;
use crate::subscriptions::{Endpoint, Subscription, Verification};
use bytes::Bytes;
use hyper::header::HeaderValue;
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
        let (permission, retry_after) = match self.exchange(&subscription, &origin).await {
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
    ) -> Result<(Permission, Option<Duration>), String> {
        let endpoint = subscription.endpoint.as_ref().map_err(Clone::clone)?;
        let call = Call {
            subscription_id: subscription.id,
            url: &endpoint.url,
            outgoing: request(&self.user_agent, endpoint, origin, subscription)?,
            timeout: subscription.timeout,
        };
        let mut reply = Reply::head_only();
        let ended = tokio::time::timeout(subscription.timeout, self.client.send(&call, &mut reply));
        let failure = match ended.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => {
                let seconds = subscription.timeout.as_secs();
                Some(format!(
                    "no answer to OPTIONS within timeout_seconds ({seconds})"
                ))
            }
        };
        // What the body says, and whether it comes, is nothing to go by.
        let head = reply.head().ok_or_else(|| failure.unwrap_or_default())?;
        let permission = permission::read(head.status, &head.to_map(), origin);
        Ok((permission, retry_after(head)))
    }
}

fn request(
    user_agent: &HeaderValue,
    endpoint: &Endpoint,
    origin: &str,
    subscription: &Subscription,
) -> Result<Outgoing, String> {
    let mut headers = Headers::default();
    let origin = HeaderValue::try_from(origin)
        .map_err(|_| "the setting verification_origin can't be sent".to_owned())?;
    headers.set(REQUEST_ORIGIN, origin);
    if let Some(limit) = subscription.rate_limit {
        headers.set(REQUEST_RATE, HeaderValue::from(limit.per_minute()));
    }
    headers.set("User-Agent", user_agent.clone());
    headers.set("Accept", HeaderValue::from_static("*/*"));
    let (url, target) = (&endpoint.url, &endpoint.target);
    Ok(Outgoing::new(
        "OPTIONS",
        url,
        target,
        &headers,
        Bytes::new(),
    ))
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
            "select * from webhooks_private.record_verifications($1, $2, $3, $4, $5, $6, $7)",
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
