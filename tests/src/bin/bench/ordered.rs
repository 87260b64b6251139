//! Order: deliveries that go one at a time, of one lane and of a thousand, against one request after another.

use std::sync::Arc;

use anyhow::Result;
use tokio_postgres::Client;
use webhooks_tests::cluster::Cluster;
use webhooks_tests::receiver::{Receiver, Recording};

use crate::figure::{Figure, Target, median};
use crate::{Size, bare, stage};

/// One queue of events, or as many as there are keys.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    events: i32,
    keys: i32,
    /// Beside a transaction that keeps every delivered row's version in the queue.
    held_xmin: bool,
}

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let events = size.pick(10_000, 50_000);
    let load = |name, keys, held_xmin| Load {
        name,
        events,
        keys,
        held_xmin,
    };
    let receiver = Receiver::start_with(Recording::Count)?;
    let cluster = stage::cluster().await?;
    let one = drained(&cluster, &receiver, load("one_lane", 1, false), size).await?;
    let held = drained(&cluster, &receiver, load("held_xmin", 1, true), size).await?;
    let many = drained(&cluster, &receiver, load("lanes", 1_000, false), size).await?;
    Ok(vec![
        one.figure(format!(
            "one lane, {events} queued, against one request after another"
        ))
        .target(Target::RatioAtLeast(0.50)),
        held.figure("  the same beside a held xmin".to_owned())
            .target(Target::RatioAtLeast(0.40)),
        many.figure(format!(
            "1000 lanes of one subscription, {events} queued, against the same"
        )),
    ])
}

/// Deliveries per second, and requests per second one after another.
struct Drained {
    rates: Vec<f64>,
    baselines: Vec<f64>,
}

impl Drained {
    fn figure(self, name: String) -> Figure {
        Figure::new(name, median(self.rates), "/s").against(median(self.baselines))
    }
}

async fn drained(
    cluster: &Arc<Cluster>,
    receiver: &Receiver,
    load: Load,
    size: Size,
) -> Result<Drained> {
    let url = receiver.url("/");
    let database = stage::database(cluster, load.name).await?;
    let client = database.connect().await?;
    stage::subscribe(&client, 1, &url).await?;
    client
        .batch_execute("update webhooks.webhook_subscriptions set ordering = 'fifo'")
        .await?;
    let holder = database.connect().await?;
    let (mut rates, mut baselines) = (Vec::new(), Vec::new());
    for _ in 0..size.pick(1, 3) {
        baselines.push(bare::requests_per_second(&url, size.pick(10_000, 20_000), 1).await?);
        publish(&client, load).await?;
        client.batch_execute("checkpoint").await?;
        if load.held_xmin {
            holder
                .batch_execute(
                    "begin isolation level repeatable read; select count(*) from webhooks.event_types",
                )
                .await?;
        }
        let n = u64::from(load.events.unsigned_abs());
        rates.push(stage::drain_rate(&database, &client, receiver, n).await?);
        if load.held_xmin {
            holder.batch_execute("rollback").await?;
        }
        println!(
            "   {}: one after another {:.0}/s, in lanes {:.0}/s",
            load.name,
            baselines[baselines.len() - 1],
            rates[rates.len() - 1]
        );
    }
    Ok(Drained { rates, baselines })
}

async fn publish(client: &Client, load: Load) -> Result<()> {
    let insert = format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, ordering_key)
         select tenant(1), 'document.processed', 'document', 'document.processed', {}, 'key ' || n % $2
         from generate_series(1, $1) n",
        stage::DATA
    );
    client.execute(&insert, &[&load.events, &load.keys]).await?;
    Ok(())
}
