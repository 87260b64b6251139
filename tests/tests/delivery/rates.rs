use std::time::{Duration, Instant};

use serde_json::json;
use uuid::Uuid;
use webhooks_tests::receiver::{Receiver, Reply, Request};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::Scene;

const END: Duration = Duration::from_secs(30);

/// Most requests of these events within any second.
fn most_within_a_second(receiver: &Receiver, events: &[Uuid]) -> usize {
    let at: Vec<Instant> = receiver
        .arrivals()
        .iter()
        .filter(|arrival| events.contains(&arrival.event_id))
        .map(|arrival| arrival.at)
        .collect();
    let within = |from: &Instant| {
        let from = *from;
        at.iter()
            .filter(|at| **at >= from && **at - from < Duration::from_secs(1))
            .count()
    };
    at.iter().map(within).max().unwrap_or(0)
}

#[tokio::test]
async fn a_rate_limit_is_kept_and_used_and_delays_nobody_else() {
    let scene = Scene::set("rate").await;
    let limits = json!({"rate_limit_per_second": 50, "rate_limit_burst": 10});
    let limited = scene.endpoint("/limited", Reply::ok(), limits).await;
    let free = scene.endpoint("/free", Reply::ok(), json!({})).await;
    // The sidecar has owned the shard for long enough to have a full bucket.
    let event = scene.publish(&limited).await;
    scene.wait(event, "delivered").await;
    let began = Instant::now();
    let published = scene.db.publish_many(limited.tenant, "job.created", 150);
    published.await.unwrap();
    let published = scene.db.publish_many(free.tenant, "job.created", 300);
    published.await.unwrap();
    let all_free =
        |requests: &[Request]| requests.iter().filter(|r| r.path == "/free").count() == 300;
    scene.receiver.wait_until(END, all_free).await.unwrap();
    assert!(
        scene.receiver.requests_to("/limited").len() <= 150,
        "the others wait for it"
    );
    scene.db.wait_drained(END).await.unwrap();
    let took = began.elapsed();
    assert!(
        (Duration::from_millis(2500)..Duration::from_secs(8)).contains(&took),
        "{took:?} for 150 at 50/s"
    );
    // When they were sent: on a busy machine requests arrive closer to each other. The bucket has 10 for the first second.
    let most = format!(
        "select max(n) from (
             select count(*) over (order by attempted_at range between current row and interval '999 ms' following) as n
             from webhooks.delivery_attempts where subscription_id = '{}') t",
        limited.subscription
    );
    let most: u32 = scene
        .db
        .value(&most)
        .await
        .unwrap()
        .unwrap()
        .parse()
        .unwrap();
    assert!((40..=66).contains(&most), "{most} within a second");
}

/// A new owner must not begin with a full bucket: over a kill, the rate holds.
#[tokio::test]
async fn a_rate_limit_holds_across_owners() {
    let mut scene = Scene::set("rate_owners").await;
    let limits = json!({"rate_limit_per_second": 10, "rate_limit_burst": 20});
    let limited = scene.endpoint("/limited", Reply::ok(), limits).await;
    let published = scene.db.publish_many(limited.tenant, "job.created", 60);
    let events = published.await.unwrap();
    for n in [10, 20, 30] {
        scene.receiver.wait_for_within(n, END).await.unwrap();
        scene.sidecar.kill9().unwrap();
        scene.sidecar = Sidecar::start(&scene.db).await.unwrap();
    }
    scene.db.wait_drained(END).await.unwrap();
    // On a busy machine a few arrive later than they were sent. Another full bucket would be 20 more.
    let most = most_within_a_second(&scene.receiver, &events);
    assert!(most <= 20 + 10 + 6, "{most} within a second");
}
