use std::time::Duration;

use serde_json::{Value, json};
use webhooks_tests::receiver::Reply;
use webhooks_tests::sidecar::Sidecar;

use crate::scene::{Endpoint, Scene};

const STATE: &str = "select breaker_state from webhooks.subscription_health order by name limit 1";

async fn queued(scene: &Scene, endpoint: &Endpoint) -> Vec<Value> {
    let queue = format!(
        "select attempt from webhooks.delivery_queue where subscription_id = '{}' order by id",
        endpoint.subscription
    );
    scene.db.rows(&queue).await.unwrap()
}

async fn failing(scene: &Scene, columns: Value) -> Endpoint {
    let mut all = json!({"name": "a", "retry_count": 100, "breaker_failure_threshold": 5, "breaker_cooldown_seconds": 1});
    all.as_object_mut()
        .unwrap()
        .extend(columns.as_object().unwrap().clone());
    scene.endpoint("/down", Reply::status(503), all).await
}

/// It opens after so many failures, lets one probe through at a time, and closes at the first success.
#[tokio::test]
async fn an_open_breaker_lets_only_probes_through() {
    let scene = Scene::set("breaker").await;
    let endpoint = failing(&scene, json!({"max_in_flight": 5})).await;
    let healthy = scene
        .endpoint("/up", Reply::ok(), json!({"name": "b"}))
        .await;
    let published = scene.db.publish_many(endpoint.tenant, "job.created", 50);
    published.await.unwrap();
    scene.db.wait_value(STATE, "open").await.unwrap();
    let opened = scene.receiver.requests_to("/down").len();
    assert!(
        (5..10).contains(&opened),
        "{opened} requests before it opened"
    );
    assert_eq!(queued(&scene, &endpoint).await.len(), 50, "all wait");

    // Three more probes: three cool-downs at least.
    let began = tokio::time::Instant::now();
    let probes = |n: usize| {
        move |requests: &[webhooks_tests::receiver::Request]| {
            requests.iter().filter(|r| r.path == "/down").count() >= opened + n
        }
    };
    scene
        .receiver
        .wait_until(Duration::from_secs(20), probes(3))
        .await
        .unwrap();
    assert!(began.elapsed() > Duration::from_millis(1900));
    // The others notice nothing.
    let event = scene.publish(&healthy).await;
    scene.wait(event, "delivered").await;
    let since = "select extract(epoch from now() - breaker_since) > 1.5 and failing_since is not null and last_error like 'HTTP status 503%'
                 from webhooks.subscription_health where name = 'a'";
    scene.db.wait_value(since, "true").await.unwrap();

    // Meanwhile no attempts were used up but those made.
    let attempts: u64 = queued(&scene, &endpoint)
        .await
        .iter()
        .map(|row| row["attempt"].as_u64().unwrap())
        .sum();
    assert!(attempts as usize <= scene.receiver.requests_to("/down").len());
    scene.receiver.on("/down", Reply::ok());
    scene
        .db
        .wait_drained(Duration::from_secs(20))
        .await
        .unwrap();
    scene.db.wait_value(STATE, "closed").await.unwrap();
}

/// The database remembers: a new owner waits for the probe's time, too.
#[tokio::test]
async fn an_open_breaker_outlives_the_sidecar() {
    let mut scene = Scene::set("breaker_kept").await;
    let endpoint = failing(&scene, json!({"breaker_cooldown_seconds": 3600})).await;
    let published = scene.db.publish_many(endpoint.tenant, "job.created", 20);
    published.await.unwrap();
    scene.db.wait_value(STATE, "open").await.unwrap();
    let counted =
        "select count(*) from webhooks.delivery_attempts where delivery_status = 'retrying'";
    let seen = scene.receiver.count();
    scene
        .db
        .wait_value(counted, &seen.to_string())
        .await
        .unwrap();
    scene.sidecar.kill9().unwrap();
    scene.sidecar = Sidecar::start(&scene.db).await.unwrap();
    // It has looked: another one's deliveries go.
    let healthy = scene
        .endpoint("/up", Reply::ok(), json!({"name": "b"}))
        .await;
    let more = scene.db.publish_many(endpoint.tenant, "job.created", 1);
    more.await.unwrap();
    let event = scene.publish(&healthy).await;
    scene.wait(event, "delivered").await;
    assert_eq!(scene.receiver.requests_to("/down").len() as u64, seen);
    // Until somebody says that the receiver works.
    scene.receiver.on("/down", Reply::ok());
    let reset = format!("select webhooks.reset_breaker('{}')", endpoint.subscription);
    assert_eq!(
        scene.db.value(&reset).await.unwrap().as_deref(),
        Some("true")
    );
    scene
        .db
        .wait_drained(Duration::from_secs(20))
        .await
        .unwrap();
}

/// Days of nothing but failures disable a subscription, with the reason; enabled again, what was held goes on.
#[tokio::test]
async fn days_of_nothing_but_failures_disable_it() {
    let scene = Scene::set("disabled").await;
    let endpoint = failing(&scene, json!({})).await;
    let published = scene.db.publish_many(endpoint.tenant, "job.created", 20);
    published.await.unwrap();
    scene.db.wait_value(STATE, "open").await.unwrap();
    let enabled = format!(
        "select is_enabled from webhooks.webhook_subscriptions where id = '{}'",
        endpoint.subscription
    );
    assert_eq!(
        scene.db.value(&enabled).await.unwrap().as_deref(),
        Some("true")
    );
    // As if it had begun five days ago, and another sidecar had seen it: a change makes this one read it again.
    scene
        .db
        .execute(
            "update webhooks_private.subscription_breakers set failing_since = now() - interval '5 days';
                  update webhooks.webhook_subscriptions set description = 'x' where name = 'a'",
        )
        .await
        .unwrap();
    scene.db.wait_value(&enabled, "false").await.unwrap();
    let reason = "select disabled_reason from webhooks.subscription_health where name = 'a'";
    let reason = scene.db.value(reason).await.unwrap().unwrap();
    assert!(
        reason.starts_with("nothing but failures for 120 hours")
            && reason.contains("HTTP status 503"),
        "{reason}"
    );
    assert_eq!(queued(&scene, &endpoint).await.len(), 20, "held, not lost");

    scene.receiver.on("/down", Reply::ok());
    scene
        .db
        .execute("update webhooks.webhook_subscriptions set is_enabled = true where not is_enabled")
        .await
        .unwrap();
    scene
        .db
        .wait_drained(Duration::from_secs(20))
        .await
        .unwrap();
}

/// Requests that hang when their receiver is replaced say nothing of the new one.
#[tokio::test]
async fn failures_of_an_old_receiver_do_not_count_against_a_new_one() {
    let scene = Scene::set("replaced").await;
    scene.receiver.on("/down", Reply::hang());
    let columns = json!({"name": "a", "timeout_seconds": 2, "retry_count": 100, "breaker_failure_threshold": 5});
    let endpoint = scene.endpoint("/down", Reply::hang(), columns).await;
    let published = scene.db.publish_many(endpoint.tenant, "job.created", 20);
    published.await.unwrap();
    scene.receiver.wait_for(20).await.unwrap();
    scene
        .db
        .execute(&format!(
            "update webhooks.webhook_subscriptions set webhook_url = '{}'",
            scene.receiver.url("/up")
        ))
        .await
        .unwrap();
    scene
        .db
        .wait_drained(Duration::from_secs(20))
        .await
        .unwrap();
    let failed =
        "select count(*) from webhooks.delivery_attempts where delivery_status = 'retrying'";
    assert_eq!(scene.db.value(failed).await.unwrap().as_deref(), Some("20"));
    let known = "select count(*) from webhooks_private.subscription_breakers";
    assert_eq!(scene.db.value(known).await.unwrap().as_deref(), Some("0"));
}
