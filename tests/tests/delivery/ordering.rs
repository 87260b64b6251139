use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde_json::json;
use webhooks_tests::receiver::{Receiver, Reply, Request};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::{Endpoint, Scene};

const END: Duration = Duration::from_secs(30);

/// Publishes events with these keys, in one transaction; the data is `{"n": 0}` and so on.
async fn publish(
    scene: &Scene,
    endpoint: &Endpoint,
    keys: impl IntoIterator<Item = Option<String>>,
) {
    let mut client = scene.db.connect().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    for (n, key) in keys.into_iter().enumerate() {
        let call = "select webhooks.publish_event($1, 'job.created', event_data => jsonb_build_object('n', $2::integer), ordering_key => $3)";
        let n = i32::try_from(n).unwrap();
        transaction
            .execute(call, &[&endpoint.tenant, &n, &key])
            .await
            .unwrap();
    }
    transaction.commit().await.unwrap();
}

fn number(request: &Request) -> u64 {
    request.json()["data"]["n"].as_u64().unwrap()
}

/// The order in which each key's events (key: n modulo `keys`) arrived first.
fn first_receipts(receiver: &Receiver, keys: u64) -> HashMap<u64, Vec<u64>> {
    let mut order: HashMap<u64, Vec<u64>> = HashMap::new();
    for request in receiver.requests() {
        let n = number(&request);
        let lane = order.entry(n % keys).or_default();
        if !lane.contains(&n) {
            lane.push(n);
        }
    }
    order
}

#[tokio::test]
async fn one_at_a_time_in_the_order_of_publication() {
    let scene = Scene::set("fifo").await;
    let reply = Reply::ok().after(Duration::from_millis(5));
    let endpoint = scene
        .endpoint("/hook", reply, json!({"ordering": "fifo"}))
        .await;
    publish(&scene, &endpoint, (0..200).map(|_| None)).await;
    scene.receiver.wait_for_within(200, END).await.unwrap();
    let arrived: Vec<u64> = scene.receiver.requests().iter().map(number).collect();
    assert_eq!(arrived, Vec::from_iter(0..200));
    assert_eq!(scene.receiver.peak_in_flight("/hook"), 1);
}

/// More keys than one claim looks at, each with a few events.
#[tokio::test]
async fn a_thousand_keys_are_all_delivered_in_their_order() {
    let scene = Scene::set("fifo_many_keys").await;
    let columns = json!({"ordering": "fifo"});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    publish(
        &scene,
        &endpoint,
        (0..3_000).map(|n| Some(format!("key {}", n % 1_000))),
    )
    .await;
    scene.db.wait_drained(END).await.unwrap();
    let expected: HashMap<u64, Vec<u64>> = (0..1_000)
        .map(|key| (key, vec![key, key + 1_000, key + 2_000]))
        .collect();
    assert_eq!(first_receipts(&scene.receiver, 1_000), expected);
    assert_eq!(scene.receiver.count(), 3_000);
    let failed =
        "select count(*) from webhooks.delivery_attempts where delivery_status <> 'delivered'";
    let failed = scene.db.value(failed).await.unwrap();
    assert_eq!(failed.as_deref(), Some("0"));
}

/// Every third request fails: its key waits for it, and no other.
#[tokio::test]
async fn a_retrying_head_blocks_its_key_alone() {
    let scene = Scene::set("fifo_keys").await;
    let columns = json!({"ordering": "fifo", "retry_count": 100, "breaker_failure_threshold": 0});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    let replies = (0..600).map(|n| match n % 3 {
        2 => Reply::status(503),
        _ => Reply::ok(),
    });
    scene.receiver.on_sequence("/hook", replies);
    publish(
        &scene,
        &endpoint,
        (0..200).map(|n| Some(format!("key {}", n % 10))),
    )
    .await;
    scene.db.wait_drained(END).await.unwrap();
    let expected: HashMap<u64, Vec<u64>> = (0..10)
        .map(|key| (key, (0..20).map(|n| n * 10 + key).collect()))
        .collect();
    assert_eq!(first_receipts(&scene.receiver, 10), expected);

    // A head that is not due for an hour: its key waits, the others go.
    let slow = json!({"ordering": "fifo", "retry_delay_seconds": 3600});
    let endpoint = scene.endpoint("/slow", Reply::ok(), slow).await;
    scene
        .receiver
        .on_sequence("/slow", [Reply::status(503), Reply::ok()]);
    let before = scene.receiver.count();
    publish(&scene, &endpoint, [Some("k".to_owned())]).await;
    scene.receiver.wait_for(before + 1).await.unwrap();
    let keys = ["k", "k", "l", "l", "m"].map(|key| Some(key.to_owned()));
    publish(&scene, &endpoint, keys).await;
    let delivered = format!(
        "select count(*) from webhooks.delivery_attempts where subscription_id = '{}' and delivery_status = 'delivered'",
        endpoint.subscription
    );
    scene.db.wait_value(&delivered, "3").await.unwrap();
    scene
        .db
        .wait_value("select count(*) from webhooks.delivery_queue", "3")
        .await
        .unwrap();
}

/// The order outlives the sidecar: what a new owner sees first is the head.
#[tokio::test]
async fn a_crash_keeps_the_order() {
    let mut scene = Scene::set("fifo_crash").await;
    let reply = Reply::ok().after(Duration::from_millis(3));
    let columns = json!({"ordering": "fifo", "max_in_flight": 4});
    let endpoint = scene.endpoint("/hook", reply, columns).await;
    publish(
        &scene,
        &endpoint,
        (0..400).map(|n| Some(format!("key {}", n % 4))),
    )
    .await;
    for part in 1..=3 {
        scene
            .receiver
            .wait_for_within(part * 90, END)
            .await
            .unwrap();
        scene.sidecar.kill9().unwrap();
        scene.sidecar = Sidecar::start(&scene.db).await.unwrap();
    }
    scene.db.wait_drained(END).await.unwrap();
    let expected: HashMap<u64, Vec<u64>> = (0..4)
        .map(|key| (key, (0..100).map(|n| n * 4 + key).collect()))
        .collect();
    assert_eq!(first_receipts(&scene.receiver, 4), expected);
}

/// Sessions that take turns, each publishing when the one before has committed.
#[tokio::test]
async fn publishers_that_wait_for_each_other_keep_their_order() {
    let scene = Scene::set("fifo_sessions").await;
    let columns = json!({"ordering": "fifo"});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    let clients = try_join_all((0..4).map(|_| scene.db.connect()))
        .await
        .unwrap();
    for n in 0..200_i32 {
        let call = "select webhooks.publish_event($1, 'job.created', event_data => jsonb_build_object('n', $2::integer))";
        clients[n as usize % 4]
            .execute(call, &[&endpoint.tenant, &n])
            .await
            .unwrap();
    }
    scene.receiver.wait_for_within(200, END).await.unwrap();
    let arrived: Vec<u64> = scene.receiver.requests().iter().map(number).collect();
    assert_eq!(arrived, Vec::from_iter(0..200));
}
