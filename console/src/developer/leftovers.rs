//! Subscriptions of listeners that were killed. Each is named for the machine and the process that made it, and the server
//! deletes it by itself after a while.

use super::client::{Client, Failure};
use reqwest::Method;
use serde::Deserialize;
use uuid::Uuid;

const PREFIX: &str = "webhooks-console listen on ";

#[derive(Deserialize)]
struct Subscription {
    id: Uuid,
    name: String,
    delivery: String,
}

/// The name of the subscription of this process.
pub fn name() -> String {
    format!("{}{}", of_this_machine(), std::process::id())
}

fn of_this_machine() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{PREFIX}{}, process ", host.trim())
}

/// Deletes the subscriptions of listeners of this machine that run no more.
///
/// Returns: how many.
///
/// # Errors
/// Those of the API.
pub async fn remove(client: &Client) -> Result<usize, Failure> {
    let path = "/api/webhook-subscriptions/?limit=1000";
    let subscriptions: Vec<Subscription> = client.send(Method::GET, path, None).await?;
    let mut removed = 0;
    for subscription in subscriptions {
        if subscription.delivery == "poll" && is_left(&subscription.name) {
            delete(client, subscription.id).await?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// # Errors
/// Those of the API.
pub async fn delete(client: &Client, id: Uuid) -> Result<(), Failure> {
    let path = format!("/api/webhook-subscriptions/{id}");
    client
        .send::<serde::de::IgnoredAny>(Method::DELETE, &path, None)
        .await?;
    Ok(())
}

fn is_left(name: &str) -> bool {
    let process = name.strip_prefix(&of_this_machine());
    process
        .and_then(|process| process.parse::<u32>().ok())
        .is_some_and(|process| process != std::process::id() && !listens(process))
}

/// Whether a process is a listener: its number may be another's by now.
fn listens(process: u32) -> bool {
    let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    command
        .split(|byte| *byte == 0)
        .any(|word| word == b"listen")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_process_of_this_machine_left_behind_is_left() {
        assert!(!is_left(&name()));
        assert!(is_left(&format!("{}4294967295", of_this_machine())));
        assert!(!is_left(&format!("{PREFIX}elsewhere, process 4294967295")));
        assert!(!is_left("Invoices"));
        // It is no listener.
        assert!(is_left(&format!("{}1", of_this_machine())));
    }
}
