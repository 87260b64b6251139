//! Limits: what they cost a tenant that has them, and one that has none beside it, against a system without limits.

use anyhow::{Context, Result};

use crate::figure::{Figure, Target, median};
use crate::publish::{pgbench, publish_event};
use crate::{Size, stage};

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "limits").await?;
    let client = database.connect().await?;
    // No sidecar: it is the publisher that is measured, without waiting for the disk.
    client
        .batch_execute(&format!(
            "alter database {} set synchronous_commit = off",
            database.name()
        ))
        .await?;
    stage::subscribe(&client, 2, "http://127.0.0.1:9/").await?;
    let limits = format!(
        "select webhooks.set_tenant_limits('{}', 1000, 1000000000, 1000000000)",
        stage::tenant(1)
    );
    let no_limits = "select webhooks.set_tenant_limits(tenant_id) from webhooks.tenant_limits";
    let mut figures = Vec::new();
    for sessions in [1, 16] {
        let (mut without, mut with, mut beside) = (Vec::new(), Vec::new(), Vec::new());
        let seconds = size.pick(3, 10);
        for _ in 0..size.pick(3, 5) {
            for (limits, tenant, rates) in [
                (no_limits, 1, &mut without),
                (&*limits, 1, &mut with),
                (&*limits, 2, &mut beside),
            ] {
                client.batch_execute(limits).await.context("limits")?;
                let script = publish_event(tenant);
                rates.push(pgbench(&cluster, &database, &script, sessions, seconds).await?);
                client
                    .batch_execute("truncate webhooks.event_logs, webhooks.delivery_queue")
                    .await?;
            }
        }
        let without = median(without);
        for (name, rates) in [("with limits", with), ("beside one with limits", beside)] {
            figures.push(
                Figure::new(
                    format!("publish_event {name}, {sessions} session(s), against without"),
                    median(rates),
                    "/s",
                )
                .against(without)
                .target(Target::RatioAtLeast(0.8)),
            );
        }
    }
    Ok(figures)
}
