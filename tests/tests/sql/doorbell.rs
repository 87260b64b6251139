//! The protocol of `sql/sidecar/doorbell.sql`, each party a session. The lines of a test are the order of events.

use serde_json::json;
use webhooks_tests::database::{Database, PUBLISHER_ROLE, SIDECAR_ROLE};

use crate::support::claim::Claim;
use crate::support::listener::Listener;
use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

const BELL: &str = "webhooks_doorbell";
const PUBLISH: &str =
    "select webhooks.publish_event('11111111-1111-4111-8111-111111111111', 'job.created')";
/// The last ones are those that publishers ring: what was armed before must be disarmed again.
const ARM: &str = "select webhooks_private.arm_doorbell('{3,2,1}')";
const DISARM: &str = "select webhooks_private.disarm_doorbell('{1,2,3}')";
const BELLS_HELD: &str =
    "select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'userlock'";

/// A database whose tenant has a subscription in each of the shards 1 and 2; a publisher, a sidecar and its ear.
async fn database(name: &str) -> (Database, Session, Session, Listener) {
    let db = Database::fresh(name).await.unwrap();
    for shard in [1, 2] {
        let id = format!("00000000-0000-7000-8000-00000000000{shard}");
        subscribe(&db, json!({"id": id})).await;
    }
    let publisher = publisher_of(&db).await;
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    let ear = Listener::on(&db, BELL).await;
    (db, publisher, sidecar, ear)
}

async fn publisher_of(db: &Database) -> Session {
    let publisher = Session::open_as(db, PUBLISHER_ROLE).await;
    publisher
        .run(&format!(
            "select webhooks.set_tenant('{TENANT}', for_session => true)"
        ))
        .await;
    publisher
}

#[tokio::test]
async fn an_awake_sidecar_is_not_notified() {
    let (_db, publisher, sidecar, mut ear) = database("awake").await;
    publisher.run(PUBLISH).await;
    // Also by one that slept before, and by a publisher in the middle of its transaction when it woke.
    assert_eq!(sidecar.text(ARM).await, "t");
    sidecar.run(DISARM).await;
    publisher.run(PUBLISH).await;
    assert!(ear.heard(BELL).await.is_empty());
    assert_eq!(sidecar.text(BELLS_HELD).await, "0");
}

#[tokio::test]
async fn a_sleeping_sidecar_is_notified_at_commit() {
    let (_db, publisher, sidecar, mut ear) = database("asleep").await;
    assert_eq!(sidecar.text(ARM).await, "t");
    publisher.run("begin").await;
    for _ in 0..3 {
        publisher.run(PUBLISH).await;
    }
    assert!(ear.heard(BELL).await.is_empty());
    publisher.run("commit").await;
    // Once a shard.
    assert_eq!(ear.heard(BELL).await, ["1", "2"]);
    // As long as it sleeps: a notification says nothing about the next transaction.
    publisher.run(PUBLISH).await;
    assert_eq!(ear.heard(BELL).await, ["1", "2"]);
}

#[tokio::test]
async fn only_the_shards_that_sleep_are_notified() {
    let (_db, publisher, sidecar, mut ear) = database("half_asleep").await;
    let arm = "select webhooks_private.arm_doorbell('{0,2,4}')";
    assert_eq!(sidecar.text(arm).await, "t");
    publisher.run(PUBLISH).await;
    assert_eq!(ear.heard(BELL).await, ["2"]);
}

#[tokio::test]
async fn an_event_that_is_rolled_back_wakes_no_sidecar() {
    let (_db, publisher, sidecar, mut ear) = database("wakes_nobody").await;
    assert_eq!(sidecar.text(ARM).await, "t");
    publisher.run(&format!("begin; {PUBLISH}; rollback")).await;
    publisher
        .run(&format!(
            "begin; savepoint s; {PUBLISH}; rollback to s; commit"
        ))
        .await;
    // An event that nobody subscribes to is nobody's bell.
    let unmatched = PUBLISH.replace("1111-4111", "2222-4222");
    publisher
        .run(&format!(
            "set webhooks.tenant_id = '11111111-2222-4222-8111-111111111111'; {unmatched}"
        ))
        .await;
    assert!(ear.heard(BELL).await.is_empty());
}

/// A bell is rung once in a subtransaction; what was rolled back has not rung.
#[tokio::test]
async fn an_event_after_a_rolled_back_savepoint_rings_again() {
    let (_db, publisher, sidecar, mut ear) = database("rings_again").await;
    assert_eq!(sidecar.text(ARM).await, "t");
    let before = format!("begin; savepoint s; {PUBLISH}; rollback to s");
    publisher.run(&format!("{before}; {PUBLISH}; commit")).await;
    assert_eq!(ear.heard(BELL).await, ["1", "2"]);
    publisher
        .run(&format!(
            "{before}; savepoint t; {PUBLISH}; release t; commit"
        ))
        .await;
    assert_eq!(ear.heard(BELL).await, ["1", "2"]);
    // While it is awake the lock is what keeps it so.
    sidecar.run(DISARM).await;
    publisher.run(&format!("{before}; {PUBLISH}")).await;
    assert_eq!(sidecar.text(ARM).await, "f");
    publisher.run("commit").await;
    assert_eq!(sidecar.text(ARM).await, "t");
}

/// The look at the bells costs as much as matching the event: it is done once a transaction.
#[tokio::test]
async fn a_statement_with_many_events_notifies_each_sleeping_owner_once() {
    let (db, publisher, sidecar, mut ear) = database("once").await;
    assert_eq!(sidecar.text(ARM).await, "t");
    let superuser = Session::open(&db).await;
    superuser.run("set track_functions = 'all'").await;
    let publish = format!(
        "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
         select '{TENANT}', 'job.created', 'job', 'job.created', '{{}}' from generate_series(1, 500)"
    );
    superuser.run(&publish).await;
    assert_eq!(ear.heard(BELL).await, ["1", "2"]);
    superuser.run("select pg_stat_force_next_flush()").await;
    let calls = "select calls from pg_stat_user_functions where funcname = 'notify_owner'";
    assert_eq!(superuser.text(calls).await, "2");
    // The next transaction knows nothing of it.
    publisher.run(PUBLISH).await;
    assert_eq!(ear.heard(BELL).await, ["1", "2"]);
}

#[tokio::test]
async fn nobody_falls_asleep_while_a_publisher_is_in_flight() {
    let (_db, publisher, sidecar, mut ear) = database("in_flight").await;
    for end in ["commit", "rollback"] {
        publisher.run(&format!("begin; {PUBLISH}")).await;
        assert_eq!(sidecar.text(ARM).await, "f");
        // All or none: the bells that it did get are free again.
        assert_eq!(sidecar.text(BELLS_HELD).await, "0");
        // Shards that the publisher did not write to may sleep.
        let others = "select webhooks_private.arm_doorbell('{0,3,15}'), webhooks_private.disarm_doorbell('{0,3,15}')";
        assert!(sidecar.text(others).await.starts_with('t'));
        publisher.run(end).await;
        assert!(ear.heard(BELL).await.is_empty());
        assert_eq!(sidecar.text(ARM).await, "t");
        sidecar.run(DISARM).await;
    }
    // A savepoint that is rolled back puts nothing in flight.
    publisher
        .run(&format!("begin; savepoint s; {PUBLISH}; rollback to s"))
        .await;
    assert_eq!(sidecar.text(ARM).await, "t");
}

#[tokio::test]
async fn events_committed_before_the_bells_were_armed_are_claimed() {
    let (_db, publisher, sidecar, _ear) = database("before_arming").await;
    let claim = format!("select count(*) from {}", Claim::of_shards(&[1, 2]));
    assert_eq!(sidecar.text(&claim).await, "0");
    publisher.run(PUBLISH).await;
    assert_eq!(sidecar.text(ARM).await, "t");
    assert_eq!(sidecar.text(&claim).await, "2");
}

#[tokio::test]
async fn publishers_do_not_wait_for_each_other_nor_for_a_sleeper() {
    let (db, publisher, sidecar, mut ear) = database("no_waiting").await;
    let other = publisher_of(&db).await;
    for session in [&publisher, &other] {
        session
            .run(&format!("set lock_timeout = '1s'; begin; {PUBLISH}"))
            .await;
    }
    publisher.run("commit").await;
    assert_eq!(sidecar.text(ARM).await, "f");
    other.run("commit").await;
    assert_eq!(sidecar.text(ARM).await, "t");
    // Both while it sleeps.
    for session in [&publisher, &other] {
        session.run(&format!("begin; {PUBLISH}")).await;
    }
    other.run("commit").await;
    publisher.run("commit").await;
    assert_eq!(ear.heard(BELL).await, ["1", "2", "1", "2"]);
}

#[tokio::test]
async fn a_sleeper_that_dies_frees_its_bells() {
    let (db, publisher, sidecar, mut ear) = database("dies_asleep").await;
    assert_eq!(sidecar.text(ARM).await, "t");
    let kill = format!("select pg_terminate_backend({}, 10000)", sidecar.pid());
    assert_eq!(Session::open(&db).await.text(&kill).await, "t");
    publisher.run(PUBLISH).await;
    assert!(ear.heard(BELL).await.is_empty());
    let next = Session::open_as(&db, SIDECAR_ROLE).await;
    assert_eq!(next.text(ARM).await, "t");
}

#[tokio::test]
async fn notify_off_leaves_it_to_the_poll() {
    let (_db, publisher, sidecar, mut ear) = database("notify_off").await;
    assert_eq!(sidecar.text(ARM).await, "t");
    for off in ["off", "false", "0"] {
        publisher
            .run(&format!("set webhooks.notify = {off}; {PUBLISH}"))
            .await;
    }
    assert!(ear.heard(BELL).await.is_empty());
    for on in ["set webhooks.notify = on", "reset webhooks.notify"] {
        publisher.run(&format!("{on}; {PUBLISH}")).await;
        assert_eq!(ear.heard(BELL).await, ["1", "2"], "{on}");
    }
}

#[tokio::test]
async fn databases_have_bells_of_their_own() {
    let (_db, publisher, _sidecar, mut ear) = database("bells_here").await;
    let (_there, _, sleeper, _) = database("bells_there").await;
    assert_eq!(sleeper.text(ARM).await, "t");
    publisher.run(PUBLISH).await;
    assert!(ear.heard(BELL).await.is_empty());
}
