//! Receivers that have to agree first. Read against "HTTP 1.1 Web Hooks for Event Delivery" of CloudEvents 1.0.2, section 4.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::receiver::{Reply, Request};
use webhooks_tests::sidecar::{Options, Sidecar};

use crate::scene::{Endpoint, Scene, subscribe};

const END: Duration = Duration::from_secs(30);
const ORIGIN: &str = "events.example.com";
const SET_ORIGIN: &str = "select webhooks.set_setting('verification_origin', 'events.example.com')";

async fn scene(name: &str) -> Scene {
    let scene = Scene::set(name).await;
    scene.db.execute(SET_ORIGIN).await.unwrap();
    scene
}

fn agreement(origin: &str) -> Reply {
    Reply::ok()
        .header("Allow", "OPTIONS, POST")
        .header("WebHook-Allowed-Origin", origin)
}

/// Answers OPTIONS so, and anything else with 200.
fn answers(scene: &Scene, path: &str, options: Reply) {
    scene.receiver.on_request(path, move |request| {
        if request.method == "OPTIONS" {
            options.clone()
        } else {
            Reply::ok()
        }
    });
}

/// Subscribes a path whose receiver has to agree.
async fn endpoint(scene: &Scene, path: &str, options: Reply, columns: Value) -> Endpoint {
    answers(scene, path, options);
    let mut all = json!({"endpoint_verification": "options", "breaker_cooldown_seconds": 1});
    all.as_object_mut()
        .unwrap()
        .extend(columns.as_object().unwrap().clone());
    subscribe(&scene.db, &scene.receiver.url(path), all).await
}

fn with_method<'r>(requests: &'r [Request], path: &str, method: &str) -> Vec<&'r Request> {
    requests
        .iter()
        .filter(|r| r.path == path && r.method == method)
        .collect()
}

fn count(scene: &Scene, path: &str, method: &str) -> usize {
    with_method(&scene.receiver.requests(), path, method).len()
}

/// Waits for so many requests of a method to a path.
async fn arrived(scene: &Scene, path: &str, method: &str, n: usize) {
    let enough = |requests: &[Request]| with_method(requests, path, method).len() >= n;
    scene.receiver.wait_until(END, enough).await.unwrap();
}

async fn wait_state(scene: &Scene, endpoint: &Endpoint, state: &str) {
    let query = format!(
        "select verification_state from webhooks.subscription_health where subscription_id = '{}'",
        endpoint.subscription
    );
    scene
        .db
        .wait_value_within(END, &query, state)
        .await
        .unwrap();
}

async fn change(scene: &Scene, endpoint: &Endpoint, columns: &str) {
    let update = format!(
        "update webhooks.webhook_subscriptions set {columns} where id = '{}'",
        endpoint.subscription
    );
    scene.db.execute(&update).await.unwrap();
}

async fn health(scene: &Scene, endpoint: &Endpoint, column: &str) -> String {
    let query = format!(
        "select {column} from webhooks.subscription_health where subscription_id = '{}'",
        endpoint.subscription
    );
    let value = scene.db.value(&query).await.unwrap();
    value.unwrap_or_else(|| "null".to_owned())
}

async fn verify(scene: &Scene, endpoint: &Endpoint) {
    let verify = format!(
        "select webhooks.verify_subscription('{}')",
        endpoint.subscription
    );
    scene.db.execute(&verify).await.unwrap();
}

/// Of one that needs no agreement: once it is delivered, the sidecar has looked at all that was there before.
async fn another_is_delivered(scene: &Scene, path: &str) {
    let other = scene.endpoint(path, Reply::ok(), json!({})).await;
    let event = scene.publish(&other).await;
    scene.wait(event, "delivered").await;
    assert_eq!(count(scene, path, "OPTIONS"), 0);
}

/// Asked once, at once, at the exact URL and with nothing secret; every delivery then says for whom it comes.
#[tokio::test]
async fn a_receiver_that_agrees_gets_its_deliveries() {
    let scene = scene("verified").await;
    for (n, origin) in [ORIGIN, "*", "EVENTS.example.COM"].into_iter().enumerate() {
        let path = format!("/agrees/{n}");
        answers(&scene, &path, agreement(origin));
        let columns = json!({
            "endpoint_verification": "options", "auth_type": "api_key", "auth_config": {"api_key": "s3cret"},
            "webhook_headers": {"X-Own": "s3cret"}, "ordering": if n == 0 { "fifo" } else { "none" }
        });
        let url = format!("{}?team=7&x=%20", scene.receiver.url(&path));
        let endpoint = subscribe(&scene.db, &url, columns).await;
        wait_state(&scene, &endpoint, "verified").await;
        for _ in 0..3 {
            let event = scene.publish(&endpoint).await;
            let (_, attempts) = scene.wait(event, "delivered").await;
            assert_eq!(attempts.len(), 1);
        }
        let requests = scene.receiver.requests_to(&path);
        let methods: Vec<_> = requests.iter().map(|r| r.method.as_str()).collect();
        assert_eq!(methods, ["OPTIONS", "POST", "POST", "POST"], "{origin}");
        let asked = &requests[0];
        assert_eq!(asked.query.as_deref(), Some("team=7&x=%20"));
        assert_eq!(asked.header("webhook-request-origin"), Some(ORIGIN));
        assert_eq!(asked.header("webhook-request-rate"), None);
        assert_eq!(asked.header("webhook-request-callback"), None);
        assert!(asked.body.is_empty());
        let shown = format!("{:?}", asked.headers);
        assert!(!shown.contains("s3cret"), "{shown}");
        for sent in &requests[1..] {
            assert_eq!(sent.header("webhook-request-origin"), Some(ORIGIN));
            assert_eq!(sent.header("authorization"), Some("Bearer s3cret"));
        }
        assert_eq!(
            health(&scene, &endpoint, "verification_error").await,
            "null"
        );
    }
}

/// Whatever is no agreement holds deliveries back, which then have lost no attempt and delayed nobody.
#[tokio::test]
async fn a_receiver_that_does_not_agree_gets_nothing() {
    let scene = scene("refused").await;
    let cases = [
        (
            agreement("other.example.com"),
            "refused",
            "another WebHook-Allowed-Origin",
        ),
        (
            agreement("events.example.com, *"),
            "refused",
            "another WebHook-Allowed-Origin",
        ),
        (Reply::ok(), "refused", "without WebHook-Allowed-Origin"),
        (Reply::status(405), "refused", "HTTP status 405"),
        (
            Reply::status(500).header("WebHook-Allowed-Origin", "*"),
            "refused",
            "HTTP status 500",
        ),
        (
            Reply::redirect("/elsewhere").header("WebHook-Allowed-Origin", "*"),
            "refused",
            "HTTP status 30",
        ),
        (
            agreement("*").header("WebHook-Allowed-Rate", "0"),
            "refused",
            "neither * nor above 0",
        ),
        (Reply::hang(), "pending", "within timeout_seconds (1)"),
        (Reply::close(), "pending", ""),
        (Reply::endless_headers(), "pending", ""),
    ];
    let mut endpoints = Vec::new();
    for (n, (reply, state, reason)) in cases.into_iter().enumerate() {
        let path = format!("/refuses/{n}");
        let columns = json!({"timeout_seconds": 1, "retry_count": 0});
        let endpoint = endpoint(&scene, &path, reply, columns).await;
        let event = scene.publish(&endpoint).await;
        endpoints.push((path, endpoint, event, state, reason));
    }
    for (path, endpoint, _, state, reason) in &endpoints {
        arrived(&scene, path, "OPTIONS", 1).await;
        let error = format!(
            "select verification_error is not null and next_verification_at is not null
             from webhooks.subscription_health where subscription_id = '{}'",
            endpoint.subscription
        );
        scene
            .db
            .wait_value_within(END, &error, "true")
            .await
            .unwrap();
        let error = health(&scene, endpoint, "verification_error").await;
        assert!(error.contains(reason), "{path}: {error}");
        assert_eq!(
            &health(&scene, endpoint, "verification_state").await,
            state,
            "{path}: {error}"
        );
    }
    another_is_delivered(&scene, "/free").await;
    let tried = scene.db.value(
        "select count(*) from webhooks.delivery_attempts where delivery_status <> 'delivered'",
    );
    assert_eq!(tried.await.unwrap().as_deref(), Some("0"));

    for (path, ..) in &endpoints {
        assert_eq!(count(&scene, path, "POST"), 0, "{path}");
        answers(&scene, path, agreement(ORIGIN));
    }
    for (path, endpoint, event, ..) in &endpoints {
        // Without waiting for the next try, which comes later and later.
        verify(&scene, endpoint).await;
        let (_, attempts) = scene.wait(*event, "delivered").await;
        assert_eq!(attempts.len(), 1, "{path}");
        assert_eq!(count(&scene, path, "POST"), 1, "{path}");
    }
    assert_eq!(count(&scene, "/elsewhere", "OPTIONS"), 0);
}

/// Nobody has to say that it agrees by now: it is asked again, also with nothing to deliver.
#[tokio::test]
async fn a_receiver_that_did_not_agree_is_asked_again() {
    let scene = scene("asked_again").await;
    let endpoint = endpoint(&scene, "/later", Reply::status(405), json!({})).await;
    arrived(&scene, "/later", "OPTIONS", 3).await;
    let asked = scene.receiver.requests_to("/later");
    let (first, second) = (
        asked[1].arrived - asked[0].arrived,
        asked[2].arrived - asked[1].arrived,
    );
    assert!(first >= Duration::from_millis(900), "{first:?}");
    assert!(second >= Duration::from_millis(1900), "{second:?}");
    answers(&scene, "/later", agreement("*"));
    wait_state(&scene, &endpoint, "verified").await;
}

#[tokio::test]
async fn days_without_agreement_disable_it() {
    let scene = scene("never_agrees").await;
    let columns = json!({"name": "a"});
    let endpoint = endpoint(&scene, "/never", Reply::status(405), columns).await;
    let event = scene.publish(&endpoint).await;
    arrived(&scene, "/never", "OPTIONS", 2).await;
    scene
        .db
        // In the order in which the sidecar locks them.
        .execute("update webhooks.webhook_subscriptions set description = 'as if read for the first time';
                  update webhooks_private.subscription_verifications set failing_since = now() - interval '5 days', tries = 5, next_try_at = now()")
        .await
        .unwrap();
    let enabled = format!(
        "select is_enabled from webhooks.webhook_subscriptions where id = '{}'",
        endpoint.subscription
    );
    scene
        .db
        .wait_value_within(END, &enabled, "false")
        .await
        .unwrap();
    let reason = health(&scene, &endpoint, "disabled_reason").await;
    assert!(
        reason.starts_with("its receiver did not agree to deliveries for 120 hours")
            && reason.contains("HTTP status 405"),
        "{reason}"
    );
    answers(&scene, "/never", agreement("*"));
    change(&scene, &endpoint, "is_enabled = true").await;
    scene.wait(event, "delivered").await;
}

/// It asks for what the subscription wants, and keeps to what the receiver allows.
#[tokio::test]
async fn the_allowed_rate_is_kept() {
    let mut scene = scene("allowed_rate").await;
    let slow = agreement(ORIGIN).header("WebHook-Allowed-Rate", "60");
    let columns = json!({"rate_limit_per_second": 20, "rate_limit_burst": 100});
    let limited = endpoint(&scene, "/slow", slow, columns).await;
    let free = agreement(ORIGIN).header("WebHook-Allowed-Rate", "*");
    let unlimited = endpoint(&scene, "/free", free, json!({})).await;
    wait_state(&scene, &limited, "verified").await;
    wait_state(&scene, &unlimited, "verified").await;
    let asked = &scene.receiver.requests_to("/slow")[0];
    assert_eq!(asked.header("webhook-request-rate"), Some("1200"));
    assert_eq!(
        health(&scene, &limited, "allowed_rate_per_minute").await,
        "60"
    );
    assert_eq!(
        health(&scene, &unlimited, "allowed_rate_per_minute").await,
        "null"
    );

    // Another owner knows it, too.
    scene.sidecar.kill9().unwrap();
    scene.sidecar = Sidecar::start(&scene.db).await.unwrap();
    let began = Instant::now();
    let published = scene.db.publish_many(limited.tenant, "job.created", 4);
    published.await.unwrap();
    let published = scene.db.publish_many(unlimited.tenant, "job.created", 50);
    published.await.unwrap();
    arrived(&scene, "/free", "POST", 50).await;
    assert!(count(&scene, "/slow", "POST") < 4);
    scene.db.wait_drained(END).await.unwrap();
    assert!(
        began.elapsed() > Duration::from_millis(2900),
        "{:?}",
        began.elapsed()
    );
    for path in ["/slow", "/free"] {
        assert_eq!(count(&scene, path, "OPTIONS"), 1, "{path}");
    }
}

/// An agreement is that of one URL, of who sends with these credentials, and for one origin.
#[tokio::test]
async fn another_url_or_origin_is_asked_anew() {
    let scene = scene("asked_anew").await;
    let endpoint = endpoint(&scene, "/one", agreement("*"), json!({"name": "a"})).await;
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "delivered").await;
    change(&scene, &endpoint, "name = 'b', timeout_seconds = 9").await;
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "delivered").await;
    assert_eq!(count(&scene, "/one", "OPTIONS"), 1);

    answers(&scene, "/two", Reply::status(404));
    let url = format!("webhook_url = '{}'", scene.receiver.url("/two"));
    change(&scene, &endpoint, &url).await;
    let event = scene.publish(&endpoint).await;
    wait_state(&scene, &endpoint, "refused").await;
    another_is_delivered(&scene, "/other").await;
    assert_eq!(count(&scene, "/two", "POST"), 0);
    answers(&scene, "/two", agreement("*"));
    scene.wait(event, "delivered").await;

    let asked = count(&scene, "/two", "OPTIONS");
    change(
        &scene,
        &endpoint,
        "auth_type = 'api_key', auth_config = '{\"api_key\": \"k\"}'",
    )
    .await;
    arrived(&scene, "/two", "OPTIONS", asked + 1).await;
    wait_state(&scene, &endpoint, "verified").await;
    scene
        .db
        .execute("select webhooks.set_setting('verification_origin', 'other.example.com')")
        .await
        .unwrap();
    assert_eq!(
        health(&scene, &endpoint, "verification_state").await,
        "pending"
    );
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "delivered").await;
    let requests = scene.receiver.requests_to("/two");
    let last = requests.last().unwrap();
    assert_eq!(
        last.header("webhook-request-origin"),
        Some("other.example.com")
    );
    let asked_for = with_method(&requests, "/two", "OPTIONS");
    assert_eq!(
        asked_for.last().unwrap().header("webhook-request-origin"),
        Some("other.example.com")
    );
}

/// Off, nobody is asked; turned on, all are but those that say no, and in the end those, too.
#[tokio::test]
async fn the_setting_decides_where_the_subscription_does_not() {
    let scene = scene("verification_setting").await;
    answers(&scene, "/default", agreement("*"));
    answers(&scene, "/exempt", agreement("*"));
    let default = subscribe(&scene.db, &scene.receiver.url("/default"), json!({})).await;
    let exempt = json!({"endpoint_verification": "none"});
    let exempt = subscribe(&scene.db, &scene.receiver.url("/exempt"), exempt).await;
    for (setting, asked, state) in [
        ("none", [0, 0], ["not required", "not required"]),
        ("options", [1, 0], ["verified", "not required"]),
        ("required", [1, 1], ["verified", "verified"]),
    ] {
        let set = format!("select webhooks.set_setting('endpoint_verification', '{setting}')");
        scene.db.execute(&set).await.unwrap();
        for endpoint in [&default, &exempt] {
            let event = scene.publish(endpoint).await;
            scene.wait(event, "delivered").await;
        }
        let found = ["/default", "/exempt"].map(|path| count(&scene, path, "OPTIONS"));
        assert_eq!(found, asked, "{setting}");
        for (endpoint, state) in [&default, &exempt].into_iter().zip(state) {
            assert_eq!(
                health(&scene, endpoint, "verification_state").await,
                state,
                "{setting}"
            );
        }
        let sent = with_method(&scene.receiver.requests(), "/exempt", "POST")
            .last()
            .unwrap()
            .header("webhook-request-origin")
            .map(str::to_owned);
        let expected = (asked[1] == 1).then(|| ORIGIN.to_owned());
        assert_eq!(sent, expected, "{setting}");
    }
}

/// Whoever is asked for it, deliveries wait for the new answer.
#[tokio::test]
async fn a_receiver_is_asked_at_once_by_verify_subscription() {
    let scene = scene("verify").await;
    let endpoint = endpoint(&scene, "/asked", agreement("*"), json!({})).await;
    wait_state(&scene, &endpoint, "verified").await;
    answers(&scene, "/asked", Reply::status(403));
    verify(&scene, &endpoint).await;
    arrived(&scene, "/asked", "OPTIONS", 2).await;
    wait_state(&scene, &endpoint, "refused").await;
    let event = scene.publish(&endpoint).await;
    another_is_delivered(&scene, "/other").await;
    assert_eq!(count(&scene, "/asked", "POST"), 0);
    answers(&scene, "/asked", agreement("*"));
    verify(&scene, &endpoint).await;
    scene.wait(event, "delivered").await;
}

/// A sidecar that dies while it asks loses nothing, and what was agreed to outlives it.
#[tokio::test]
async fn a_kill_in_the_middle_loses_nothing() {
    let mut scene = scene("verify_killed").await;
    let columns = json!({"timeout_seconds": 300});
    let endpoint = endpoint(&scene, "/asked", Reply::hang(), columns).await;
    let event = scene.publish(&endpoint).await;
    arrived(&scene, "/asked", "OPTIONS", 1).await;
    scene.sidecar.kill9().unwrap();
    answers(&scene, "/asked", agreement("*"));
    scene.sidecar = Sidecar::start(&scene.db).await.unwrap();
    scene.wait(event, "delivered").await;
    assert_eq!(count(&scene, "/asked", "OPTIONS"), 2);

    scene.sidecar.kill9().unwrap();
    scene.sidecar = Sidecar::start(&scene.db).await.unwrap();
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "delivered").await;
    assert_eq!(count(&scene, "/asked", "OPTIONS"), 2);
}

#[tokio::test]
async fn of_several_sidecars_one_asks() {
    let scene = scene("verify_several").await;
    let _second = Sidecar::start(&scene.db).await.unwrap();
    scene
        .db
        .wait_value(webhooks_tests::sidecar::SHARES, "8,8")
        .await
        .unwrap();
    let mut events: Vec<Uuid> = Vec::new();
    for n in 0..12 {
        let path = format!("/several/{n}");
        let endpoint = endpoint(&scene, &path, agreement("*"), json!({})).await;
        events.push(scene.publish(&endpoint).await);
    }
    for event in events {
        scene.wait(event, "delivered").await;
    }
    for n in 0..12 {
        assert_eq!(count(&scene, &format!("/several/{n}"), "OPTIONS"), 1, "{n}");
    }
}

/// The address policy is the deliveries'.
#[tokio::test]
async fn private_networks_are_not_asked() {
    let options = Options::default().without_private_networks();
    let scene = Scene::set_with("verify_policy", options).await;
    scene.db.execute(SET_ORIGIN).await.unwrap();
    let endpoint = endpoint(&scene, "/inside", agreement("*"), json!({})).await;
    let error = format!(
        "select verification_error like '%127.0.0.1%' from webhooks.subscription_health where subscription_id = '{}'",
        endpoint.subscription
    );
    scene
        .db
        .wait_value_within(END, &error, "true")
        .await
        .unwrap();
    assert_eq!(
        health(&scene, &endpoint, "verification_state").await,
        "pending"
    );
    assert_eq!(scene.receiver.connections(), 0);
}
