//! Cost: WAL, CPU, statements and dead rows of a delivery; memory with much queued; and what idling costs.

use std::time::Duration;

use anyhow::{Context, Result};
use webhooks_tests::database::SIDECAR_ROLE;
use webhooks_tests::receiver::{Receiver, Recording};
use webhooks_tests::usage;

use crate::figure::{Figure, Target};
use crate::{Size, stage};

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let events: i32 = size.pick(20_000, 100_000);
    let receiver = Receiver::start_with(Recording::Count)?;
    let cluster = stage::cluster().await?;
    let data = cluster.directory().join("data");
    let database = stage::database(&cluster, "cost").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, 100, &receiver.url("/")).await?;
    client
        .batch_execute(
            "create table plain_events (like webhooks_private.event_logs_template including all)",
        )
        .await?;
    let sidecar = stage::sidecar(&database).await?;
    let per_delivery = |used: f64| used / f64::from(events);

    // A round to warm up, so that pages exist and connections are open.
    stage::publish(&client, events, 100).await?;
    stage::drained(&client, Duration::from_secs(120)).await?;
    client.batch_execute("checkpoint").await?;

    let before = usage::wal_bytes(&client).await?;
    let insert = format!(
        "insert into plain_events (tenant_id, event_type, event_category, event_name, event_data)
         select tenant(1 + n % 100), 'document.processed', 'document', 'document.processed', {} from generate_series(1, {events}) n",
        stage::DATA
    );
    client.batch_execute(&insert).await?;
    let event_wal = usage::wal_bytes(&client).await? - before;

    let wal_before = usage::wal_bytes(&client).await?;
    stage::publish(&client, events, 100).await?;
    let wal_published = usage::wal_bytes(&client).await?;
    stage::drained(&client, Duration::from_secs(120)).await?;
    let wal_end = usage::wal_bytes(&client).await?;

    client
        .batch_execute("vacuum webhooks.delivery_queue")
        .await?;
    client
        .batch_execute("select pg_stat_statements_reset()")
        .await?;
    let cpu_before = (
        usage::cluster_cpu_seconds(&data)?,
        usage::cpu_seconds(sidecar.pid())?,
    );
    stage::publish(&client, events, 100).await?;
    let cpu_published = usage::cluster_cpu_seconds(&data)?;
    stage::drained(&client, Duration::from_secs(120)).await?;
    let cpu_end = (
        usage::cluster_cpu_seconds(&data)?,
        usage::cpu_seconds(sidecar.pid())?,
    );
    let statements = usage::statements(&client, SIDECAR_ROLE).await?;
    let dead: f64 = client
        .query_one("select pg_stat_force_next_flush(), n_dead_tup::float8 from pg_stat_user_tables where relid = 'webhooks.delivery_queue'::regclass", &[])
        .await?
        .get(1);

    let mut figures = vec![
        Figure::new(
            "WAL per delivery beyond the event's row",
            per_delivery(wal_end - wal_before - event_wal),
            "bytes",
        )
        .target(Target::AtMost(450.0)),
        Figure::new(
            "  of it in the publisher's transaction",
            per_delivery(wal_published - wal_before - event_wal),
            "bytes",
        ),
        Figure::new(
            "CPU per delivery, database",
            per_delivery(cpu_end.0 - cpu_published) * 1e6,
            "µs",
        ),
        Figure::new(
            "CPU per delivery, sidecar",
            per_delivery(cpu_end.1 - cpu_before.1) * 1e6,
            "µs",
        ),
        Figure::new(
            "CPU per event, publisher",
            per_delivery(cpu_published - cpu_before.0) * 1e6,
            "µs",
        ),
        Figure::new("statements per delivery", per_delivery(statements), ""),
        Figure::new(
            "dead rows in the queue after the run, per delivery",
            per_delivery(dead),
            "",
        ),
    ];
    figures.extend(
        idle(size, &client, &data, sidecar.pid())
            .await
            .context("idling")?,
    );
    Ok(figures)
}

async fn idle(
    size: Size,
    client: &tokio_postgres::Client,
    data: &std::path::Path,
    sidecar: u32,
) -> Result<Vec<Figure>> {
    // Nothing is left for autovacuum and the checkpointer, whose work is that of the deliveries before.
    client.batch_execute("vacuum analyze").await?;
    client.batch_execute("checkpoint").await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seconds = size.pick(20, 120);
    client
        .batch_execute("select pg_stat_statements_reset()")
        .await?;
    let before = usage::cpu_seconds(sidecar)? + usage::cluster_cpu_seconds(data)?;
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let cpu = usage::cpu_seconds(sidecar)? + usage::cluster_cpu_seconds(data)? - before;
    let statements = usage::statements(client, SIDECAR_ROLE).await?;
    Ok(vec![
        Figure::new(
            "idle: CPU of sidecar and database",
            cpu / seconds as f64 * 100.0,
            "% of a core",
        )
        .target(Target::AtMost(0.2)),
        Figure::new("idle: statements", statements / seconds as f64, "/s")
            .target(Target::AtMost(2.0)),
    ])
}
