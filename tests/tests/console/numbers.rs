use serde_json::{Value, json};
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::{Scene, parse, problem};

#[tokio::test]
async fn numbers_are_those_of_the_tenant() {
    let scene = Scene::set("api_numbers").await;
    let receiver = Receiver::start().unwrap();
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    receiver.on("/hook", Reply::ok());
    let id = client.subscribe("a", &receiver.url("/hook")).await;
    for _ in 0..2 {
        let event = scene.db.publish(tenant, "job.created", json!({}));
        let event = event.await.unwrap();
        scene.db.wait_delivery(event, "delivered").await.unwrap();
    }
    let read = async |path: &str| {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        parse(&answer)
    };
    let deliveries = read("/api/metrics/deliveries?days=1").await;
    assert_eq!(deliveries["total_deliveries"], 2);
    assert_eq!(deliveries["success_rate"], 100.0);
    let events = read("/api/metrics/events?bucket=1%20hour&since=yesterday").await;
    let count = |events: &Value| -> i64 {
        let buckets = events.as_array().unwrap().iter();
        buckets
            .map(|bucket| bucket["events"].as_i64().unwrap())
            .sum()
    };
    assert_eq!(count(&events), 2, "{events}");
    let latency = read("/api/metrics/latency").await;
    assert!(latency[0]["receipt_p95_ms"].is_number(), "{latency}");
    let endpoints = read("/api/metrics/endpoints").await;
    assert_eq!(endpoints[0]["subscription_id"], id);
    assert_eq!(endpoints[0]["state"], "healthy");
    let usage = read("/api/usage").await;
    assert_eq!(
        usage[0],
        json!({"name": "subscriptions", "used": 1, "maximum": null, "is_own": false})
    );

    let other = scene.manager(scene.db.tenant()).await;
    let none = parse(&other.get("/api/metrics/deliveries").await);
    assert_eq!(none["total_deliveries"], 0);
    for path in ["events", "latency", "endpoints"] {
        let none = other.get(&format!("/api/metrics/{path}")).await;
        assert_eq!(none.body, "[]");
    }
    for path in [
        "deliveries?days=0",
        "deliveries?days=x",
        "events?bucket=1%20minute",
        "events?since=then",
        "latency?bucket=x",
        "latency?from=now",
    ] {
        let refused = client.get(&format!("/api/metrics/{path}")).await;
        assert_eq!(problem(&refused).0, 400, "{path}: {refused:?}");
    }
}
