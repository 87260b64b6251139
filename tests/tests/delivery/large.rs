//! Large events: memory is bounded, and nobody pays for another's size.

use std::time::Duration;

use serde_json::json;
use webhooks_tests::database::Database;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::{Scene, subscribe};

fn megabytes(n: f64) -> serde_json::Value {
    // Digits of a counter: PostgreSQL's compression must not make it small.
    let mut state = 1_u64;
    let text: String = std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        char::from(b'a' + (state >> 59) as u8 % 26)
    })
    .take((n * 1e6) as usize)
    .collect();
    json!({ "text": text })
}

/// One claim does not bring all of this, and the subscriptions are loaded beside it.
#[tokio::test]
async fn more_than_fits_into_one_claim_is_delivered() {
    let db = Database::fresh("large").await.unwrap();
    let receiver = Receiver::start().unwrap();
    let large = subscribe(&db, &receiver.url("/large"), json!({})).await;
    let small = subscribe(&db, &receiver.url("/small"), json!({})).await;
    for _ in 0..30 {
        let published = db.publish(large.tenant, "document.uploaded", megabytes(0.9));
        published.await.unwrap();
    }
    db.publish(small.tenant, "document.uploaded", json!({}))
        .await
        .unwrap();
    let _sidecar = Sidecar::start(&db).await.unwrap();
    receiver.wait_for(31).await.unwrap();
    db.wait_drained(Duration::from_secs(15)).await.unwrap();
    assert_eq!(receiver.count(), 31);
}

/// Twenty requests of one large event hang; it is in memory once, and others are claimed and sent as ever.
#[tokio::test]
async fn large_bodies_that_hang_delay_nobody_else() {
    let scene = Scene::set("large_hang").await;
    let hangs = scene
        .endpoint("/hang", Reply::hang(), json!({"timeout_seconds": 60}))
        .await;
    for n in 1..20 {
        scene
            .db
            .subscribe(json!({
                "tenant_id": hangs.tenant, "name": n.to_string(),
                "webhook_url": scene.receiver.url("/hang"), "timeout_seconds": 60,
            }))
            .await
            .unwrap();
    }
    scene.publish_data(&hangs, megabytes(1.0)).await;
    scene.publish_data(&hangs, megabytes(1.0)).await;
    scene.receiver.wait_for(40).await.unwrap();
    let healthy = scene.endpoint("/healthy", Reply::ok(), json!({})).await;
    let event = scene.publish(&healthy).await;
    scene.wait(event, "delivered").await;
}
