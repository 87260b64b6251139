//! Publish: one event per transaction with one matching subscription and a sidecar delivering beside it, against a
//! bare INSERT of the same row into a plain table with the same indexes. Clients are pgbench's, prepared statements.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio_postgres::Client;
use webhooks_tests::cluster::Cluster;
use webhooks_tests::database::Database;
use webhooks_tests::receiver::{Receiver, Recording};

use crate::figure::{Figure, Target, median};
use crate::{Size, stage};

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let (rounds, seconds) = size.pick((2, 4), (3, 15));
    let receiver = Receiver::start_with(Recording::Count)?;
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "publish").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, 1, &receiver.url("/")).await?;
    client.batch_execute(PLAIN_TABLE).await?;
    let _sidecar = stage::sidecar(&database).await?;

    let mut figures = Vec::new();
    for (sessions, least) in [(1, 0.8), (16, 0.65)] {
        let (mut bare, mut naive, mut product) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            bare.push(pgbench(&cluster, &database, &bare_insert(""), sessions, seconds).await?);
            naive.push(
                pgbench(
                    &cluster,
                    &database,
                    &bare_insert("returning pg_notify('naive', '')"),
                    sessions,
                    seconds,
                )
                .await?,
            );
            product.push(pgbench(&cluster, &database, &publish_event(1), sessions, seconds).await?);
            stage::drained(&client, Duration::from_secs(120)).await?;
        }
        let (bare, naive, product) = (median(bare), median(naive), median(product));
        figures.push(
            Figure::new(
                format!("publish_event, {sessions} session(s), against INSERT"),
                product,
                "/s",
            )
            .against(bare)
            .target(Target::RatioAtLeast(least)),
        );
        figures.push(
            Figure::new(
                format!("publish_event, {sessions} session(s), against INSERT + NOTIFY"),
                product,
                "/s",
            )
            .against(naive),
        );
    }
    figures.push(batch(size, &client).await?);
    Ok(figures)
}

/// 100,000 events in one statement.
async fn batch(size: Size, client: &Client) -> Result<Figure> {
    let (mut bare, mut product) = (Vec::new(), Vec::new());
    for _ in 0..size.pick(2, 5) {
        let insert = format!(
            "insert into plain_events (tenant_id, event_type, event_category, event_name, event_data)
             select tenant(1), 'document.processed', 'document', 'document.processed', {} from generate_series(1, 100000)",
            stage::DATA
        );
        let started = Instant::now();
        client.batch_execute(&insert).await?;
        bare.push(100_000.0 / started.elapsed().as_secs_f64());
        let started = Instant::now();
        stage::publish(client, 100_000, 1).await?;
        product.push(100_000.0 / started.elapsed().as_secs_f64());
        stage::drained(client, Duration::from_secs(120)).await?;
    }
    Ok(Figure::new(
        "100000 events in one statement, against INSERT",
        median(product),
        "/s",
    )
    .against(median(bare))
    .target(Target::RatioAtLeast(0.35)))
}

const PLAIN_TABLE: &str =
    "create table plain_events (like webhooks_private.event_logs_template including all)";

fn bare_insert(returning: &str) -> String {
    format!(
        "insert into plain_events (tenant_id, event_type, event_category, event_name, event_data)
         values ('{}', 'document.processed', 'document', 'document.processed', {}) {returning};",
        stage::tenant(1),
        stage::DATA
    )
    .replace('\n', " ")
}

/// The statement that publishes an event of a tenant.
pub fn publish_event(tenant: u32) -> String {
    format!(
        "select webhooks.publish_event('{}', 'document.processed', event_data => {});",
        stage::tenant(tenant),
        stage::DATA
    )
}

/// Transactions per second of a script.
pub async fn pgbench(
    cluster: &Arc<Cluster>,
    database: &Database,
    script: &str,
    sessions: u32,
    seconds: u32,
) -> Result<f64> {
    let directory = cluster.postgres().new_directory()?;
    let file = directory.path().join("script.sql");
    std::fs::write(&file, script)?;
    let mut command = cluster.client_program("pgbench", database.name());
    command
        .args(["--no-vacuum", "--protocol=prepared"])
        .args([
            "--client",
            &sessions.to_string(),
            "--jobs",
            &sessions.min(2).to_string(),
            "--time",
            &seconds.to_string(),
        ])
        .arg("--file")
        .arg(&file);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await?
        .context("running pgbench")?;
    ensure!(
        output.status.success(),
        "pgbench: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .find_map(|line| {
            line.strip_prefix("tps = ")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .with_context(|| format!("no tps in {text}"))
}
