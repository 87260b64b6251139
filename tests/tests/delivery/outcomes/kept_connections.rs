//! Connections that are kept for the next request: what receivers do to them, and who shares them.

use std::time::Duration;

use serde_json::{Value, json};
use webhooks_tests::PATIENCE;
use webhooks_tests::receiver::Reply;
use webhooks_tests::receivers::{Closing, Server, closes_connections};
use webhooks_tests::sidecar::Options;

use crate::scene::{Endpoint, Scene, subscribe};

async fn endpoint(scene: &Scene, server: &Server) -> Endpoint {
    let columns = json!({"retry_count": 1, "timeout_seconds": 10, "max_in_flight": 5});
    subscribe(&scene.db, &server.url("/hook"), columns).await
}

/// Publishes an event and waits for its only attempt's end, which is a success. Returns how often it was sent again.
async fn delivered_at_once(scene: &Scene, endpoint: &Endpoint) -> u64 {
    let event = scene.publish(endpoint).await;
    let (delivery, attempts) = scene.wait(event, "delivered").await;
    assert_eq!(attempts.len(), 1, "{attempts:?}");
    assert_eq!(delivery["http_status_code"], 200);
    assert_eq!(delivery["response_body"], "ok");
    delivery["resent_count"].as_u64().unwrap()
}

#[tokio::test]
async fn a_request_that_meets_a_closed_connection_is_sent_again() {
    let options = Options::default().env("WEBHOOKS_LOG", "info,webhooks_sidecar=debug");
    let scene = Scene::set_with("sent_again", options).await;
    for closing in [
        Closing::NextRequest,
        Closing::ResetNextRequest,
        Closing::NextRequestWith408,
        Closing::ResetNextRequestWith408,
    ] {
        let server = closes_connections(closing).unwrap();
        let endpoint = endpoint(&scene, &server).await;
        assert_eq!(delivered_at_once(&scene, &endpoint).await, 0);
        assert_eq!(delivered_at_once(&scene, &endpoint).await, 1, "{closing:?}");
        assert_eq!(server.connections(), 2, "{closing:?}");
        assert_eq!(server.heads().len(), 3, "{closing:?}");
        // The same request, and the same attempt.
        assert_eq!(server.heads()[1], server.heads()[2]);
    }
    let said = "the request is sent again on a new one";
    let log = scene.sidecar.wait_log(PATIENCE, |line| line.contains(said));
    log.await.unwrap();
    let counts = "select string_agg(resent_count::text, ' ' order by delivery_id) from webhooks.delivery_attempts";
    assert_eq!(
        scene.db.value(counts).await.unwrap().as_deref(),
        Some("1 1 1 1")
    );
}

#[tokio::test]
async fn requests_answered_in_part_or_on_a_new_connection_are_not_sent_again() {
    let scene = Scene::set("not_again").await;
    let server = closes_connections(Closing::NextRequestInTheMiddle).unwrap();
    let in_the_middle = endpoint(&scene, &server).await;
    assert_eq!(delivered_at_once(&scene, &in_the_middle).await, 0);
    let event = scene.publish(&in_the_middle).await;
    let (_, attempts) = scene.wait(event, "delivered").await;
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0]["delivery_status"], "retrying");
    assert_eq!(attempts[0]["resent_count"], Value::Null);
    assert_eq!(server.heads().len(), 3);

    let columns = json!({"retry_count": 2});
    let (_, attempts) = scene
        .play("/close", Reply::close(), columns, "failed")
        .await;
    assert_eq!(attempts.len(), 3);
    assert_eq!(scene.receiver.requests_to("/close").len(), 3);
}

#[tokio::test]
async fn receivers_that_close_connections_cost_no_attempt() {
    let scene = Scene::set("closers").await;
    let idle = Duration::from_millis(20);
    for closing in [
        Closing::AtOnce,
        Closing::Idle(idle),
        Closing::IdleWith408(idle),
    ] {
        let server = closes_connections(closing).unwrap();
        let endpoint = endpoint(&scene, &server).await;
        let delivered = format!(
            "select count(*) filter (where delivery_status = 'delivered' and http_status_code = 200) || ' of ' || count(*)
             from webhooks.delivery_attempts where subscription_id = '{}'",
            endpoint.subscription
        );
        // In a burst, and about as far apart as the connections live.
        let published = scene.db.publish_many(endpoint.tenant, "job.created", 300);
        published.await.unwrap();
        scene.db.wait_value(&delivered, "300 of 300").await.unwrap();
        for _ in 0..40 {
            scene.publish(&endpoint).await;
            tokio::time::sleep(idle).await;
        }
        scene.db.wait_value(&delivered, "340 of 340").await.unwrap();
    }
}

/// An unasked-for 408 is not the answer to what is sent next.
#[tokio::test]
async fn an_idle_connection_that_was_closed_is_not_used() {
    let scene = Scene::set("idle_408").await;
    let idle = Duration::from_millis(100);
    for closing in [Closing::Idle(idle), Closing::IdleWith408(idle)] {
        let server = closes_connections(closing).unwrap();
        let endpoint = endpoint(&scene, &server).await;
        for n in 1..=3 {
            assert_eq!(delivered_at_once(&scene, &endpoint).await, 0, "{closing:?}");
            assert_eq!(server.connections(), n);
            tokio::time::sleep(idle * 5).await;
        }
    }
}

#[tokio::test]
async fn subscriptions_share_no_connection_and_use_their_own_again() {
    let scene = Scene::set("own_connections").await;
    let mut endpoints = Vec::new();
    for path in ["/a", "/b"] {
        endpoints.push(scene.endpoint(path, Reply::ok(), json!({})).await);
    }
    for _ in 0..3 {
        for endpoint in &endpoints {
            let event = scene.publish(endpoint).await;
            scene.wait(event, "delivered").await;
        }
    }
    let connections = |path| -> Vec<u64> {
        let requests = scene.receiver.requests_to(path);
        requests.iter().map(|request| request.connection).collect()
    };
    assert_eq!(connections("/a"), [1, 1, 1]);
    assert_eq!(connections("/b"), [2, 2, 2]);
}

/// A subscription that never ends waiting for others' connections would be another kind of unfairness.
#[tokio::test]
async fn idle_connections_are_bounded_and_the_oldest_make_room() {
    let options = Options::default().arg("--concurrency").arg("2");
    let scene = Scene::set_with("few_connections", options).await;
    let mut endpoints = Vec::new();
    // Four times as many connections may be there.
    for n in 0..9 {
        let path = format!("/{n}");
        endpoints.push(scene.endpoint(&path, Reply::ok(), json!({})).await);
    }
    for endpoint in endpoints.iter().chain([&endpoints[8], &endpoints[0]]) {
        let event = scene.publish(endpoint).await;
        scene.wait(event, "delivered").await;
    }
    let requests = scene.receiver.requests();
    let connections: Vec<u64> = requests.iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 10]);
}
