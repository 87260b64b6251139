//! Fairness: latency of 20 well-behaved subscriptions at 100 events/s, beside a crowd, against the same without it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio_postgres::Client;
use webhooks_tests::cluster::Cluster;
use webhooks_tests::latency::{Latencies, Steady};
use webhooks_tests::receiver::{Receiver, Recording, Reply};

use crate::figure::{Figure, Target, median};
use crate::{Size, stage};

const GOOD: u32 = 20;
const RATE: u32 = 100;

/// Subscriptions with deliveries queued, and how their receiver answers.
struct Crowd {
    name: String,
    subscriptions: i32,
    rows_each: i32,
    reply: Reply,
}

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let queued = size.pick(20_000, 100_000);
    let many = size.pick(2000, 10_000);
    let one = |what: &str, reply| Crowd {
        name: format!("one that {what}, {queued} queued"),
        subscriptions: 1,
        rows_each: queued,
        reply,
    };
    let crowds = [
        one("hangs", Reply::hang()),
        one("fails", Reply::status(500)),
        one("takes 5 s", Reply::ok().after(Duration::from_secs(5))),
        Crowd {
            name: format!("{many} that take 0.1 s, 5 rows each"),
            subscriptions: many,
            // More than can be delivered meanwhile.
            rows_each: 5,
            reply: Reply::ok().after(Duration::from_millis(100)),
        },
    ];
    let cluster = stage::cluster().await?;
    let mut figures = Vec::new();
    for crowd in crowds {
        figures.extend(beside(&cluster, &crowd, size).await?);
    }
    Ok(figures)
}

async fn beside(cluster: &Arc<Cluster>, crowd: &Crowd, size: Size) -> Result<[Figure; 2]> {
    let mut rounds = Vec::new();
    for _ in 0..size.pick(2, 3) {
        rounds.push(round(cluster, crowd, size.pick(3, 15)).await?);
    }
    let middle = |part: f64| {
        let [without, with] = [0, 1].map(|which| {
            let of_rounds = rounds.iter().map(|round| round[which].quantile(part));
            median(of_rounds.collect())
        });
        Figure::new(
            format!("p{:.0} beside {}", part * 100.0, crowd.name),
            with,
            "ms",
        )
        .against(without)
    };
    Ok([middle(0.5), middle(0.99).target(Target::RatioAtMost(2.0))])
}

/// Latencies without the crowd, then with it, in a database of their own.
async fn round(cluster: &Arc<Cluster>, crowd: &Crowd, seconds: u32) -> Result<[Latencies; 2]> {
    let good = Receiver::start_with(Recording::Arrivals)?;
    let bad = Receiver::start_with(Recording::Count)?;
    bad.on("/", crowd.reply.clone());
    let database = stage::database(cluster, "fairness").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, GOOD as i32, &good.url("/")).await?;
    let _sidecar = stage::sidecar(&database).await?;
    let tenants = stage::tenants(1..=GOOD);
    let steady = Steady {
        database: &database,
        receiver: &good,
        tenants: &tenants,
        rate: RATE,
        data: stage::data(),
    };
    // Connections, caches.
    steady.run(1).await?;
    settle(&client).await?;
    let without = steady.run(seconds).await?;
    let gather = format!(
        "insert into webhooks.webhook_subscriptions
             (tenant_id, name, webhook_url, subscribed_events, max_in_flight, timeout_seconds, retry_delay_seconds)
         select tenant(1000 + n), 'crowd', '{}', '[\"*\"]', 1000, 300, 1 from generate_series(1, {}) n",
        bad.url("/"),
        crowd.subscriptions
    );
    client
        .batch_execute(&gather)
        .await
        .context("gathering the crowd")?;
    let publish = format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
         select tenant(1000 + n), 'document.processed', 'document', 'document.processed', {}
         from generate_series(1, {}) n, generate_series(1, {})",
        stage::DATA,
        crowd.subscriptions,
        crowd.rows_each
    );
    client
        .batch_execute(&publish)
        .await
        .context("publishing for the crowd")?;
    settle(&client).await?;
    let with = steady.run(seconds).await?;
    let left = client
        .query_one("select exists (select from webhooks.delivery_queue)", &[])
        .await?;
    anyhow::ensure!(
        left.get::<_, bool>(0),
        "the crowd was served before the end"
    );
    Ok([without, with])
}

/// PostgreSQL clears up after many rows at once, whatever their receivers do: that is not measured.
async fn settle(client: &Client) -> Result<()> {
    for statement in [
        "vacuum (analyze) webhooks.event_logs",
        "vacuum (analyze) webhooks.delivery_queue",
        "checkpoint",
    ] {
        client.batch_execute(statement).await.context(statement)?;
    }
    Ok(())
}
