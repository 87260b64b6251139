use serde_json::json;
use std::time::Duration;
use webhooks_tests::database::Database;
use webhooks_tests::latency::Steady;
use webhooks_tests::receiver::{Receiver, Recording, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::ALONE;

/// Dead rows in the queue's index that an open transaction keeps: a scan of them takes tenths of a second.
const DEAD: u32 = 600_000;
/// The time that three of four deliveries may take, on a busy machine; the others came during a scan. If each delivery
/// waited for a scan of the dead rows, nearly all would take tenths of a second.
const GOOD_MS: f64 = 60.0;

#[tokio::test]
async fn dead_rows_that_a_transaction_keeps_do_not_slow_deliveries_down() {
    let _alone = ALONE.lock().await;
    let db = Database::fresh("held_xmin").await.unwrap();
    let receiver = Receiver::start_with(Recording::Arrivals).unwrap();
    let others = Receiver::start().unwrap();
    let subscribe = async |path: &str, ordering: &str, events: &str| {
        let tenant = db.tenant();
        let columns = json!({
            "tenant_id": tenant, "webhook_url": others.url(path), "ordering": ordering,
            "subscribed_events": [events], "retry_delay_seconds": 1,
        });
        db.subscribe(columns).await.unwrap();
        tenant
    };
    let columns = json!({"tenant_id": db.tenant(), "webhook_url": receiver.url("/"), "id": "00000000-0000-7000-8000-0000000000f0"});
    let tenant = columns["tenant_id"].as_str().unwrap().parse().unwrap();
    db.subscribe(columns).await.unwrap();

    let holder = db.connect().await.unwrap();
    holder
        .batch_execute(
            "begin isolation level repeatable read; select 1 from webhooks.delivery_queue",
        )
        .await
        .unwrap();
    // Of two subscriptions, one on either side of all others on its shard; and one that is to have a lane.
    db.execute(&format!(
        "insert into webhooks.delivery_queue (subscription_id, event_log_id, tenant_id, shard)
         select (array['00000000-0000-7000-8000-0000000000f0', 'ffffffff-0000-7000-8000-0000000000f0'])[1 + n % 2]::uuid, u, u, 0
         from (select n, webhooks.uuid_v7() u from generate_series(1, {DEAD}) n) t;
         delete from webhooks.delivery_queue"
    ))
    .await
    .unwrap();
    let sidecar = Sidecar::start(&db).await.unwrap();
    let steady = Steady {
        database: &db,
        receiver: &receiver,
        tenants: &[tenant],
        rate: 50,
        data: json!({"pages": 12}),
    };
    // Connections, caches.
    steady.run(1).await.unwrap();
    sidecar
        .wait_log(Duration::from_secs(30), |line| {
            line.message().starts_with("slow queue scan")
        })
        .await
        .unwrap();

    let latencies = steady.run(8).await.unwrap();
    let p75 = latencies.quantile(0.75);
    eprintln!("p75 {p75:.1} ms beside {DEAD} dead rows");

    // While that goes on: a retry, an order, and an event that commits after later ones were delivered.
    others.on_sequence("/retried", [Reply::status(503), Reply::ok()]);
    let retried = subscribe("/retried", "none", "*").await;
    let ordered = subscribe("/ordered", "fifo", "*").await;
    let late = db.connect().await.unwrap();
    late.batch_execute(&format!(
        "begin; select webhooks.publish_event('{tenant}', 'document.processed', request_id => 'late')"
    ))
    .await
    .unwrap();
    let (running, published) = tokio::join!(steady.run(5), async {
        db.publish_many(retried, "job.created", 1).await?;
        db.publish_many(ordered, "job.created", 50).await
    });
    running.unwrap();
    published.unwrap();
    late.batch_execute("commit").await.unwrap();
    db.wait_drained(Duration::from_secs(60)).await.unwrap();
    let delivered =
        "select count(*) from webhooks.delivery_attempts where delivery_status = 'delivered'";
    let events = "select count(*) from webhooks.event_logs";
    let events = db.value(events).await.unwrap().unwrap();
    db.wait_value(delivered, &events).await.unwrap();
    assert_eq!(others.requests_to("/retried").len(), 2);
    let order: Vec<i64> = others
        .requests_to("/ordered")
        .iter()
        .map(|request| request.json()["data"]["n"].as_i64().unwrap())
        .collect();
    assert_eq!(order, (1..=50).collect::<Vec<i64>>());
    assert!(p75 <= GOOD_MS, "p75 is {p75:.1} ms");
}
