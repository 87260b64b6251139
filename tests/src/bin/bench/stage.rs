//! The stage of the benchmarks: a cluster with PostgreSQL's default durability, subscriptions, events of 1 KB.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;
use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::Database;
use webhooks_tests::receiver::Receiver;
use webhooks_tests::sidecar::{self, Sidecar};

/// A new cluster. Durability is PostgreSQL's default; memory is what a small server has.
pub async fn cluster() -> Result<Arc<Cluster>> {
    let options = Options::default()
        .without_template()
        .set("shared_buffers", "512MB")
        .set("max_wal_size", "4GB")
        .set("max_connections", "100")
        .set("shared_preload_libraries", "pg_stat_statements");
    Cluster::start(options).await
}

/// A new database with the extension.
pub async fn database(cluster: &Arc<Cluster>, name: &str) -> Result<Database> {
    let database = Database::create(cluster, name).await?;
    database
        .execute("create extension pg_stat_statements")
        .await?;
    Ok(database)
}

/// Subscribes `n` tenants, one subscription each, to everything.
pub async fn subscribe(client: &Client, n: i32, url: &str) -> Result<()> {
    let insert = "
        insert into webhooks.webhook_subscriptions
            (tenant_id, name, webhook_url, auth_type, auth_config, subscribed_events)
        select tenant(n), 'tenant ' || n, $2, 'signature', '{\"secret\": \"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD\"}', '[\"*\"]'
        from generate_series(1, $1) n";
    client.batch_execute(TENANT).await?;
    client
        .execute(insert, &[&n, &url])
        .await
        .context("subscribing")?;
    Ok(())
}

/// The n-th tenant's id.
const TENANT: &str = "
    create or replace function tenant(n integer) returns uuid immutable parallel safe
    return ('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";

/// As [`TENANT`].
pub fn tenant(n: u32) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0000 + u128::from(n))
}

/// The ids of these tenants.
pub fn tenants(numbers: impl IntoIterator<Item = u32>) -> Vec<Uuid> {
    numbers.into_iter().map(tenant).collect()
}

/// As [`DATA`].
pub fn data() -> Value {
    json!({"title": "A document", "pages": 12, "text": "0123456789abcdef".repeat(58)})
}

/// About 1 KB of JSON.
pub const DATA: &str = "jsonb_build_object('title', 'A document', 'pages', 12, 'text', repeat('0123456789abcdef', 58))";

/// Publishes `n` events of 1 KB in one statement, spread over the tenants.
pub async fn publish(client: &Client, n: i32, tenants: i32) -> Result<()> {
    let insert = format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
         select tenant(1 + n % $2), 'document.processed', 'document', 'document.processed', {DATA}
         from generate_series(1, $1) n"
    );
    client
        .execute(&insert, &[&n, &tenants])
        .await
        .context("publishing")?;
    Ok(())
}

/// Starts a sidecar that logs little.
pub async fn sidecar(database: &Database) -> Result<Sidecar> {
    Sidecar::start_with(database, sidecar::Options::default().quiet()).await
}

/// Starts a sidecar on `n` queued deliveries; returns how many a second it makes, from the first until all are recorded.
pub async fn drain_rate(
    database: &Database,
    client: &Client,
    receiver: &Receiver,
    n: u64,
) -> Result<f64> {
    let before = receiver.count();
    // That it is ready is logged when it has begun already.
    let mut sidecar = Sidecar::spawn(database, sidecar::Options::default().quiet())?;
    receiver.wait_for(before + 1).await?;
    let (started, already) = (Instant::now(), receiver.count() - before);
    let end = drained(client, Duration::from_secs(300)).await?;
    let made = receiver.count() - before;
    anyhow::ensure!(made == n, "{made} requests instead of {n}");
    sidecar.sigterm()?;
    Ok((n - already) as f64 / end.duration_since(started).as_secs_f64())
}

/// Waits until nothing is queued; returns when that was seen.
pub async fn drained(client: &Client, timeout: Duration) -> Result<Instant> {
    let started = Instant::now();
    loop {
        let row = client
            .query_one("select exists (select from webhooks.delivery_queue)", &[])
            .await?;
        let now = Instant::now();
        if !row.get::<_, bool>(0) {
            return Ok(now);
        }
        anyhow::ensure!(
            started.elapsed() < timeout,
            "the queue is not empty after {} s",
            timeout.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
