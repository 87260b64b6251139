use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::receiver::Reply;

use crate::scene::{Endpoint, Scene, text};

/// Publishes with further arguments of `publish_event`.
async fn publish_with(scene: &Scene, endpoint: &Endpoint, arguments: &str) -> Uuid {
    let call = format!(
        "select webhooks.publish_event('{}', 'job.created', {arguments})",
        endpoint.tenant
    );
    scene
        .db
        .value(&call)
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap()
}

/// Waits for an end without a request: one attempt, without status, that says why.
async fn unsent(scene: &Scene, event: Uuid, status: &str, path: &str, why: &str) {
    let (delivery, attempts) = scene.wait(event, status).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(delivery["http_status_code"], Value::Null);
    assert!(text(&delivery["error_message"]).contains(why), "{delivery}");
    assert!(scene.receiver.requests_to(path).is_empty());
}

#[tokio::test]
async fn a_payload_over_the_limit_is_not_sent() {
    let scene = Scene::set("payload").await;
    let columns = json!({"max_payload_size_kb": 2, "retry_count": 5});
    let endpoint = scene.endpoint("/small", Reply::ok(), columns).await;
    // The whole body counts: fill it up to 2,048 bytes exactly, then one more.
    let small = scene.publish_data(&endpoint, json!({"x": ""})).await;
    let (delivery, _) = scene.wait(small, "delivered").await;
    let room = 2048 - usize::try_from(delivery["payload_size_bytes"].as_u64().unwrap()).unwrap();
    let fits = scene
        .publish_data(&endpoint, json!({"x": "y".repeat(room)}))
        .await;
    let (delivery, _) = scene.wait(fits, "delivered").await;
    assert_eq!(delivery["payload_size_bytes"], 2048);

    let columns = json!({"max_payload_size_kb": 2, "retry_count": 5});
    let endpoint = scene.endpoint("/none", Reply::ok(), columns).await;
    let large = scene
        .publish_data(&endpoint, json!({"x": "y".repeat(room + 1)}))
        .await;
    let why =
        "payload of 2049 bytes is larger than the subscription's max_payload_size_kb (2048 bytes)";
    unsent(&scene, large, "failed", "/none", why).await;

    // A megabyte and more is fine where it is allowed.
    let columns = json!({"max_payload_size_kb": 4096});
    let endpoint = scene.endpoint("/large", Reply::ok(), columns).await;
    let large = scene
        .publish_data(&endpoint, json!({"x": "y".repeat(3 << 20)}))
        .await;
    scene.wait(large, "delivered").await;
    assert!(scene.receiver.requests_to("/large")[0].body.len() > 3 << 20);
}

#[tokio::test]
async fn past_its_time_an_event_expires() {
    let scene = Scene::set("expiry").await;
    scene
        .db
        .execute("select webhooks.set_setting('max_delivery_age_seconds', 60)")
        .await
        .unwrap();
    let endpoint = scene.endpoint("/expired", Reply::ok(), json!({})).await;
    let expired = publish_with(&scene, &endpoint, "expires_at => now() - interval '1 ms'").await;
    unsent(&scene, expired, "expired", "/expired", "expires_at").await;

    // Old is what has waited long.
    let endpoint = scene.endpoint("/old", Reply::ok(), json!({})).await;
    let subscription = endpoint.subscription;
    let wait = format!(
        "begin; select webhooks.publish_event('{}', 'job.created');
         update webhooks.delivery_queue set id = overlay(id::text placing left(webhooks.uuid_v7_floor(now() - interval '61 s')::text, 13) from 1)::uuid
         where subscription_id = '{subscription}'; commit",
        endpoint.tenant
    );
    scene.db.execute(&wait).await.unwrap();
    let newest = format!(
        "select id from webhooks.event_logs where tenant_id = '{}'",
        endpoint.tenant
    );
    let old: Uuid = scene
        .db
        .value(&newest)
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap();
    unsent(&scene, old, "expired", "/old", "max_delivery_age_seconds").await;

    // Not what is back-dated, nor what was meant for later.
    let endpoint = scene.endpoint("/filled_in", Reply::ok(), json!({})).await;
    let filled_in = format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data, created_at)
         values ('{}', 'job.created', 'job', 'x', '{{}}', now() - interval '1 year') returning id",
        endpoint.tenant
    );
    let client = scene.db.connect().await.unwrap();
    let filled_in: Uuid = client.query_one(&filled_in, &[]).await.unwrap().get(0);
    scene.wait(filled_in, "delivered").await;

    // Tried, then too late for the retry.
    let columns = json!({"retry_delay_seconds": 1, "retry_count": 9});
    let endpoint = scene.endpoint("/down", Reply::status(500), columns).await;
    let event = publish_with(
        &scene,
        &endpoint,
        "expires_at => clock_timestamp() + interval '2 s'",
    )
    .await;
    let (delivery, attempts) = scene.wait(event, "expired").await;
    assert!(attempts.len() >= 2, "{attempts:?}");
    assert_eq!(attempts[0]["http_status_code"], 500);
    assert_eq!(delivery["http_status_code"], Value::Null);
    assert_eq!(
        scene.receiver.requests_to("/down").len(),
        attempts.len() - 1
    );

    // Then, and not when the retry would be due.
    let columns = json!({"retry_delay_seconds": 3600, "retry_count": 9});
    let endpoint = scene.endpoint("/hours", Reply::status(500), columns).await;
    let event = publish_with(
        &scene,
        &endpoint,
        "expires_at => clock_timestamp() + interval '3 s'",
    )
    .await;
    let (_, attempts) = scene.wait(event, "expired").await;
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!(scene.receiver.requests_to("/hours").len(), 1);

    // Not yet too late.
    let endpoint = scene.endpoint("/fresh", Reply::ok(), json!({})).await;
    let fresh = publish_with(&scene, &endpoint, "expires_at => now() + interval '1 hour'").await;
    scene.wait(fresh, "delivered").await;
}

#[tokio::test]
async fn deliver_after_is_waited_for() {
    let scene = Scene::set("deliver_after").await;
    let endpoint = scene.endpoint("/later", Reply::ok(), json!({})).await;
    let event = publish_with(
        &scene,
        &endpoint,
        "deliver_after => clock_timestamp() + interval '1.5 s'",
    )
    .await;
    let (delivery, _) = scene.wait(event, "pending").await;
    assert_ne!(delivery["next_retry_at"], Value::Null);
    scene.wait(event, "delivered").await;
    let late = format!(
        "select extract(epoch from a.attempted_at - e.deliver_after)
         from webhooks.delivery_attempts a join webhooks.event_logs e on e.id = a.event_log_id
         where e.id = '{event}'"
    );
    let late: f64 = scene
        .db
        .value(&late)
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap();
    assert!((0.0..5.0).contains(&late), "{late} s after deliver_after");

    let past = publish_with(
        &scene,
        &endpoint,
        "deliver_after => now() - interval '1 day'",
    )
    .await;
    scene.wait(past, "delivered").await;
}

#[tokio::test]
async fn an_event_that_was_deleted_is_not_sent() {
    let scene = Scene::set("deleted").await;
    let endpoint = scene.endpoint("/gone", Reply::ok(), json!({})).await;
    let event = publish_with(
        &scene,
        &endpoint,
        "deliver_after => clock_timestamp() + interval '1 s'",
    )
    .await;
    let delete = format!("delete from webhooks.event_logs where id = '{event}'");
    scene.db.execute(&delete).await.unwrap();
    unsent(&scene, event, "failed", "/gone", "no longer in event_logs").await;
}

/// A delivery that was claimed in time is not sent after its time has passed.
#[tokio::test]
async fn the_time_may_pass_while_it_waits_for_its_turn() {
    let scene = Scene::set("turn").await;
    let slow = Reply::ok().after(Duration::from_secs(2));
    let columns = json!({"max_in_flight": 1});
    let endpoint = scene.endpoint("/slow", slow, columns).await;
    let first = scene.publish(&endpoint).await;
    let soon = "expires_at => clock_timestamp() + interval '1 s'";
    let second = publish_with(&scene, &endpoint, soon).await;
    scene.wait(first, "delivered").await;
    scene.wait(second, "expired").await;
    assert_eq!(scene.receiver.requests_to("/slow").len(), 1);
}
