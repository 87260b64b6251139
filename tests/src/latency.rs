//! Latency of deliveries: events published at a steady rate, each from its commit to its receipt.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;
use uuid::Uuid;

use crate::database::Database;
use crate::receiver::Receiver;

/// Most transactions per second that one session is asked for.
const RATE_OF_A_SESSION: u32 = 100;
const PUBLISH: &str = "select webhooks.publish_event(
    tenant_id => $1, event_type => 'document.processed', event_data => $2::text::jsonb)";

/// A steady rate of events, one a transaction, to subscriptions of one receiver that records arrivals.
#[derive(Debug)]
pub struct Steady<'a> {
    /// Where they are published.
    pub database: &'a Database,
    /// Where they arrive: each once.
    pub receiver: &'a Receiver,
    /// The tenants of the events, in turn. Each has one subscription.
    pub tenants: &'a [Uuid],
    /// Events per second.
    pub rate: u32,
    /// `event_data` of each.
    pub data: Value,
}

impl Steady<'_> {
    /// Publishes for that many seconds, and waits for the last receipt.
    ///
    /// # Errors
    /// When an event cannot be published; when not all have arrived within [`PATIENCE`](crate::PATIENCE).
    pub async fn run(&self, seconds: u32) -> Result<Latencies> {
        let total = u64::from(self.rate) * u64::from(seconds);
        let sessions = self.rate.div_ceil(RATE_OF_A_SESSION).max(1);
        let arrived_before = self.receiver.count();
        let data = self.data.to_string();
        let begin = Instant::now() + Duration::from_millis(50);
        let mut publishers = Vec::new();
        for session in 0..sessions {
            let client = self.database.connect().await?;
            let publish = client.prepare(PUBLISH).await?;
            let (rate, tenants, data) = (self.rate, self.tenants.to_vec(), data.clone());
            publishers.push(tokio::spawn(async move {
                let mut committed: Vec<(Uuid, Instant)> = Vec::new();
                let turns = (u64::from(session)..total).step_by(sessions as usize);
                for (n, tenant) in turns.zip(tenants.iter().cycle().skip(session as usize)) {
                    let due = begin + Duration::from_secs_f64(n as f64 / f64::from(rate));
                    tokio::time::sleep_until(due.into()).await;
                    let row = client.query_one(&publish, &[tenant, &data]).await?;
                    committed.push((row.get(0), Instant::now()));
                }
                Ok::<_, tokio_postgres::Error>(committed)
            }));
        }
        let mut committed = HashMap::new();
        for publisher in publishers {
            committed.extend(publisher.await?.context("publishing at a steady rate")?);
        }
        let arrived = self.receiver.wait_for(arrived_before + total).await;
        arrived.context("not everything arrived")?;
        // Once in a while the request is faster than the acknowledgement: no latency.
        let latencies = self.receiver.arrivals().into_iter().filter_map(|arrival| {
            let commit = committed.get(&arrival.event_id)?;
            let latency = arrival.at.saturating_duration_since(*commit);
            let second = commit.saturating_duration_since(begin).as_secs();
            Some((second, latency.as_secs_f64() * 1000.0))
        });
        Ok(Latencies::new(latencies))
    }
}

/// Latencies in milliseconds.
#[derive(Debug)]
pub struct Latencies {
    all: Vec<f64>,
    /// Those of the events of each second.
    seconds: Vec<Vec<f64>>,
}

impl Latencies {
    /// Of events in these seconds.
    fn new(latencies: impl Iterator<Item = (u64, f64)>) -> Self {
        let mut seconds: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
        for (second, milliseconds) in latencies {
            seconds.entry(second).or_default().push(milliseconds);
        }
        let seconds: Vec<_> = seconds.into_values().map(sorted).collect();
        Self {
            all: sorted(seconds.concat()),
            seconds,
        }
    }

    /// The latency, in milliseconds, that this part of the events (0.99, say) did not exceed. NaN if there was none.
    #[must_use]
    pub fn quantile(&self, part: f64) -> f64 {
        quantile(&self.all, part)
    }

    /// The median of the seconds' quantiles: seconds in which the machine was busy with something else count little.
    #[must_use]
    pub fn typical(&self, part: f64) -> f64 {
        let quantiles = self.seconds.iter().map(|second| quantile(second, part));
        quantile(&sorted(quantiles.collect()), 0.5)
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = (sorted.len() as f64 * part) as usize;
    let last = sorted.len().saturating_sub(1);
    sorted.get(place.min(last)).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_sorted_values() {
        let latencies = Latencies::new((1..=200).rev().map(|n| (0, f64::from(n))));
        assert_eq!(latencies.quantile(0.5), 101.0);
        assert_eq!(latencies.quantile(0.99), 199.0);
        assert_eq!(latencies.quantile(1.0), 200.0);
        assert!(Latencies::new(std::iter::empty()).quantile(0.5).is_nan());
    }

    #[test]
    fn a_slow_second_is_not_typical() {
        let slow = (0..100).map(|_| (1, 1000.0));
        let latencies = Latencies::new([(0, 2.0), (2, 3.0)].into_iter().chain(slow));
        assert_eq!(latencies.typical(0.9), 3.0);
        assert_eq!(latencies.quantile(0.9), 1000.0);
    }
}
