//! Scale: many subscriptions, wide fan-out, much queued, two sidecars.

use std::time::{Duration, Instant};

use anyhow::Result;
use webhooks_tests::receiver::{Receiver, Recording};
use webhooks_tests::sidecar::{self, SHARES, Sidecar};
use webhooks_tests::usage;

use crate::figure::{Figure, Target, median};
use crate::publish::{pgbench, publish_event};
use crate::{Size, stage};

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let mut figures = catalogue(size).await?;
    figures.push(fan_out().await?);
    figures.extend(queued(size).await?);
    figures.push(two_sidecars(size).await?);
    Ok(figures)
}

/// Publish rate with ever more subscriptions of which one matches. No sidecar: it is the publisher that is measured.
async fn catalogue(size: Size) -> Result<Vec<Figure>> {
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "catalogue").await?;
    let client = database.connect().await?;
    let mut rates: Vec<(i32, f64)> = Vec::new();
    let mut subscribed = 0;
    for subscriptions in [10, 10_000, size.pick(20_000, 100_000)] {
        let more = format!(
            "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events)
             select tenant(n), 'tenant ' || n, 'http://127.0.0.1:9/', '[\"*\"]' from generate_series({}, {subscriptions}) n",
            subscribed + 1
        );
        if subscribed == 0 {
            stage::subscribe(&client, 1, "http://127.0.0.1:9/").await?;
            client
                .batch_execute(
                    "truncate webhooks.webhook_subscriptions, webhooks_private.subscription_routes",
                )
                .await?;
        }
        client.batch_execute(&more).await?;
        client
            .batch_execute(
                "vacuum analyze webhooks.webhook_subscriptions, webhooks_private.subscription_routes",
            )
            .await?;
        subscribed = subscriptions;
        let mut rounds = Vec::new();
        for _ in 0..size.pick(2, 3) {
            rounds
                .push(pgbench(&cluster, &database, &publish_event(5), 4, size.pick(3, 10)).await?);
            client
                .batch_execute("truncate webhooks.delivery_queue")
                .await?;
        }
        rates.push((subscriptions, median(rounds)));
    }
    let base = rates[0].1;
    Ok(rates
        .into_iter()
        .skip(1)
        .map(|(subscriptions, rate)| {
            Figure::new(
                format!("publish with {subscriptions} subscriptions, against 10"),
                rate,
                "/s",
            )
            .against(base)
            .target(Target::RatioAtLeast(1.0 / 1.2))
        })
        .collect())
}

/// One event to 10,000 subscriptions of its tenant.
async fn fan_out() -> Result<Figure> {
    let receiver = Receiver::start_with(Recording::Count)?;
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "fan_out").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, 1, &receiver.url("/")).await?;
    let insert = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events)
         select tenant(1), 'subscription ' || n, '{}', '[\"document.*\"]' from generate_series(2, 10000) n",
        receiver.url("/")
    );
    client.batch_execute(&insert).await?;
    let _sidecar = stage::sidecar(&database).await?;
    let started = Instant::now();
    stage::publish(&client, 1, 1).await?;
    receiver
        .wait_for_within(10_000, Duration::from_secs(60))
        .await?;
    let end = stage::drained(&client, Duration::from_secs(60)).await?;
    Ok(Figure::new(
        "fan-out of one event to 10000 subscriptions",
        end.duration_since(started).as_secs_f64() * 1000.0,
        "ms",
    ))
}

/// Deliveries per second for some seconds, with so many queued; and the sidecar's memory.
async fn queued(size: Size) -> Result<Vec<Figure>> {
    let many = size.pick(200_000, 1_000_000);
    let receiver = Receiver::start_with(Recording::Count)?;
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "queued").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, 100, &receiver.url("/")).await?;
    let mut few_rates = Vec::new();
    for _ in 0..3 {
        stage::publish(&client, 10_000, 100).await?;
        few_rates.push(drain_rate(&database, &receiver, 10_000).await?.0);
    }
    for _ in 0..many / 100_000 {
        stage::publish(&client, 100_000, 100).await?;
    }
    client.batch_execute("checkpoint").await?;
    let (rate, rss) = drain_rate(&database, &receiver, size.pick(50_000, 200_000)).await?;
    Ok(vec![
        Figure::new(
            format!("drain with {many} queued, against 10000"),
            rate,
            "/s",
        )
        .against(median(few_rates))
        .target(Target::RatioAtLeast(0.8)),
        Figure::new(
            format!("sidecar's peak memory with {many} queued"),
            rss / f64::from(1 << 20),
            "MiB",
        )
        .target(Target::AtMost(64.0)),
    ])
}

async fn drain_rate(
    database: &webhooks_tests::database::Database,
    receiver: &Receiver,
    n: u64,
) -> Result<(f64, f64)> {
    let before = receiver.count();
    let mut sidecar = Sidecar::spawn(database, sidecar::Options::default().quiet())?;
    receiver.wait_for(before + 1).await?;
    let (started, already) = (Instant::now(), receiver.count());
    receiver
        .wait_for_within(before + n, Duration::from_secs(300))
        .await?;
    let rate = (receiver.count() - already) as f64 / started.elapsed().as_secs_f64();
    let rss = usage::peak_rss(sidecar.pid())?;
    sidecar.sigterm()?;
    Ok((rate, rss))
}

/// Two sidecars on the same machine, against one.
async fn two_sidecars(size: Size) -> Result<Figure> {
    let events: i32 = size.pick(20_000, 100_000);
    let receiver = Receiver::start_with(Recording::Count)?;
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "two_sidecars").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, 100, &receiver.url("/")).await?;
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let first = stage::sidecar(&database).await?;
    for round in 0..size.pick(4, 6) {
        let second = if round % 2 == 1 {
            Some(stage::sidecar(&database).await?)
        } else {
            None
        };
        let shares = if second.is_some() { "8,8" } else { "16" };
        database.wait_value(SHARES, shares).await?;
        let started = Instant::now();
        stage::publish(&client, events, 100).await?;
        let end = stage::drained(&client, Duration::from_secs(120)).await?;
        let rate = f64::from(events) / end.duration_since(started).as_secs_f64();
        if second.is_some() {
            two.push(rate)
        } else {
            one.push(rate)
        }
    }
    drop(first);
    Ok(Figure::new(
        "publish and drain with two sidecars, against one",
        median(two),
        "/s",
    )
    .against(median(one)))
}
