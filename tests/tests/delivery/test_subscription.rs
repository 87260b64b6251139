//! Tests of subscriptions, from the call to what psql sees of the answer. The backstop poll is out of reach.

use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tokio_postgres::SimpleQueryMessage;
use uuid::Uuid;
use webhooks_tests::database::MANAGER_ROLE;
use webhooks_tests::receiver::{Reply, Request};
use webhooks_tests::sidecar::Options;

use crate::scene::{Endpoint, Scene, text};

async fn set(name: &str) -> Scene {
    Scene::set_with(name, Options::default().arg("--poll-interval=300")).await
}

/// Tests a subscription.
///
/// Returns: the delivery's id.
async fn test(scene: &Scene, endpoint: &Endpoint) -> String {
    let test = format!(
        "select webhooks.test_subscription('{}')",
        endpoint.subscription
    );
    scene.db.value(&test).await.unwrap().unwrap()
}

/// How a delivery went.
async fn outcome(scene: &Scene, delivery: &str) -> Value {
    let wait = format!("select * from webhooks.wait_for_delivery('{delivery}')");
    scene.db.rows(&wait).await.unwrap().remove(0)
}

async fn update(scene: &Scene, endpoint: &Endpoint, set: &str) {
    let update = format!(
        "update webhooks.webhook_subscriptions set {set} where id = '{}'",
        endpoint.subscription
    );
    scene.db.execute(&update).await.unwrap();
}

fn is_test(request: &Request) -> bool {
    request.header("x-webhook-test") == Some("true")
}

/// The outstanding deliveries to a subscription, tests aside.
async fn assert_held(scene: &Scene, endpoint: &Endpoint, n: usize) {
    let held = format!(
        "select count(*) from webhooks.delivery_states where subscription_id = '{}' and not is_test and delivery_status in ('pending', 'retrying')",
        endpoint.subscription
    );
    let held = scene.db.value(&held).await.unwrap().unwrap();
    assert_eq!(held, n.to_string());
}

/// As whoever manages the subscription does it in psql, and it is a request as any other is.
#[tokio::test]
async fn a_test_is_sent_to_one_alone_and_its_answer_is_seen() {
    let scene = set("test").await;
    let secret = scene.db.value("select webhooks.generate_secret()").await;
    let secret = secret.unwrap().unwrap();
    let columns = json!({
        "auth_type": "signature", "auth_config": {"secret": secret}, "webhook_headers": {"x-team": "records"}, "webhook_method": "PUT",
        "subscribed_events": ["job.failed"],
    });
    let reply = Reply::status(202).header("x-answer", "42").body("taken");
    let endpoint = scene.endpoint("/hook", reply, columns).await;
    // Of the same tenant, and of the same type.
    let others = json!({"tenant_id": endpoint.tenant});
    scene.endpoint("/other", Reply::ok(), others).await;

    let manager = scene.db.connect_as(MANAGER_ROLE).await.unwrap();
    let tenant = format!("set webhooks.tenant_id = '{}'", endpoint.tenant);
    manager.batch_execute(&tenant).await.unwrap();
    let test = format!(
        "select webhooks.test_subscription('{}')",
        endpoint.subscription
    );
    let delivery: Uuid = manager.query_one(&test, &[]).await.unwrap().get(0);
    let wait = format!(
        "select is_final, status, attempts, http_status_code, response_headers ->> 'x-answer', response_body, error_message, duration_us > 0, next_retry_at
         from webhooks.wait_for_delivery('{delivery}')"
    );
    let messages = manager.simple_query(&wait).await.unwrap();
    let row = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let row: Vec<_> = (0..9).map(|n| row.unwrap().get(n)).collect();
    let expected = [
        Some("t"),
        Some("delivered"),
        Some("1"),
        Some("202"),
        Some("42"),
        Some("taken"),
        None,
        Some("t"),
        None,
    ];
    assert_eq!(row, expected);

    let requests = scene.receiver.requests();
    let [request] = &requests[..] else {
        panic!("{} requests", requests.len());
    };
    assert_eq!(request.path, "/hook");
    assert!(is_test(request));
    assert_eq!(request.delivery_id(), Some(delivery));
    assert_eq!(request.attempt(), Some(1));
    assert_eq!(request.header("x-team"), Some("records"));
    assert_eq!(request.header("x-webhook-event-type"), Some("job.failed"));
    let library = Webhook::new(&secret).unwrap();
    library.verify(&request.body, &request.headers).unwrap();
    let body = request.json();
    assert_eq!(body["test"], true);
    assert_eq!(body["event"]["name"], "Test: A job failed");
    assert_eq!(body["tenant_id"], json!(endpoint.tenant));
    assert_eq!(body["data"]["error"], "the storage is full");
    let previewed = format!(
        "select webhooks.build_payload('{}', '{}')",
        request.event_id().unwrap(),
        endpoint.subscription
    );
    let previewed = scene.db.value(&previewed).await.unwrap().unwrap();
    assert_eq!(previewed.as_bytes(), &request.body[..]);
    // Whoever looks at the log sees what it was.
    let attempts = scene
        .db
        .attempts(request.event_id().unwrap())
        .await
        .unwrap();
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0]["is_test"], true);
    // An event is none, and goes to both.
    let published = scene.db.publish(endpoint.tenant, "job.failed", json!({}));
    let event = published.await.unwrap();
    let requests = scene.receiver.wait_for(3).await.unwrap();
    for request in &requests[1..] {
        assert_eq!(request.event_id(), Some(event));
        assert_eq!(request.header("x-webhook-test"), None);
        assert_eq!(request.json().get("test"), None);
    }
}

#[tokio::test]
async fn a_disabled_subscription_gets_the_test_and_nothing_else() {
    let scene = set("test_disabled").await;
    let endpoint = scene
        .endpoint(
            "/hook",
            Reply::hang(),
            json!({"max_in_flight": 1, "timeout_seconds": 300}),
        )
        .await;
    scene
        .db
        .publish_many(endpoint.tenant, "job.created", 100)
        .await
        .unwrap();
    // The first of its backlog hangs.
    scene.receiver.wait_for(1).await.unwrap();
    scene.receiver.on("/hook", Reply::ok());
    for off in [
        "is_enabled = false",
        "is_active = false",
        "is_enabled = true",
    ] {
        update(&scene, &endpoint, off).await;
        let delivery = test(&scene, &endpoint).await;
        let outcome = outcome(&scene, &delivery).await;
        assert_eq!(outcome["status"], "delivered", "{outcome}");
        assert_held(&scene, &endpoint, 100).await;
    }
    let requests = scene.receiver.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests[1..].iter().all(is_test));
    let state = format!(
        "select is_active, is_enabled, disabled_reason from webhooks.webhook_subscriptions where id = '{}'",
        endpoint.subscription
    );
    let state = scene.db.rows(&state).await.unwrap().remove(0);
    assert_eq!(
        state,
        json!({"is_active": false, "is_enabled": true, "disabled_reason": null})
    );
}

/// One attempt, whatever comes of it, and nothing follows: no retry, no open breaker, no disabling.
#[tokio::test]
async fn a_test_that_fails_changes_nothing() {
    let scene = set("test_fails").await;
    let columns = json!({
        "retry_count": 5, "breaker_failure_threshold": 1, "subscribed_events": ["job.created"], "timeout_seconds": 1,
    });
    let endpoint = scene
        .endpoint("/hook", Reply::status(500), columns.clone())
        .await;
    for (reply, code, error) in [
        (
            Reply::status(503).body("down"),
            json!(503),
            "HTTP status 503",
        ),
        (Reply::gone(), json!(410), "HTTP status 410"),
        (Reply::hang(), Value::Null, "no complete response within"),
        (Reply::close(), Value::Null, ""),
        // The last: what the receiver asks of all requests is kept.
        (Reply::retry_after(429, "1"), json!(429), "HTTP status 429"),
    ] {
        scene.receiver.on("/hook", reply);
        let delivery = test(&scene, &endpoint).await;
        let outcome = outcome(&scene, &delivery).await;
        assert_eq!(outcome["is_final"], true, "{outcome}");
        assert_eq!(outcome["status"], "failed", "{outcome}");
        assert_eq!(outcome["attempts"], 1, "{outcome}");
        assert_eq!(outcome["http_status_code"], code, "{outcome}");
        assert_eq!(outcome["next_retry_at"], Value::Null, "{outcome}");
        assert!(text(&outcome["error_message"]).contains(error), "{outcome}");
        assert!(!text(&outcome["error_message"]).contains("disabled"));
    }
    assert_eq!(scene.receiver.count(), 5);
    let health = format!(
        "select is_delivered_to, breaker_state, failing_since, disabled_reason from webhooks.subscription_health where subscription_id = '{}'",
        endpoint.subscription
    );
    let untouched = json!({"is_delivered_to": true, "breaker_state": "closed", "failing_since": null, "disabled_reason": null});
    assert_eq!(scene.db.rows(&health).await.unwrap(), [untouched]);
    let queued = "select count(*) from webhooks.delivery_queue";
    assert_eq!(scene.db.value(queued).await.unwrap().as_deref(), Some("0"));
    // The next event goes when the pause is over.
    scene.receiver.on("/hook", Reply::ok());
    let published = scene.db.publish(endpoint.tenant, "job.created", json!({}));
    scene.wait(published.await.unwrap(), "delivered").await;
}

/// A test for which no request can be made says so, too.
#[tokio::test]
async fn a_test_that_can_not_be_sent_says_why() {
    let scene = Scene::set_with(
        "test_refused",
        Options::default()
            .arg("--poll-interval=300")
            .without_private_networks(),
    )
    .await;
    // An address that policy refuses, and a template that wants what the type's example does not have.
    let template = json!({"subscribed_events": ["document.processed"], "payload_template": r#"{"next": {{ data.pages + 1 }}}"#});
    for (columns, event_type, error) in [
        (json!({}), "job.failed", "127.0.0.1"),
        (template, "job.failed", "payload_template"),
    ] {
        let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
        let test = format!(
            "select webhooks.test_subscription('{}', '{event_type}')",
            endpoint.subscription
        );
        let delivery = scene.db.value(&test).await.unwrap().unwrap();
        let outcome = outcome(&scene, &delivery).await;
        assert_eq!(outcome["status"], "failed", "{outcome}");
        assert!(text(&outcome["error_message"]).contains(error), "{outcome}");
    }
    assert_eq!(scene.receiver.count(), 0);
}

/// Neither an open breaker, nor a rate, nor a lane that waits for its first holds a test back, or is moved by one.
#[tokio::test]
async fn a_test_goes_past_what_waits() {
    let scene = set("test_past").await;
    let columns = json!({
        "ordering": "fifo", "retry_delay_seconds": 3600, "max_in_flight": 1, "breaker_failure_threshold": 1, "breaker_cooldown_seconds": 3600,
    });
    let endpoint = scene.endpoint("/hook", Reply::status(500), columns).await;
    let published = scene.db.publish_many(endpoint.tenant, "job.created", 10);
    published.await.unwrap();
    let health = "select breaker_state, breaker_since, probe_at, failing_since, last_error from webhooks.subscription_health";
    let open = "select breaker_state from webhooks.subscription_health";
    scene.db.wait_value(open, "open").await.unwrap();
    // One request in a quarter of an hour, and the next of them is long to come.
    update(&scene, &endpoint, "rate_limit_per_second = 0.001").await;
    let before = scene.db.rows(health).await.unwrap();
    for (reply, status) in [(Reply::ok(), "delivered"), (Reply::status(500), "failed")] {
        scene.receiver.on("/hook", reply);
        let delivery = test(&scene, &endpoint).await;
        let outcome = outcome(&scene, &delivery).await;
        assert_eq!(outcome["status"], status, "{outcome}");
        assert_held(&scene, &endpoint, 10).await;
        assert_eq!(scene.db.rows(health).await.unwrap(), before);
    }
    let requests = scene.receiver.requests();
    assert_eq!(requests.len(), 3);
    assert!(requests[1..].iter().all(is_test));
}

/// Each format says that it is a test, in its own way.
#[tokio::test]
async fn tests_are_marked_in_every_format() {
    let scene = set("test_formats").await;
    let template = r#"{"is_test": {{ test }}, "text": "{{ event.name }}"}"#;
    for (n, (columns, expected)) in [
        (json!({"payload_format": "standard"}), json!({"test": true})),
        (
            json!({"payload_format": "cloudevents"}),
            json!({"test": true}),
        ),
        (json!({"payload_format": "cloudevents-binary"}), json!({})),
        (
            json!({"payload_template": template}),
            json!({"is_test": true, "text": "Test: A job was created"}),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/{n}");
        let mut columns = columns;
        columns["subscribed_events"] = json!(["job.created"]);
        let endpoint = scene.endpoint(&path, Reply::ok(), columns.clone()).await;
        let delivery = test(&scene, &endpoint).await;
        assert_eq!(outcome(&scene, &delivery).await["status"], "delivered");
        let requests = scene.receiver.requests_to(&path);
        let [request] = &requests[..] else {
            panic!("{} requests", requests.len());
        };
        assert!(is_test(request), "{columns}");
        let body = request.json();
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&body[name], value, "{columns}: {body}");
        }
        let binary = columns["payload_format"] == "cloudevents-binary";
        assert_eq!(request.header("ce-test"), binary.then_some("true"));
        if columns["payload_format"]
            .as_str()
            .is_some_and(|format| format.starts_with("cloudevents"))
        {
            let event =
                cloudevents::binding::http::to_event(&request.headers, request.body.to_vec());
            let event = event.unwrap();
            let test = event.extension("test").map(ToString::to_string);
            assert_eq!(test.as_deref(), Some("true"), "{columns}");
        }
    }
}

/// One after the other, and without a NOTIFY as well; a sidecar that starts finds those that wait.
#[tokio::test]
async fn every_test_is_made() {
    let mut scene = set("test_many").await;
    let endpoint = scene.endpoint("/hook", Reply::ok(), json!({})).await;
    let three = format!(
        "begin; set local webhooks.notify = off; select webhooks.test_subscription('{}') from generate_series(1, 3); commit",
        endpoint.subscription
    );
    scene.db.execute(&three).await.unwrap();
    scene.receiver.wait_for(3).await.unwrap();
    assert_eq!(scene.receiver.peak_in_flight("/hook"), 1);
    scene
        .db
        .wait_drained(webhooks_tests::PATIENCE)
        .await
        .unwrap();
    scene.sidecar.kill9().unwrap();
    let delivery = test(&scene, &endpoint).await;
    let stale = test(&scene, &endpoint).await;
    let expire =
        format!("update webhooks.delivery_queue set expires_at = now() where id = '{stale}'");
    scene.db.execute(&expire).await.unwrap();
    scene.sidecar = webhooks_tests::sidecar::Sidecar::start(&scene.db)
        .await
        .unwrap();
    assert_eq!(outcome(&scene, &delivery).await["status"], "delivered");
    assert_eq!(outcome(&scene, &stale).await["status"], "expired");
    assert_eq!(scene.receiver.count(), 4);
}
