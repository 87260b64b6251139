//! `webhooks-console listen`: a subscription for a while, whose deliveries go to a port of this machine.

use super::client::{Client, Failure, cause};
use super::leftovers;
use crate::config::ListenArgs;
use crate::http::jwt::tls;
use crate::shutdown;
use anyhow::bail;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long the subscription stays if this process can't delete it.
const LIFETIME: SignedDuration = SignedDuration::from_mins(15);
const RENEWAL: Duration = Duration::from_secs(300);
/// Between two tries to reach the console, or the receiver.
const PAUSE: Duration = Duration::from_secs(1);
/// For the receiver.
const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Deserialize)]
struct Created {
    id: Uuid,
}

#[derive(Deserialize)]
struct Polled {
    cursor: Option<String>,
    deliveries: Vec<Delivery>,
}

#[derive(Deserialize)]
struct Delivery {
    event_id: Uuid,
    event_type: String,
    headers: BTreeMap<String, String>,
    body: String,
}

/// Runs until a signal; then the subscription is deleted.
///
/// # Errors
/// The console refuses something, or can't be reached at the beginning.
pub async fn listen(args: &ListenArgs) -> anyhow::Result<()> {
    let client = Client::new(&args.api)?;
    let mut stop = pin!(shutdown::requested());
    let left = leftovers::remove(&client).await?;
    if left > 0 {
        println!("Deleted {left} subscription(s) that listeners had left behind.");
    }
    let secret = signing_secret()?;
    let settings = json!({
        "name": leftovers::name(), "delivery": "poll", "subscribed_events": args.events,
        "description": format!("Made by webhooks-console listen, which forwards to {}", args.forward),
        "environment": args.environment, "payload_format": args.format, "auth_type": "signature",
        "auth_config": {"secret": secret}, "expires_at": expires_at(),
    });
    let path = "/api/webhook-subscriptions/";
    let created: Created = client.send(Method::POST, path, Some(&settings)).await?;
    println!("Forwarding {} to {}", args.events.join(", "), args.forward);
    println!("Signing secret for as long as this runs: {secret}");
    let ended = tokio::select! {
        ended = forward_all(&client, args, created.id) => ended,
        () = &mut stop => Ok(()),
    };
    let deleted = leftovers::delete(&client, created.id).await;
    ended?;
    if let Err(failure) = deleted {
        bail!(
            "the subscription could not be deleted, and ends by itself within 15 minutes: {failure}"
        );
    }
    println!("Stopped; the subscription is deleted.");
    Ok(())
}

/// A new one, which goes with the subscription.
fn signing_secret() -> anyhow::Result<String> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    Ok(format!("whsec_{}", STANDARD.encode(key)))
}

fn expires_at() -> String {
    (Timestamp::now() + LIFETIME).to_string()
}

/// # Errors
/// The console refuses something.
async fn forward_all(client: &Client, args: &ListenArgs, id: Uuid) -> anyhow::Result<()> {
    let receiver = reqwest::Client::builder()
        .tls_backend_preconfigured(tls()?)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(TIMEOUT)
        .build()?;
    let path = format!("/api/webhook-subscriptions/{id}");
    let (mut cursor, mut renewed, mut is_away) = (None::<String>, Instant::now(), false);
    loop {
        if renewed.elapsed() > RENEWAL {
            let change = json!({"expires_at": expires_at()});
            let renewal = client
                .send::<serde::de::IgnoredAny>(Method::PATCH, &path, Some(&change))
                .await;
            if !is_passing(renewal, &mut is_away).await? {
                continue;
            }
            renewed = Instant::now();
        }
        let acknowledged = cursor.as_ref().map(|cursor| format!("&cursor={cursor}"));
        let poll = format!(
            "{path}/poll?limit=10&wait=15{}",
            acknowledged.unwrap_or_default()
        );
        match client.send::<Polled>(Method::GET, &poll, None).await {
            Ok(polled) => {
                is_away = false;
                for delivery in &polled.deliveries {
                    forward(&receiver, args, delivery).await;
                }
                cursor = polled.cursor;
            }
            Err(failure) => {
                is_passing(Err::<(), _>(failure), &mut is_away).await?;
            }
        }
    }
}

/// Whether it was done. What the console can't do at the moment is done later.
///
/// # Errors
/// It was refused.
async fn is_passing<T>(done: Result<T, Failure>, is_away: &mut bool) -> anyhow::Result<bool> {
    match done {
        Ok(_) => Ok(true),
        Err(Failure::Away(reason)) => {
            if !*is_away {
                println!("{reason}; trying again");
            }
            *is_away = true;
            tokio::time::sleep(PAUSE).await;
            Ok(false)
        }
        Err(refused) => Err(refused.into()),
    }
}

/// Sends a delivery until it is answered, and shows the answer.
async fn forward(receiver: &reqwest::Client, args: &ListenArgs, delivery: &Delivery) {
    let headers = headers(delivery);
    let mut is_told = false;
    loop {
        let began = Instant::now();
        let request = receiver
            .post(args.forward.clone())
            .headers(headers.clone())
            .body(delivery.body.clone());
        let outcome = match request.send().await {
            Ok(answer) => format!("{}", answer.status()),
            Err(error) if error.is_connect() => {
                if !is_told {
                    let (url, cause) = (&args.forward, cause(&error));
                    println!("Nothing answers at {url} ({cause}); trying again each second");
                }
                is_told = true;
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            Err(error) => cause(&error),
        };
        let time = Timestamp::now().strftime("%H:%M:%SZ");
        let (event_type, event_id) = (&delivery.event_type, delivery.event_id);
        let took = began.elapsed().as_millis();
        println!("{time}  {event_type}  {event_id}  {outcome}  {took} ms");
        return;
    }
}

fn headers(delivery: &Delivery) -> HeaderMap {
    let headers = delivery.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::try_from(name).ok()?;
        Some((name, HeaderValue::try_from(value).ok()?))
    });
    headers.collect()
}
