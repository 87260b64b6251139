//! Receivers that want less: whatever goes to them waits, nothing else does, and no attempt is used up by waiting.

use std::time::{Duration, SystemTime};

use serde_json::json;
use webhooks_tests::receiver::Reply;
use webhooks_tests::sidecar::Sidecar;

use crate::scene::{Endpoint, Scene};

const WAITS: &str =
    "select throttled_until > now() and throttle_status = 429 and breaker_state = 'closed'
                     from webhooks.subscription_health order by name limit 1";

/// One delivery whose receiver asked for a pause, recorded.
async fn asked_for_a_pause(scene: &Scene, reply: Reply, columns: serde_json::Value) -> Endpoint {
    let endpoint = scene.endpoint("/busy", reply, columns).await;
    scene.publish(&endpoint).await;
    scene.db.wait_value(WAITS, "true").await.unwrap();
    endpoint
}

#[tokio::test]
async fn a_receiver_that_asks_for_a_pause_gets_nothing_until_it_is_over() {
    let scene = Scene::set("pause").await;
    let busy = scene
        .endpoint("/busy", Reply::ok(), json!({"name": "a"}))
        .await;
    let replies = [Reply::retry_after(429, "3"), Reply::ok()];
    scene.receiver.on_sequence("/busy", replies);
    scene.publish(&busy).await;
    scene.db.wait_value(WAITS, "true").await.unwrap();
    let more = scene
        .db
        .publish_many(busy.tenant, "job.created", 6)
        .await
        .unwrap();
    // The others notice nothing.
    let other = scene
        .endpoint("/other", Reply::ok(), json!({"name": "b"}))
        .await;
    let event = scene.publish(&other).await;
    scene.wait(event, "delivered").await;
    assert_eq!(scene.receiver.requests_to("/busy").len(), 1);

    scene
        .db
        .wait_drained(Duration::from_secs(30))
        .await
        .unwrap();
    let requests = scene.receiver.requests_to("/busy");
    assert_eq!(requests.len(), 8);
    for later in &requests[1..] {
        let after = later.arrived - requests[0].arrived;
        assert!(after >= Duration::from_millis(2950), "{after:?}");
    }
    for event in more {
        let attempts = scene.db.attempts(event).await.unwrap();
        assert_eq!(attempts.len(), 1, "waiting uses up no attempts");
    }
    let over = "select count(*) from webhooks.subscription_health where throttled_until is not null or throttled_since is not null";
    // The database counts it from when the answer was recorded, a little later.
    scene.db.wait_value(over, "0").await.unwrap();
}

#[tokio::test]
async fn a_pause_outlives_the_sidecar_and_ends_when_somebody_says_so() {
    let mut scene = Scene::set("pause_kept").await;
    let columns = json!({"name": "a", "ordering": "fifo"});
    let busy = asked_for_a_pause(&scene, Reply::retry_after(429, "3600"), columns).await;
    scene.sidecar.kill9().unwrap();
    scene.sidecar = Sidecar::start(&scene.db).await.unwrap();
    let more = scene.db.publish_many(busy.tenant, "job.created", 5);
    more.await.unwrap();
    let other = scene
        .endpoint("/other", Reply::ok(), json!({"name": "b"}))
        .await;
    let event = scene.publish(&other).await;
    scene.wait(event, "delivered").await;
    // Somebody gives it another key: it is the same receiver.
    let changed = format!(
        "update webhooks.webhook_subscriptions set webhook_headers = '{{\"x\": \"y\"}}' where id = '{}'",
        busy.subscription
    );
    scene.db.execute(&changed).await.unwrap();
    let event = scene.publish(&other).await;
    scene.wait(event, "delivered").await;
    assert_eq!(scene.receiver.requests_to("/busy").len(), 1);

    scene.receiver.on("/busy", Reply::ok());
    let reset = format!("select webhooks.reset_breaker('{}')", busy.subscription);
    let reset = scene.db.value(&reset).await.unwrap();
    assert_eq!(reset.as_deref(), Some("true"));
    // Also what was to be retried in an hour.
    scene
        .db
        .wait_drained(Duration::from_secs(20))
        .await
        .unwrap();
    assert_eq!(scene.receiver.requests_to("/busy").len(), 7);
}

#[tokio::test]
async fn a_test_ends_at_once_while_its_receiver_wants_a_pause() {
    let scene = Scene::set("pause_test").await;
    let busy = asked_for_a_pause(
        &scene,
        Reply::retry_after(429, "3600"),
        json!({"name": "a"}),
    )
    .await;
    let test = format!("select webhooks.test_subscription('{}')", busy.subscription);
    let test = scene.db.value(&test).await.unwrap().unwrap();
    let outcome = format!(
        "select error_message || '/' || delivery_status from webhooks.delivery_attempts where delivery_id = '{test}'"
    );
    let expected = "the receiver asked for a pause; nothing was sent/failed";
    scene.db.wait_value(&outcome, expected).await.unwrap();
    assert_eq!(scene.receiver.requests_to("/busy").len(), 1);
}

#[tokio::test]
async fn a_date_is_meant_by_the_receivers_clock() {
    let scene = Scene::set("pause_date").await;
    let hours = |n: u64| SystemTime::now() + Duration::from_secs(n * 3600);
    let reply = Reply::retry_after(429, &httpdate::fmt_http_date(hours(7)))
        .header("date", httpdate::fmt_http_date(hours(5)));
    asked_for_a_pause(&scene, reply, json!({"name": "a"})).await;
    let left = "select round(extract(epoch from throttled_until - now()) / 3600) from webhooks.subscription_health";
    assert_eq!(scene.db.value(left).await.unwrap().as_deref(), Some("2"));
}

/// A receiver that only says that it has too much to do gets it more slowly, and all of it in the end; its breaker stays
/// closed.
#[tokio::test]
async fn deliveries_to_a_receiver_that_gets_too_many_slow_down_and_recover() {
    let scene = Scene::set("slowed").await;
    let columns = json!({"name": "a", "retry_count": 100, "breaker_failure_threshold": 3});
    let busy = scene.endpoint("/busy", Reply::status(429), columns).await;
    let published = scene.db.publish_many(busy.tenant, "job.created", 50);
    published.await.unwrap();
    scene.db.wait_value(WAITS, "true").await.unwrap();
    // The first ones, and then after pauses of 1 s, 2 s, 4 s …: without them it would be thousands.
    scene
        .receiver
        .wait_until(Duration::from_secs(20), |requests| {
            let first = requests.first().map(|first| first.arrived);
            requests.last().map(|last| last.arrived) > first.map(|at| at + Duration::from_secs(3))
        })
        .await
        .unwrap();
    let seen = scene.receiver.count();
    assert!(seen < 60, "{seen} requests");
    scene.receiver.on("/busy", Reply::ok());
    scene
        .db
        .wait_drained(Duration::from_secs(40))
        .await
        .unwrap();
    let states = "select breaker_state from webhooks.subscription_health";
    assert_eq!(
        scene.db.value(states).await.unwrap().as_deref(),
        Some("closed")
    );
}
