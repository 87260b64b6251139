//! When the next attempt is due: read from `next_retry_at`, not waited for.

use std::time::{Duration, SystemTime};

use serde_json::json;
use uuid::Uuid;
use webhooks_tests::receiver::Reply;
use webhooks_tests::wait::{Seen, eventually};

use crate::scene::Scene;

/// Seconds that recording a result may take on a busy machine.
const SLACK: f64 = 5.0;

/// Seconds from the end of an attempt to the next one's due time.
async fn pause(scene: &Scene, event: Uuid, attempt: usize) -> f64 {
    let query = format!(
        "select extract(epoch from next_retry_at - attempted_at) - duration_us / 1e6
         from webhooks.delivery_attempts where event_log_id = '{event}' and delivery_attempt = {attempt}"
    );
    let seen = async || {
        Ok(match scene.db.value(&query).await? {
            Some(pause) => Seen::Done(pause),
            None => Seen::not_yet("no such attempt"),
        })
    };
    let pause = eventually(Duration::from_secs(30), seen).await.unwrap();
    pause.parse().unwrap()
}

#[tokio::test]
async fn backoff_doubles_with_jitter_and_is_capped() {
    let scene = Scene::set("backoff").await;
    scene
        .db
        .execute("select webhooks.set_setting('max_retry_delay_seconds', 300)")
        .await
        .unwrap();
    let columns =
        json!({"retry_count": 4, "retry_delay_seconds": 100, "breaker_failure_threshold": 0});
    let endpoint = scene.endpoint("/down", Reply::status(503), columns).await;
    let events = scene
        .db
        .publish_many(endpoint.tenant, "job.created", 5)
        .await
        .unwrap();
    let mut firsts = Vec::new();
    for (attempt, low, high) in [
        (1, 90.0, 110.0),
        (2, 180.0, 220.0),
        (3, 270.0, 300.0),
        (4, 270.0, 300.0),
    ] {
        for event in &events {
            let pause = pause(&scene, *event, attempt).await;
            assert!(
                low <= pause && pause < high + SLACK,
                "attempt {attempt}: {pause} s"
            );
            if attempt == 3 {
                firsts.push(pause);
            }
        }
        let due = "update webhooks.delivery_queue set next_attempt_at = clock_timestamp()";
        scene.db.execute(due).await.unwrap();
    }
    firsts.sort_by(f64::total_cmp);
    assert!(firsts[0] < firsts[4], "no jitter: {firsts:?}");
    for event in events {
        let (delivery, attempts) = scene.wait(event, "failed").await;
        assert_eq!(
            (delivery["delivery_attempt"].as_u64(), attempts.len()),
            (Some(5), 5)
        );
    }
}

#[tokio::test]
async fn a_schedule_is_kept_and_no_setting_caps_it() {
    let scene = Scene::set("schedule").await;
    // 10 h are more than max_retry_delay_seconds.
    let columns =
        json!({"retry_schedule": "100 s, 10 h", "retry_count": 0, "retry_delay_seconds": 7});
    let endpoint = scene.endpoint("/down", Reply::status(500), columns).await;
    let event = scene.publish(&endpoint).await;
    for (attempt, low, high) in [(1, 90.0, 110.0), (2, 32_400.0, 39_600.0)] {
        let pause = pause(&scene, event, attempt).await;
        assert!(
            low <= pause && pause < high + SLACK,
            "attempt {attempt}: {pause} s"
        );
        let due = "update webhooks.delivery_queue set next_attempt_at = clock_timestamp()";
        scene.db.execute(due).await.unwrap();
    }
    let (_, attempts) = scene.wait(event, "failed").await;
    assert_eq!(attempts.len(), 3);
}

#[tokio::test]
async fn retry_after_is_obeyed_up_to_the_cap() {
    let scene = Scene::set("retry_after").await;
    scene
        .db
        .execute("select webhooks.set_setting('max_retry_after_seconds', 1000)")
        .await
        .unwrap();
    let date = |seconds| {
        let at = SystemTime::now() + Duration::from_secs(seconds);
        httpdate::fmt_http_date(at)
    };
    // HTTP dates have whole seconds: up to one less.
    let cases = [
        (429, "700".to_owned(), 700.0, 700.0),
        (503, "700".to_owned(), 700.0, 700.0),
        (429, date(500), 480.0, 500.0),
        (503, date(500), 480.0, 500.0),
        (503, "7777777".to_owned(), 1000.0, 1000.0),
        (503, "99999999999999999999999".to_owned(), 1000.0, 1000.0),
        (429, date(90_000), 1000.0, 1000.0),
        // The backoff is longer; not valid; not for this status.
        (503, "1".to_owned(), 90.0, 110.0),
        (503, "Sun, 06 Nov 1994 08:49:37 GMT".to_owned(), 90.0, 110.0),
        (429, "soon".to_owned(), 90.0, 110.0),
        (500, "700".to_owned(), 90.0, 110.0),
        (302, "700".to_owned(), 90.0, 110.0),
    ];
    let mut published = Vec::new();
    for (n, (status, value, low, high)) in cases.into_iter().enumerate() {
        let reply = Reply::retry_after(status, &value);
        let columns = json!({"retry_delay_seconds": 100});
        let endpoint = scene.endpoint(&format!("/{n}"), reply, columns).await;
        published.push((scene.publish(&endpoint).await, status, value, low, high));
    }
    for (event, status, value, low, high) in published {
        let pause = pause(&scene, event, 1).await;
        assert!(
            low <= pause && pause < high + SLACK,
            "{status}, Retry-After {value}: {pause} s"
        );
    }
}

#[tokio::test]
async fn the_next_attempt_is_made_when_due_not_before() {
    let scene = Scene::set("due").await;
    let endpoint = scene.endpoint("/busy", Reply::ok(), json!({})).await;
    let replies = [Reply::retry_after(503, "1"), Reply::ok()];
    scene.receiver.on_sequence("/busy", replies);
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "delivered").await;
    let between = format!(
        "select extract(epoch from second.attempted_at - first.next_retry_at)
         from webhooks.delivery_attempts first
         join webhooks.delivery_attempts second using (delivery_id)
         where first.event_log_id = '{event}' and first.delivery_attempt = 1 and second.delivery_attempt = 2"
    );
    let late: f64 = scene
        .db
        .value(&between)
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap();
    assert!((0.0..SLACK).contains(&late), "{late} s after it was due");
}
