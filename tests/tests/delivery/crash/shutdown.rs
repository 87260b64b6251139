use std::time::{Duration, Instant};

use serde_json::json;
use webhooks_tests::process::Signal;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{Options, Sidecar};

use crate::scene::Scene;

const PATIENCE: Duration = Duration::from_secs(15);
const RECORDED: &str = "select count(*) from webhooks.delivery_attempts";

#[tokio::test]
async fn a_signal_lets_requests_finish_and_records_them() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut scene = Scene::set("drain").await;
        let reply = Reply::ok().after(Duration::from_millis(500));
        let columns = json!({"max_in_flight": 10});
        let endpoint = scene.endpoint("/hook", reply, columns).await;
        let published = scene.db.publish_many(endpoint.tenant, "job.created", 100);
        published.await.unwrap();
        scene.receiver.wait_for(15).await.unwrap();
        scene.sidecar.signal(signal).unwrap();
        let status = scene.sidecar.wait_exit(PATIENCE).await.unwrap();
        assert!(status.success(), "{status}");
        let log = scene.sidecar.log();
        assert_eq!(log.last().unwrap().message(), "stopped");

        // Everything that was sent is recorded, and nothing is sent twice.
        let sent = scene.receiver.count();
        assert!((15..100).contains(&sent), "{sent} sent: not in the middle");
        let recorded = scene.db.value(RECORDED).await.unwrap();
        assert_eq!(recorded, Some(sent.to_string()));
        scene.receiver.on("/hook", Reply::ok());
        let _next = Sidecar::start(&scene.db).await.unwrap();
        scene.db.wait_drained(PATIENCE).await.unwrap();
        assert_eq!(scene.receiver.count(), 100);
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_does_not_hold_up_the_end() {
    let options = Options::default().arg("--drain-timeout=1");
    let mut scene = Scene::set_with("hanging", options).await;
    let columns = json!({"timeout_seconds": 120});
    let endpoint = scene.endpoint("/hook", Reply::hang(), columns).await;
    let event = scene.publish(&endpoint).await;
    scene.receiver.wait_for(1).await.unwrap();
    let asked = Instant::now();
    scene.sidecar.sigterm().unwrap();
    let status = scene.sidecar.wait_exit(PATIENCE).await.unwrap();
    assert!(status.success(), "{status}");
    assert!(
        asked.elapsed() >= Duration::from_secs(1),
        "it was given its time"
    );
    let cut_off = scene.sidecar.log();
    assert!(
        cut_off
            .iter()
            .any(|line| line.message().starts_with("requests cut off"))
    );

    let (delivery, attempts) = scene.wait(event, "pending").await;
    assert_eq!(
        (delivery["delivery_attempt"].as_u64(), attempts.len()),
        (Some(1), 0)
    );
    scene.receiver.on("/hook", Reply::ok());
    let _next = Sidecar::start(&scene.db).await.unwrap();
    scene.wait(event, "delivered").await;
    let numbers: Vec<_> = scene
        .receiver
        .requests()
        .iter()
        .map(|r| r.attempt())
        .collect();
    assert_eq!(numbers, [Some(1), Some(1)], "the same attempt, made again");
}

/// A rolling restart under traffic: what is under way is not made twice, and what comes is delivered meanwhile.
#[tokio::test]
async fn while_one_finishes_another_delivers_and_repeats_nothing() {
    let mut scene = Scene::set("rolling").await;
    let reply = Reply::ok().after(Duration::from_secs(6));
    let slow = scene.endpoint("/slow", reply, json!({})).await;
    let quick = scene.endpoint("/quick", Reply::ok(), json!({})).await;
    let other = Sidecar::start(&scene.db).await.unwrap();
    let held = "select count(*) from pg_locks where locktype = 'userlock' and classid = 1464156749
                and database = (select oid from pg_database where datname = current_database())
                group by pid order by 1 limit 1";
    scene.db.wait_value(held, "8").await.unwrap();
    // One of each shard: some are the first one's.
    for shard in 0..16 {
        let id = format!("00000000-0000-7000-8000-0000000000{shard:02x}");
        let url = scene.receiver.url("/slow");
        let row = json!({"id": id, "tenant_id": slow.tenant, "name": id, "webhook_url": url});
        scene.db.subscribe(row).await.unwrap();
    }
    scene.publish(&slow).await;
    scene.receiver.wait_for(17).await.unwrap();
    scene.sidecar.sigterm().unwrap();
    // Rings the bells of the one that ends, too.
    for _ in 0..20 {
        let event = scene.publish(&quick).await;
        scene.wait(event, "delivered").await;
    }
    assert!(scene.sidecar.wait_exit(PATIENCE).await.unwrap().success());
    scene.db.wait_drained(PATIENCE).await.unwrap();
    assert_eq!(scene.receiver.requests_to("/slow").len(), 17);
    assert_eq!(scene.receiver.requests_to("/quick").len(), 20);
    drop(other);
}

#[tokio::test]
async fn the_sidecar_ends_while_the_database_is_unreachable() {
    let scene = Scene::set("unreachable").await;
    let silent = Receiver::start().unwrap();
    let url = format!("postgres://sidecar@{}/none", silent.address());
    drop(silent);
    let options = Options::default().database_url(url);
    let mut sidecar = Sidecar::spawn(&scene.db, options).unwrap();
    let lost = |line: &webhooks_tests::sidecar::LogLine| line.contains("reconnecting");
    sidecar.wait_log(PATIENCE, lost).await.unwrap();
    sidecar.sigterm().unwrap();
    let status = sidecar.wait_exit(PATIENCE).await.unwrap();
    assert!(status.success(), "{status}");
}
