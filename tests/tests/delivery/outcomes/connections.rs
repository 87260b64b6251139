use std::net::TcpListener;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Options;

use crate::scene::{Scene, subscribe, text};
use crate::tls_receiver::TlsReceiver;

/// Publishes to a URL that can't be delivered to. Returns the event.
async fn publish_to(scene: &Scene, url: &str, columns: Value) -> Uuid {
    let endpoint = subscribe(&scene.db, url, columns).await;
    scene.publish(&endpoint).await
}

/// Waits until a delivery has failed, by an error of which this is a part.
async fn failed(scene: &Scene, event: Uuid, attempts_made: usize, part: &str) {
    let (delivery, attempts) = scene.wait(event, "failed").await;
    assert_eq!(attempts.len(), attempts_made, "{delivery}");
    assert!(
        text(&delivery["error_message"]).contains(part),
        "{part}: {delivery}"
    );
    for retried in &attempts[..attempts_made - 1] {
        assert_eq!(retried["delivery_status"], "retrying");
        assert!(text(&retried["error_message"]).contains(part), "{retried}");
    }
}

#[tokio::test]
async fn broken_connections_are_retried_and_named() {
    let scene = Scene::set("connections").await;
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = format!("http://{}/", closed.local_addr().unwrap());
    drop(closed);
    let plain = scene.receiver.url("/plain").replace("http:", "https:");
    let one_retry = || json!({"retry_count": 1, "timeout_seconds": 10});
    let mut expected = vec![
        (
            publish_to(&scene, &refused, one_retry()).await,
            2,
            "Connection refused",
        ),
        (
            publish_to(&scene, "http://nowhere.invalid/x", one_retry()).await,
            2,
            "can't resolve nowhere.invalid",
        ),
        (
            publish_to(&scene, &plain, one_retry()).await,
            2,
            "TLS: the server does not speak TLS on this port",
        ),
    ];
    for (path, reply, part) in [
        ("/reset", Reply::reset(), "reset"),
        ("/close", Reply::close(), "closed"),
        (
            "/short",
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length").into(),
            "end of file",
        ),
    ] {
        let endpoint = scene.endpoint(path, reply, one_retry()).await;
        expected.push((scene.publish(&endpoint).await, 2, part));
    }
    for (event, attempts, part) in expected {
        failed(&scene, event, attempts, part).await;
    }
}

#[tokio::test]
async fn one_deadline_covers_everything() {
    let scene = Scene::set("deadline").await;
    let columns = || json!({"timeout_seconds": 1, "retry_count": 1});
    let part = "no complete response within timeout_seconds (1)";
    let mut events = Vec::new();
    for (path, reply) in [
        ("/hang", Reply::hang()),
        ("/late", Reply::ok().after(Duration::from_secs(30))),
        (
            "/drip",
            Reply::raw("HTTP/1.1 200 OK\r\nX-A: ").then_drip("x", Duration::from_millis(20)),
        ),
        (
            "/headers",
            Reply::raw("HTTP/1.1 200 OK\r\nX-A: b\r\n").then_hang(),
        ),
        (
            "/continue",
            Reply::raw("HTTP/1.1 100 Continue\r\n\r\n").then_hang(),
        ),
    ] {
        let endpoint = scene.endpoint(path, reply, columns()).await;
        events.push((path, scene.publish(&endpoint).await));
    }
    // A TCP connection that is accepted by the kernel and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", silent.local_addr().unwrap());
    events.push(("silent", publish_to(&scene, &url, columns()).await));
    for (path, event) in events {
        failed(&scene, event, 2, part).await;
        let durations = format!(
            "select string_agg(duration_us::text, ', ') from webhooks.delivery_attempts
             where event_log_id = '{event}' and duration_us not between 1000000 and 20000000"
        );
        let wrong = scene.db.value(&durations).await.unwrap();
        assert_eq!(
            wrong, None,
            "{path}: microseconds for a deadline of a second"
        );
    }
}

#[tokio::test]
async fn certificates_are_checked() {
    let receiver = TlsReceiver::start().await;
    let authority = receiver.authority.path().to_str().unwrap().to_owned();
    let columns = || json!({"retry_count": 0});
    let url = |host| format!("https://{host}:{}/", receiver.address.port());

    let scene = Scene::set("untrusted").await;
    let event = publish_to(&scene, &url("localhost"), columns()).await;
    let refusal = "is not trusted, and the server sent no intermediate certificates";
    failed(&scene, event, 1, refusal).await;
    assert_eq!(receiver.count(), 0);

    let options = Options::default().arg("--receiver-ca-file").arg(authority);
    let scene = Scene::set_with("trusted", options).await;
    let event = publish_to(&scene, &url("localhost"), columns()).await;
    scene.wait(event, "delivered").await;
    let event = publish_to(&scene, &url("127.0.0.1"), columns()).await;
    let refusal = "TLS: the certificate is not for 127.0.0.1, but for localhost";
    failed(&scene, event, 1, refusal).await;
    assert_eq!(receiver.count(), 1);
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let scene = Scene::set_with("private", Options::default().without_private_networks()).await;
    let port = scene.receiver.address().port();
    let mut events = Vec::new();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "10.1.2.3",
        "169.254.169.254",
    ] {
        let url = format!("http://{host}:{port}/");
        events.push(
            publish_to(
                &scene,
                &url,
                json!({"retry_count": 0, "timeout_seconds": 5}),
            )
            .await,
        );
    }
    for event in events {
        failed(&scene, event, 1, "--allow-network").await;
    }
    assert_eq!(scene.receiver.connections(), 0);

    // Allowed: one network, not all.
    let options = Options::default()
        .without_private_networks()
        .env("WEBHOOKS_ALLOW_NETWORKS", "127.0.0.1/32,10.0.0.0/8");
    let scene = Scene::set_with("allowed", options).await;
    scene
        .play("/hook", Reply::ok(), json!({}), "delivered")
        .await;
    let other = Receiver::start().unwrap();
    let url = format!("http://127.0.0.2:{}/", other.address().port());
    let event = publish_to(&scene, &url, json!({"retry_count": 0})).await;
    failed(&scene, event, 1, "--allow-network").await;
}
