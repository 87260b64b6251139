//! Changes of a subscription while deliveries are queued. The backstop poll is out of reach: what takes effect does
//! so because the change itself said so.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::receiver::Reply;
use webhooks_tests::sidecar::Options;

use crate::scene::{Endpoint, Scene};

const QUEUED: usize = 10;

async fn set(name: &str) -> Scene {
    Scene::set_with(name, Options::default().arg("--poll-interval=300")).await
}

/// A subscription whose first delivery is on its way to a receiver that hangs, and the rest queued behind it.
async fn queue_up(scene: &Scene, mut columns: Value) -> (Endpoint, Vec<Uuid>) {
    let limits = json!({"max_in_flight": 1, "timeout_seconds": 2});
    let limits = limits.as_object().unwrap().clone();
    columns.as_object_mut().unwrap().extend(limits);
    let endpoint = scene.endpoint("/old", Reply::hang(), columns).await;
    let n = u32::try_from(QUEUED).unwrap();
    let events = scene.db.publish_many(endpoint.tenant, "job.created", n);
    let events = events.await.unwrap();
    scene.receiver.wait_for(1).await.unwrap();
    (endpoint, events)
}

async fn update(scene: &Scene, endpoint: &Endpoint, set: &str) {
    let sql = format!(
        "update webhooks.webhook_subscriptions set {set} where id = '{}'",
        endpoint.subscription
    );
    scene.db.execute(&sql).await.unwrap();
}

async fn delete(scene: &Scene, endpoint: &Endpoint) {
    let sql = format!(
        "delete from webhooks.webhook_subscriptions where id = '{}'",
        endpoint.subscription
    );
    scene.db.execute(&sql).await.unwrap();
}

/// Waits until another subscription's delivery has passed: whatever was on its way before has passed too.
async fn pass(scene: &Scene) {
    scene
        .play("/other", Reply::ok(), json!({}), "delivered")
        .await;
}

/// Waits until the attempt under way has timed out, its retry has become due, and another delivery has passed.
async fn pass_timeout(scene: &Scene, first: Uuid) {
    scene.wait(first, "retrying").await;
    let ready = format!(
        "select count(*) from webhooks.delivery_queue where event_log_id = '{first}' and next_attempt_at is null"
    );
    scene.db.wait_value(&ready, "1").await.unwrap();
    pass(scene).await;
}

#[tokio::test]
async fn a_new_url_and_secret_hold_for_what_is_queued() {
    let scene = set("changed").await;
    let old = "whsec_b2xkLW9sZC1vbGQtb2xkLW9sZC1vbGQ=";
    let new = "whsec_bmV3LW5ldy1uZXctbmV3LW5ldy1uZXc=";
    let columns = json!({"auth_type": "signature", "auth_config": {"secret": old}});
    scene.receiver.verify("/old", old);
    scene.receiver.verify("/new", new);
    let (endpoint, events) = queue_up(&scene, columns).await;
    let change = format!(
        "webhook_url = '{}', auth_config = '{{\"secret\": \"{new}\"}}'",
        scene.receiver.url("/new")
    );
    update(&scene, &endpoint, &change).await;
    for event in &events {
        scene.wait(*event, "delivered").await;
    }
    let old = scene.receiver.requests_to("/old");
    assert_eq!(old.len(), 1, "only what was on its way already");
    assert!(old[0].signatures.unwrap().verified());
    let new = scene.receiver.requests_to("/new");
    assert_eq!(new.len(), QUEUED);
    assert!(
        new.iter()
            .all(|request| request.signatures.unwrap().verified())
    );
}

#[tokio::test]
async fn disabled_it_holds_and_enabled_it_resumes_at_once() {
    for switch in ["is_enabled", "is_active"] {
        let scene = set("switched").await;
        let (endpoint, events) = queue_up(&scene, json!({})).await;
        update(&scene, &endpoint, &format!("{switch} = false")).await;
        pass_timeout(&scene, events[0]).await;
        assert_eq!(scene.receiver.requests_to("/old").len(), 1, "{switch}");
        for event in &events[1..] {
            scene.wait(*event, "pending").await;
        }
        // Published meanwhile: matches nothing, now and later.
        let missed = scene.publish(&endpoint).await;

        scene.receiver.on("/old", Reply::ok());
        update(&scene, &endpoint, &format!("{switch} = true")).await;
        for event in &events {
            scene.wait(*event, "delivered").await;
        }
        assert!(scene.db.deliveries(missed).await.unwrap().is_empty());
        let last = scene.publish(&endpoint).await;
        scene.wait(last, "delivered").await;
        assert_eq!(scene.receiver.requests_to("/old").len(), QUEUED + 2);
    }
}

#[tokio::test]
async fn deleted_it_cancels_what_is_outstanding_and_keeps_its_log() {
    let scene = set("removed").await;
    let endpoint = scene
        .endpoint(
            "/old",
            Reply::ok(),
            json!({"max_in_flight": 1, "timeout_seconds": 8}),
        )
        .await;
    let earlier = scene.publish(&endpoint).await;
    scene.wait(earlier, "delivered").await;
    scene.receiver.on("/old", Reply::hang());
    let events = scene
        .db
        .publish_many(endpoint.tenant, "job.created", 10)
        .await
        .unwrap();
    scene.receiver.wait_for(2).await.unwrap();

    delete(&scene, &endpoint).await;
    scene.db.wait_drained(Duration::ZERO).await.unwrap();
    // The attempt under way ends with nothing to record; then others have their turn.
    scene
        .sidecar
        .wait_log(Duration::from_secs(30), |line| {
            line.message().starts_with("late result")
        })
        .await
        .unwrap();
    pass(&scene).await;
    assert_eq!(scene.receiver.requests_to("/old").len(), 2);
    for event in events {
        assert!(scene.db.deliveries(event).await.unwrap().is_empty());
    }
    scene.wait(earlier, "delivered").await;
}

/// The sidecar remembers subscriptions by id and version; a new one of the same id starts at version 1 again.
#[tokio::test]
async fn made_anew_under_its_old_id_it_is_read_anew() {
    let scene = set("remade").await;
    let endpoint = scene.endpoint("/1", Reply::ok(), json!({})).await;
    let deliver = async || {
        let event = scene.publish(&endpoint).await;
        scene.wait(event, "delivered").await;
    };
    let remake = async |path| {
        delete(&scene, &endpoint).await;
        let again = json!({
            "id": endpoint.subscription, "tenant_id": endpoint.tenant,
            "webhook_url": scene.receiver.url(path), "retry_delay_seconds": 0,
        });
        scene.db.subscribe(again).await.unwrap();
    };
    deliver().await;
    remake("/2").await;
    deliver().await;
    update(&scene, &endpoint, "description = 'version 2'").await;
    deliver().await;
    remake("/3").await;
    deliver().await;
    for (path, requests) in [("/1", 1), ("/2", 2), ("/3", 1)] {
        assert_eq!(scene.receiver.requests_to(path).len(), requests, "{path}");
    }
}
