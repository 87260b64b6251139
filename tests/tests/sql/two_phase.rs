use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

/// Two subscriptions, in shards 1 and 2.
const SUBSCRIPTIONS: [&str; 2] = [
    "00000000-0000-7000-8000-000000000001",
    "00000000-0000-7000-8000-000000000002",
];
const ARM: &str = "select webhooks_private.arm_doorbell('{1,2}')";
const OUTSTANDING: &str =
    "select count(*), count(distinct event_log_id) from webhooks.delivery_queue";

async fn database(name: &str) -> (Database, Session, Session) {
    let db = Database::fresh(name).await.unwrap();
    for id in SUBSCRIPTIONS {
        subscribe(&db, json!({"id": id})).await;
    }
    let publisher = Session::open(&db).await;
    let sidecar = Session::open(&db).await;
    (db, publisher, sidecar)
}

fn prepare(db: &Database) -> String {
    // Names of prepared transactions are the cluster's.
    format!(
        "begin; select webhooks.publish_event('{TENANT}', 'job.created'); prepare transaction '{}'",
        db.name()
    )
}

#[tokio::test]
async fn a_prepared_event_is_published_by_commit_prepared() {
    let (db, publisher, sidecar) = database("prepared").await;
    publisher.run(&prepare(&db)).await;
    assert_eq!(sidecar.text(OUTSTANDING).await, "0|0");
    // Whoever prepared may be gone; a sidecar can't fall asleep before the decision.
    drop(publisher);
    assert_eq!(sidecar.text(ARM).await, "f");
    sidecar
        .run(&format!("commit prepared '{}'", db.name()))
        .await;
    assert_eq!(sidecar.text(OUTSTANDING).await, "2|1");
    assert_eq!(sidecar.text(ARM).await, "t");
}

#[tokio::test]
async fn rollback_prepared_publishes_nothing() {
    let (db, publisher, sidecar) = database("unprepared").await;
    publisher.run(&prepare(&db)).await;
    publisher
        .run(&format!("rollback prepared '{}'", db.name()))
        .await;
    assert_eq!(sidecar.text(OUTSTANDING).await, "0|0");
    let events = "select count(*) from webhooks.event_logs";
    assert_eq!(sidecar.text(events).await, "0");
    assert_eq!(sidecar.text(ARM).await, "t");
}

#[tokio::test]
async fn while_a_sidecar_sleeps_prepare_needs_notify_off() {
    let (db, publisher, sidecar) = database("prepare_asleep").await;
    assert_eq!(sidecar.text(ARM).await, "t");

    let refusal = publisher.refused(&prepare(&db)).await;
    assert_eq!(refusal.code, "0A000");
    assert!(refusal.message.contains("NOTIFY"), "{}", refusal.message);
    publisher.run("rollback").await;
    assert_eq!(publisher.text(OUTSTANDING).await, "0|0");

    publisher.run("set webhooks.notify = off").await;
    publisher.run(&prepare(&db)).await;
    publisher
        .run(&format!("commit prepared '{}'", db.name()))
        .await;
    assert_eq!(publisher.text(OUTSTANDING).await, "2|1");
}
