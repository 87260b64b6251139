//! Held xmin: publishing and delivering for minutes beside an open REPEATABLE READ transaction, against without.
//! The open snapshot keeps every delivered row's version in the queue; the claim must not drown in them.

use std::time::{Duration, Instant};

use anyhow::Result;
use webhooks_tests::receiver::{Receiver, Recording};

use crate::figure::{Figure, Target};
use crate::{Size, stage};

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let seconds = size.pick(15, 180);
    let without = delivered_in(seconds, false).await?;
    let with = delivered_in(seconds, true).await?;
    let figure =
        |name: &str, with: f64, without: f64| Figure::new(name, with, "/s").against(without);
    Ok(vec![
        figure(
            &format!("publish and deliver for {seconds} s beside a held xmin, against without"),
            with.0,
            without.0,
        )
        .target(Target::RatioAtLeast(0.8)),
        figure("  in the last fifth of that time", with.1, without.1),
    ])
}

/// Publishes in batches as fast as they are delivered; returns deliveries per second, over all and at the end.
async fn delivered_in(seconds: u64, hold: bool) -> Result<(f64, f64)> {
    let receiver = Receiver::start_with(Recording::Count)?;
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "xmin").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, 100, &receiver.url("/")).await?;
    let _sidecar = stage::sidecar(&database).await?;
    let holder = database.connect().await?;
    if hold {
        holder
            .batch_execute(
                "begin isolation level repeatable read; select count(*) from webhooks.event_types",
            )
            .await?;
    }
    let started = Instant::now();
    let whole = Duration::from_secs(seconds);
    let mut published = 0;
    let mut at_four_fifths = None;
    while started.elapsed() < whole {
        if started.elapsed() > whole * 4 / 5 {
            at_four_fifths.get_or_insert((receiver.count(), Instant::now()));
        }
        // About 2,000 outstanding: enough to keep the sidecar busy, too few for a backlog to matter.
        if published < receiver.count() + 2_000 {
            stage::publish(&client, 1_000, 100).await?;
            published += 1_000;
        } else {
            receiver.wait_for(published - 1_999).await?;
        }
    }
    let (count, end) = (receiver.count(), Instant::now());
    let (late_count, late_start) = at_four_fifths.unwrap_or((0, started));
    let rate = |n: u64, from: Instant| n as f64 / end.duration_since(from).as_secs_f64();
    Ok((rate(count, started), rate(count - late_count, late_start)))
}
