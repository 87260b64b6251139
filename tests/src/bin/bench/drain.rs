//! Drain: queued deliveries of 1 KB to a fast receiver, against the same requests without a database.

use std::time::{Duration, Instant};

use anyhow::Result;
use webhooks_tests::receiver::{Receiver, Recording};

use crate::figure::{Figure, Target, median};
use crate::{Size, bare, stage};

const SUBSCRIPTIONS: i32 = 100;

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let events: i32 = size.pick(20_000, 100_000);
    let rounds = size.pick(3, 5);
    let receiver = Receiver::start_with(Recording::Count)?;
    let url = receiver.url("/");
    let cluster = stage::cluster().await?;

    // The very first burst in a fresh database that was never analysed: cached plans must not have gone wrong.
    let fresh = stage::database(&cluster, "fresh").await?;
    let client = fresh.connect().await?;
    autovacuum(&client, false).await?;
    stage::subscribe(&client, SUBSCRIPTIONS, &url).await?;
    let sidecar = stage::sidecar(&fresh).await?;
    let baseline = bare::requests_per_second(&url, 20_000, bare::CONCURRENCY).await?;
    let started = Instant::now();
    stage::publish(&client, 20_000, SUBSCRIPTIONS).await?;
    let committed = Instant::now();
    let end = stage::drained(&client, Duration::from_secs(120)).await?;
    let first = 20_000.0 / end.duration_since(committed).as_secs_f64();
    println!(
        "   first burst: published in {:.2} s",
        committed.duration_since(started).as_secs_f64()
    );
    drop(sidecar);
    autovacuum(&client, true).await?;

    let database = stage::database(&cluster, "drain").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, SUBSCRIPTIONS, &url).await?;
    let (mut baselines, mut drains) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let requests = u64::from(events.unsigned_abs());
        let baseline = bare::requests_per_second(&url, requests, bare::CONCURRENCY);
        baselines.push(baseline.await?);
        stage::publish(&client, events, SUBSCRIPTIONS).await?;
        client.batch_execute("checkpoint").await?;
        drains.push(stage::drain_rate(&database, &client, &receiver, requests).await?);
        println!(
            "   round: bare {:.0}/s, drain {:.0}/s",
            baselines[baselines.len() - 1],
            drains[drains.len() - 1]
        );
    }
    Ok(vec![
        Figure::new(
            format!("drain, {events} queued, {SUBSCRIPTIONS} subscriptions"),
            median(drains),
            "/s",
        )
        .against(median(baselines))
        .target(Target::RatioAtLeast(0.40)),
        Figure::new(
            "drain, first burst of 20000 in a fresh database",
            first,
            "/s",
        )
        .against(baseline)
        .target(Target::RatioAtLeast(0.40)),
    ])
}

async fn autovacuum(client: &tokio_postgres::Client, on: bool) -> Result<()> {
    let setting = if on { "on" } else { "off" };
    client
        .batch_execute(&format!("alter system set autovacuum = {setting}"))
        .await?;
    client.batch_execute("select pg_reload_conf()").await?;
    Ok(())
}
