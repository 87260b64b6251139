//! How long after a fault deliveries go on: one event, to a subscription on each shard.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::diary::Diary;
use super::receipts::Receipts;
use super::stage::Stage;
use super::subscription::{Facts, PROBED, SHARDS};
use crate::database::publish;
use crate::wait::{Seen, eventually};

/// After this time, deliveries do not go on at all.
const GIVEN_UP: Duration = Duration::from_secs(60);

/// Times from the end of a fault: from when the server accepted connections, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// Until the first delivery of an event that was published after the fault.
    pub first: Duration,
    /// Until it was delivered on all shards.
    pub all: Duration,
}

/// Publishes a probe, and waits until it is delivered and recorded on every shard: by then, whatever was answered
/// before has been recorded as well.
///
/// # Errors
/// When that does not happen.
pub async fn recovery(
    stage: &Stage,
    diary: &Diary,
    receipts: &Receipts,
    since: Instant,
) -> Result<Recovery> {
    let facts = Facts {
        tenant: PROBED,
        event_type: "system.health_check",
        pages: 1,
    };
    let tenant = stage.tenants[PROBED];
    let data = serde_json::json!({"pages": facts.pages});
    // A commit without an answer is left to the ledger, and another probe is tried.
    let committed = async || {
        let tried = async {
            let mut client = stage.db.connect().await?;
            let transaction = client.transaction().await?;
            let event = publish(&transaction, tenant, facts.event_type, data.clone()).await?;
            diary.publishing(event, &facts, None);
            diary.ledger.uncertain(event);
            transaction.commit().await?;
            anyhow::Ok(event)
        };
        Ok(match tried.await {
            Ok(event) => Seen::Done(event),
            Err(error) => Seen::not_yet(format!("{error:#}")),
        })
    };
    let event = eventually(GIVEN_UP, committed)
        .await
        .context("publishing after the fault")?;
    let delivered = async || {
        let deliveries = receipts.deliveries(event);
        let done = deliveries.len() == SHARDS;
        Ok(if done {
            Seen::Done(deliveries)
        } else {
            Seen::not_yet(format!("event {event} on {} shards", deliveries.len()))
        })
    };
    let deliveries = eventually(GIVEN_UP, delivered)
        .await
        .context("delivering after the fault")?;
    let recorded =
        format!("select count(*) from webhooks.delivery_queue where event_log_id = '{event}'");
    stage
        .db
        .wait_value_within(GIVEN_UP, &recorded, "0")
        .await
        .context("recording after the fault")?;
    let times = || deliveries.values().map(|at| at.duration_since(since));
    Ok(Recovery {
        first: times().min().unwrap_or_default(),
        all: times().max().unwrap_or_default(),
    })
}
