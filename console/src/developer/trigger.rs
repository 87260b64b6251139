//! `webhooks-console trigger`: publishes the example of an event type.

use super::client::Client;
use super::near::near;
use crate::config::TriggerArgs;
use anyhow::{Context, bail};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

#[derive(Deserialize)]
struct EventType {
    name: String,
    is_current: bool,
    example: Option<Value>,
}

#[derive(Deserialize)]
struct Published {
    id: Uuid,
}

/// # Errors
/// There is no such type, or the console refuses something or can't be reached.
pub async fn trigger(args: &TriggerArgs) -> anyhow::Result<()> {
    let client = Client::new(&args.api)?;
    let types: Vec<EventType> = client.send(Method::GET, "/api/event-types/", None).await?;
    let current = || types.iter().filter(|event_type| event_type.is_current);
    let Some(event_type) = current().find(|event_type| event_type.name == args.event_type) else {
        let near = near(
            &args.event_type,
            current().map(|event_type| event_type.name.as_str()),
        );
        let advice = match near.is_empty() {
            true => format!(
                "there are {}, which GET /api/event-types/ lists",
                current().count()
            ),
            false => format!("near to it: {}", near.join(", ")),
        };
        bail!("there is no event type {:?}; {advice}", args.event_type);
    };
    let data = match &args.data {
        Some(data) => serde_json::from_str(data).context("--data is no JSON")?,
        None => event_type.example.clone().unwrap_or_else(|| json!({})),
    };
    let event = json!({
        "event_type": event_type.name, "event_data": data, "environment": args.environment,
    });
    let published: Published = client
        .send(Method::POST, "/api/events/", Some(&event))
        .await?;
    println!("Published {} as event {}", event_type.name, published.id);
    Ok(())
}
