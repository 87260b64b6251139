//! Deliveries made again by hand, from the call to the receiver. The backstop poll is out of reach: they go because the call
//! rang the bell.

use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::receiver::Reply;
use webhooks_tests::sidecar::Options;

use crate::scene::{Endpoint, Scene, text};

async fn set(name: &str) -> Scene {
    Scene::set_with(name, Options::default().arg("--poll-interval=300")).await
}

async fn call(scene: &Scene, call: &str) -> String {
    let query = format!("select webhooks.{call}");
    scene.db.value(&query).await.unwrap().unwrap()
}

/// Waits for the status of a delivery.
async fn wait(scene: &Scene, delivery: &str, status: &str) {
    let query = format!(
        "select delivery_status from webhooks.webhook_delivery_logs where id = '{delivery}'"
    );
    scene.db.wait_value(&query, status).await.unwrap();
}

async fn replay(scene: &Scene, endpoint: &Endpoint) -> Value {
    let replay = format!(
        "select * from webhooks.replay_events('{}', '-infinity', 'infinity', subscription_id => '{}')",
        endpoint.tenant, endpoint.subscription
    );
    scene.db.rows(&replay).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_retried_delivery_arrives_as_a_new_one_of_the_same_event() {
    let scene = set("retry").await;
    let columns =
        json!({"retry_count": 0, "auth_type": "api_key", "auth_config": {"api_key": "k"}});
    let (old, attempts) = scene
        .play("/hook", Reply::status(500), columns, "failed")
        .await;
    scene.receiver.on("/hook", Reply::ok());
    let new = call(&scene, &format!("retry_delivery('{}')", text(&old["id"]))).await;
    wait(&scene, &new, "delivered").await;
    let requests = scene.receiver.requests();
    let [first, second] = &requests[..] else {
        panic!("{} requests", requests.len());
    };
    // The receiver knows the event by its id, and the delivery by its own.
    assert_eq!(second.event_id(), first.event_id());
    assert_eq!(second.body, first.body);
    assert_eq!(first.delivery_id().unwrap().to_string(), text(&old["id"]));
    assert_eq!(second.delivery_id().unwrap().to_string(), new);
    assert_eq!(second.attempt(), Some(1));
    assert_eq!(second.header("authorization"), Some("Bearer k"));
    // The log stays, and the new delivery is linked to it.
    let link = format!("select repeats from webhooks.redeliveries where delivery_id = '{new}'");
    let link = scene.db.value(&link).await.unwrap();
    assert_eq!(link.as_deref(), Some(text(&old["id"])));
    let event = first.event_id().unwrap();
    let all = scene.db.attempts(event).await.unwrap();
    assert_eq!(all[..1], attempts);
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn one_that_waits_for_its_retry_is_made_at_once() {
    let scene = set("hasten").await;
    let columns = json!({"retry_delay_seconds": 3600});
    let (delivery, _) = scene
        .play("/hook", Reply::status(503), columns, "retrying")
        .await;
    scene.receiver.on("/hook", Reply::ok());
    let id = text(&delivery["id"]);
    assert_eq!(call(&scene, &format!("retry_delivery('{id}')")).await, id);
    wait(&scene, id, "delivered").await;
    let attempts: Vec<_> = scene
        .receiver
        .requests()
        .iter()
        .map(|r| r.attempt())
        .collect();
    assert_eq!(attempts, [Some(1), Some(2)]);
}

/// The sidecar hears of a retry while it does not know yet that the attempt before is recorded.
#[tokio::test]
async fn one_that_is_retried_before_its_result_is_known_is_made() {
    let options = Options::default()
        .arg("--poll-interval=300")
        .env("WEBHOOKS_FAILPOINTS", "after_record=delay:1500");
    let scene = Scene::set_with("early", options).await;
    let columns = json!({"retry_delay_seconds": 3600});
    let (delivery, _) = scene
        .play("/hook", Reply::status(500), columns, "retrying")
        .await;
    scene.receiver.on("/hook", Reply::ok());
    let id = text(&delivery["id"]);
    call(&scene, &format!("retry_delivery('{id}')")).await;
    wait(&scene, id, "delivered").await;
    assert_eq!(scene.receiver.count(), 2);
}

/// After an outage: what failed comes again, in its order, once.
#[tokio::test]
async fn failed_deliveries_are_made_again_in_order() {
    let scene = set("retry_failed").await;
    let columns = json!({"ordering": "fifo", "retry_count": 0, "breaker_failure_threshold": 0});
    let endpoint = scene.endpoint("/hook", Reply::status(500), columns).await;
    let events = scene.db.publish_many(endpoint.tenant, "job.created", 30);
    let events = events.await.unwrap();
    let failed =
        "select count(*) from webhooks.webhook_delivery_logs where delivery_status = 'failed'";
    scene.db.wait_value(failed, "30").await.unwrap();
    scene.receiver.on("/hook", Reply::ok());
    let retry = format!("retry_failed('{}')", endpoint.subscription);
    assert_eq!(call(&scene, &retry).await, "30");
    let requests = scene.receiver.wait_for(60).await.unwrap();
    let again: Vec<Uuid> = requests[30..].iter().filter_map(|r| r.event_id()).collect();
    assert_eq!(again, events);
    let delivered = failed.replace("'failed'", "'delivered'");
    scene.db.wait_value(&delivered, "30").await.unwrap();
    assert_eq!(call(&scene, &retry).await, "0");
    assert_eq!(scene.receiver.count(), 60);
}

/// A subscription made later gets what was published before, in its order.
#[tokio::test]
async fn a_late_subscriber_catches_up() {
    let scene = set("replay").await;
    let early = scene.endpoint("/early", Reply::ok(), json!({})).await;
    let events = scene.db.publish_many(early.tenant, "job.created", 30);
    let events = events.await.unwrap();
    scene.receiver.wait_for(30).await.unwrap();
    let columns = json!({"tenant_id": early.tenant, "ordering": "fifo"});
    let late = Endpoint {
        tenant: early.tenant,
        ..scene.endpoint("/late", Reply::ok(), columns).await
    };
    let found = replay(&scene, &late).await;
    assert_eq!(
        (&found["events"], &found["deliveries"]),
        (&json!(30), &json!(30))
    );
    let all =
        "select count(*) from webhooks.webhook_delivery_logs where delivery_status = 'delivered'";
    scene.db.wait_value(all, "60").await.unwrap();
    let received = scene.receiver.requests_to("/late");
    let received: Vec<Uuid> = received.iter().filter_map(|r| r.event_id()).collect();
    assert_eq!(received, events);
    assert_eq!(scene.receiver.requests_to("/early").len(), 30);
}

/// A request under way ends by itself; nothing follows it.
#[tokio::test]
async fn a_cancelled_delivery_is_not_sent() {
    let scene = set("cancel").await;
    let columns = json!({"max_in_flight": 1, "timeout_seconds": 8});
    let endpoint = scene.endpoint("/hook", Reply::hang(), columns).await;
    scene
        .db
        .publish_many(endpoint.tenant, "job.created", 10)
        .await
        .unwrap();
    scene.receiver.wait_for(1).await.unwrap();
    let cancel = format!("cancel_deliveries('{}')", endpoint.subscription);
    assert_eq!(call(&scene, &cancel).await, "10");
    scene
        .sidecar
        .wait_log(webhooks_tests::PATIENCE, |line| {
            line.message().starts_with("late result")
        })
        .await
        .unwrap();
    // The subscription goes on.
    scene.receiver.on("/hook", Reply::ok());
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "delivered").await;
    let requests = scene.receiver.requests_to("/hook");
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].event_id(), Some(event));
    let cancelled =
        "select count(*) from webhooks.webhook_delivery_logs where delivery_status = 'cancelled'";
    scene.db.wait_value(cancelled, "10").await.unwrap();
}
