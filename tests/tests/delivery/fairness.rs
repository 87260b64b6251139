use std::time::Duration;

use serde_json::json;
use webhooks_tests::receiver::Reply;

use crate::scene::Scene;

/// Four receivers that may hang 500 times each would take all the sidecar's room, if they were let.
#[tokio::test]
async fn receivers_that_hang_delay_nobody_else() {
    let scene = Scene::set("fairness").await;
    let hanging: Vec<_> = (0..4).map(|n| format!("/hang/{n}")).collect();
    for path in &hanging {
        let columns = json!({"max_in_flight": 500, "timeout_seconds": 300});
        let endpoint = scene.endpoint(path, Reply::hang(), columns).await;
        let published = scene.db.publish_many(endpoint.tenant, "job.created", 500);
        published.await.unwrap();
    }
    let hung = || -> usize {
        hanging
            .iter()
            .map(|path| scene.receiver.in_flight(path))
            .sum()
    };
    scene.receiver.wait_for(100).await.unwrap();

    let endpoint = scene.endpoint("/good", Reply::ok(), json!({})).await;
    let events = scene
        .db
        .publish_many(endpoint.tenant, "job.created", 300)
        .await
        .unwrap();
    let good = |requests: &[webhooks_tests::receiver::Request]| {
        requests
            .iter()
            .filter(|request| request.path == "/good")
            .count()
            == events.len()
    };
    scene
        .receiver
        .wait_until(Duration::from_secs(30), good)
        .await
        .unwrap();
    assert!(hung() >= 100, "{} hang: no test", hung());
    assert!(
        hung() <= 256,
        "{} requests at once, over --concurrency",
        hung()
    );
    let recorded =
        "select count(*) from webhooks.delivery_attempts where delivery_status = 'delivered'";
    scene.db.wait_value(recorded, "300").await.unwrap();
}
