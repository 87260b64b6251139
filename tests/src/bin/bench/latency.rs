//! Latency: from the commit's acknowledgement to the receipt of the whole request.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use uuid::Uuid;
use webhooks_tests::database::Database;
use webhooks_tests::receiver::{Receiver, Recording};

use crate::figure::{Figure, Target, quantile};
use crate::{Size, publish, stage};

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let receiver = Receiver::start_with(Recording::Arrivals)?;
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "latency").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, 100, &receiver.url("/")).await?;
    let _sidecar = stage::sidecar(&database).await?;
    // Connections, caches.
    at_rate(&database, &receiver, 50, 2).await?;

    let mut figures = Vec::new();
    for (rate, seconds, p50_most, p99_most) in [
        (1, size.pick(10, 60), Some(3.0), 10.0),
        (50, size.pick(8, 60), Some(3.0), 10.0),
        (200, size.pick(8, 60), Some(3.0), 10.0),
        (1000, size.pick(8, 60), None, 25.0),
    ] {
        let mut latencies = at_rate(&database, &receiver, rate, seconds).await?;
        let p50 = Figure::new(
            format!("commit to receipt at {rate}/s, p50"),
            quantile(&mut latencies, 0.50),
            "ms",
        );
        figures.push(match p50_most {
            Some(most) => p50.target(Target::AtMost(most)),
            None => p50,
        });
        figures.push(
            Figure::new(
                format!("commit to receipt at {rate}/s, p99"),
                quantile(&mut latencies, 0.99),
                "ms",
            )
            .target(Target::AtMost(p99_most)),
        );
    }
    Ok(figures)
}

/// Publishes at a steady rate from enough sessions; returns the latencies in milliseconds.
async fn at_rate(
    database: &Database,
    receiver: &Receiver,
    rate: u32,
    seconds: u32,
) -> Result<Vec<f64>> {
    let total = u64::from(rate) * u64::from(seconds);
    let sessions = rate.div_ceil(100).max(1);
    let arrived_before = receiver.count();
    let begin = Instant::now() + Duration::from_millis(50);
    let mut publishers = Vec::new();
    for session in 0..sessions {
        let client = database.connect().await?;
        let statement = client
            .prepare(publish::publish_event(1 + session).trim_end_matches(';'))
            .await?;
        publishers.push(tokio::spawn(async move {
            let mut committed: Vec<(Uuid, Instant)> = Vec::new();
            for n in (u64::from(session)..total).step_by(sessions as usize) {
                let due = begin + Duration::from_secs_f64(n as f64 / f64::from(rate));
                tokio::time::sleep_until(due.into()).await;
                let row = client.query_one(&statement, &[]).await?;
                committed.push((row.get(0), Instant::now()));
            }
            Ok::<_, tokio_postgres::Error>(committed)
        }));
    }
    let mut committed = HashMap::new();
    for publisher in publishers {
        committed.extend(publisher.await??);
    }
    receiver
        .wait_for(arrived_before + total)
        .await
        .context("not everything arrived")?;
    // Once the request may be faster than the acknowledgement: no latency.
    let latencies = receiver.arrivals().into_iter().filter_map(|arrival| {
        let commit = committed.get(&arrival.event_id)?;
        Some(arrival.at.saturating_duration_since(*commit).as_secs_f64() * 1000.0)
    });
    Ok(latencies.collect())
}
