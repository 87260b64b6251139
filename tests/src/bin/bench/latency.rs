//! Latency: from the commit's acknowledgement to the receipt of the whole request.

use anyhow::Result;
use webhooks_tests::latency::Steady;
use webhooks_tests::receiver::{Receiver, Recording};

use crate::figure::{Figure, Target};
use crate::{Size, stage};

pub async fn run(size: Size) -> Result<Vec<Figure>> {
    let receiver = Receiver::start_with(Recording::Arrivals)?;
    let cluster = stage::cluster().await?;
    let database = stage::database(&cluster, "latency").await?;
    let client = database.connect().await?;
    stage::subscribe(&client, 100, &receiver.url("/")).await?;
    let _sidecar = stage::sidecar(&database).await?;
    let tenants = stage::tenants(1..=100);
    let steady = |rate| Steady {
        database: &database,
        receiver: &receiver,
        tenants: &tenants,
        rate,
        data: stage::data(),
    };
    // Connections, caches.
    steady(50).run(2).await?;

    let mut figures = Vec::new();
    for (rate, seconds, p50_most, p99_most) in [
        (1, size.pick(10, 60), Some(3.0), 10.0),
        (50, size.pick(8, 60), Some(3.0), 10.0),
        (200, size.pick(8, 60), Some(3.0), 10.0),
        (1000, size.pick(8, 60), None, 25.0),
    ] {
        let latencies = steady(rate).run(seconds).await?;
        let p50 = Figure::new(
            format!("commit to receipt at {rate}/s, p50"),
            latencies.quantile(0.50),
            "ms",
        );
        figures.push(match p50_most {
            Some(most) => p50.target(Target::AtMost(most)),
            None => p50,
        });
        figures.push(
            Figure::new(
                format!("commit to receipt at {rate}/s, p99"),
                latencies.quantile(0.99),
                "ms",
            )
            .target(Target::AtMost(p99_most)),
        );
    }
    Ok(figures)
}
