//! Rows that can't be read fail alone: however they got in, others are delivered by the same session.

use serde_json::json;
use webhooks_tests::database::Database;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{Options, Sidecar};

use crate::scene::{Scene, subscribe, text};

/// An owner's UPDATE made them so, as a damaged disk or an older version could have.
const DAMAGE: &str = r"'\x00000000'::bytea::jsonb";
/// A string whose bytes are no UTF-8: the server itself shows it as it is.
const NOT_UTF8: &str = r"'\x0100004003000000fffefd'::bytea::jsonb";
const CAST: &str = "create cast (bytea as jsonb) without function";

fn lost_sessions(sidecar: &Sidecar) -> usize {
    let log = sidecar.log();
    let lost = log
        .iter()
        .filter(|line| line.contains("no session with the database"));
    lost.count()
}

#[tokio::test]
async fn an_event_that_cant_be_read_fails_alone() {
    let db = Database::fresh("content").await.unwrap();
    db.execute(CAST).await.unwrap();
    let receiver = Receiver::start().unwrap();
    let bad = subscribe(&db, &receiver.url("/bad"), json!({})).await;
    let good = subscribe(&db, &receiver.url("/good"), json!({})).await;
    let mut spoilt = Vec::new();
    for (data, reason) in [
        (
            "('[' || repeat('1e131071,', 999) || '1e131071]')::jsonb",
            "its data is larger than 64 MiB as text, or damaged; nothing was sent",
        ),
        (
            DAMAGE,
            "its data can't be read (SQLSTATE XX000); nothing was sent",
        ),
        (
            NOT_UTF8,
            "its data can't be read (it is not UTF-8); nothing was sent",
        ),
    ] {
        for column in ["event_data", "resource_data"] {
            let published = db.publish(bad.tenant, "document.uploaded", json!({}));
            let event = published.await.unwrap();
            let update =
                format!("update webhooks.event_logs set {column} = {data} where id = '{event}'");
            db.execute(&update).await.unwrap();
            spoilt.push((event, reason));
        }
    }
    let mut events = Vec::new();
    for endpoint in [&bad, &good] {
        for _ in 0..30 {
            let published = db.publish(endpoint.tenant, "document.uploaded", json!({}));
            events.push(published.await.unwrap());
        }
    }
    let scene = Scene {
        sidecar: Sidecar::start_with(&db, Options::default()).await.unwrap(),
        receiver,
        db,
    };
    for (event, reason) in spoilt {
        let (_, attempts) = scene.wait(event, "failed").await;
        assert_eq!(attempts.len(), 1);
        assert_eq!(text(&attempts[0]["error_message"]), reason);
    }
    for event in events {
        scene.wait(event, "delivered").await;
    }
    assert_eq!(lost_sessions(&scene.sidecar), 0);
    let told = scene.sidecar.log();
    assert!(
        told.iter()
            .any(|line| line.contains("a delivery fails: its data can't be read"))
    );
}

/// Neither does a subscription that can't be loaded keep others from theirs. When it can, its deliveries are made.
#[tokio::test]
async fn a_subscription_that_cant_be_loaded_fails_alone() {
    let scene = Scene::set("content_subscription").await;
    scene.db.execute(CAST).await.unwrap();
    let slow = json!({"retry_count": 100, "retry_delay_seconds": 1});
    let damaged = subscribe(&scene.db, &scene.receiver.url("/damaged"), slow.clone()).await;
    let garbled = subscribe(&scene.db, &scene.receiver.url("/garbled"), slow.clone()).await;
    let large = subscribe(&scene.db, &scene.receiver.url("/large"), slow).await;
    let good = subscribe(&scene.db, &scene.receiver.url("/good"), json!({})).await;
    let spoil = |endpoint: &crate::scene::Endpoint, column: &str, value: &str| {
        format!(
            "set session_replication_role = replica;
             update webhooks.webhook_subscriptions set {column} = {value} where id = '{}'",
            endpoint.subscription
        )
    };
    // A nested list is read as a flat one: a restore might bring it.
    let nested = spoil(&good, "no_retry_statuses", "'{{404,410},{500,501}}'");
    scene.db.execute(&nested).await.unwrap();
    for statement in [
        spoil(&damaged, "webhook_headers", DAMAGE),
        spoil(&garbled, "webhook_headers", NOT_UTF8),
        spoil(
            &large,
            "auth_config",
            "jsonb_build_object('secret', repeat('hush', 5000000))",
        ),
    ] {
        scene.db.execute(&statement).await.unwrap();
    }
    let mut waiting = Vec::new();
    for (endpoint, reason) in [
        (&damaged, "the subscription can't be loaded: SQLSTATE XX000"),
        (
            &garbled,
            "the subscription can't be loaded: it is not UTF-8",
        ),
        (&large, "auth_config is too large"),
    ] {
        let event = scene.publish(endpoint).await;
        let first = format!(
            "select error_message from webhooks.delivery_attempts where event_log_id = '{event}' and delivery_attempt = 1"
        );
        scene.db.wait_value(&first, reason).await.unwrap();
        waiting.push(event);
    }
    let event = scene.publish(&good).await;
    scene.wait(event, "delivered").await;
    for statement in [
        spoil(&damaged, "webhook_headers", "'{}', version = version + 1"),
        spoil(&garbled, "webhook_headers", "'{}', version = version + 1"),
        spoil(&large, "auth_config", "'{}', version = version + 1"),
    ] {
        scene.db.execute(&statement).await.unwrap();
    }
    // Of a row that can't be read the sidecar does not know when to try again: in a minute.
    let retry = format!(
        "select webhooks.retry_delivery(q.id) from webhooks.delivery_queue q where q.subscription_id in ('{}', '{}')",
        damaged.subscription, garbled.subscription
    );
    scene.db.execute(&retry).await.unwrap();
    for event in waiting {
        scene.wait(event, "delivered").await;
    }
    assert_eq!(lost_sessions(&scene.sidecar), 0);
}

/// A result that disables its subscription is recorded also where nobody can change that row.
#[tokio::test]
async fn a_subscription_that_cant_be_disabled_stops_nobody_else() {
    let scene = Scene::set("content_disabling").await;
    scene.db.execute(CAST).await.unwrap();
    let gone = scene.endpoint("/gone", Reply::gone(), json!({})).await;
    let good = subscribe(&scene.db, &scene.receiver.url("/good"), json!({})).await;
    let spoil = format!(
        "set session_replication_role = replica;
         update webhooks.webhook_subscriptions set event_filters = {DAMAGE} where id = '{}'",
        gone.subscription
    );
    scene.db.execute(&spoil).await.unwrap();
    let event = scene.publish(&gone).await;
    let (_, attempts) = scene.wait(event, "failed").await;
    assert!(text(&attempts[0]["error_message"]).starts_with("HTTP status 410"));
    let event = scene.publish(&good).await;
    scene.wait(event, "delivered").await;
    let told = "does not let this result disable its subscription";
    assert!(scene.sidecar.log().iter().any(|line| line.contains(told)));
    assert_eq!(lost_sessions(&scene.sidecar), 0);
}
