//! The handshake: asks a receiver, before its first delivery, whether it wants any from this system. CloudEvents' "HTTP
//! 1.1 Web Hooks for Event Delivery" 1.0.2, 4.1.
//!
//! The request is under the same address policy, bounds and deadline as a delivery, and carries nothing secret: whoever
//! is there has not agreed to anything yet.

use super::client::{Call, Client};
use super::permission;
use super::reply::Reply;
use super::send::retry_after;
use super::wire::Outgoing;
use crate::model::verification::REQUEST_ORIGIN;
use crate::model::{Answer, Endpoint, Headers, Permission, Settings, Subscription, Verification};
use bytes::Bytes;
use hyper::header::HeaderValue;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use webhooks_core::capture::error_text;

const REQUEST_RATE: &str = "WebHook-Request-Rate";

/// Asks a subscription's receiver. `now` is asked for the time of its answer. `None`: it need not be asked, or there is
/// nobody to ask for.
pub async fn ask(
    client: &Client,
    user_agent: &HeaderValue,
    subscription: Arc<Subscription>,
    settings: &Settings,
    now: impl Fn() -> SystemTime,
) -> Option<Answer> {
    let Verification::Needed { url, .. } = &subscription.verification else {
        return None;
    };
    let url = url.clone();
    let origin = settings.verification_origin.clone()?;
    let answer = exchange(client, user_agent, &subscription, &origin, now).await;
    let (permission, retry_after) = match answer {
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
    client: &Client,
    user_agent: &HeaderValue,
    subscription: &Subscription,
    origin: &str,
    now: impl Fn() -> SystemTime,
) -> Result<(Permission, Option<Duration>), String> {
    let endpoint = subscription.endpoint.as_ref().map_err(Clone::clone)?;
    let call = Call {
        subscription_id: subscription.id,
        url: &endpoint.url,
        outgoing: request(user_agent, endpoint, origin, subscription)?,
        timeout: subscription.timeout,
    };
    let mut reply = Reply::head_only();
    let ended = tokio::time::timeout(subscription.timeout, client.send(&call, &mut reply));
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
    Ok((permission, retry_after(head, now())))
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
