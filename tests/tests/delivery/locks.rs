//! Somebody's open transaction has locked rows or a table, or the notification queue is full: deliveries of all others go
//! on, and the log names the session that is in the way.

use std::time::Duration;

use serde_json::json;
use tokio_postgres::Client;
use webhooks_tests::cluster::{Cluster, Options as ClusterOptions};
use webhooks_tests::database::{Database, SIDECAR_ROLE};
use webhooks_tests::receiver::Reply;
use webhooks_tests::sidecar::{Options, Sidecar};
use webhooks_tests::wait::{Seen, eventually};

use crate::scene::{Endpoint, Scene};

const PATIENCE: Duration = Duration::from_secs(20);

async fn pid_of(session: &Client) -> i64 {
    let row = session
        .query_one("select pg_backend_pid()", &[])
        .await
        .unwrap();
    i64::from(row.get::<_, i32>(0))
}

/// Others' events are published one after the other, and delivered.
async fn others_go_on(scene: &Scene, other: &Endpoint, events: usize) {
    for _ in 0..events {
        let event = scene.publish(other).await;
        scene.wait(event, "delivered").await;
    }
}

async fn wait_named(scene: &Scene, session: &Client, what: &str) {
    let pid = pid_of(session).await;
    scene
        .sidecar
        .wait_log(PATIENCE, |line| {
            line.message().contains(what)
                && line.field("pid").and_then(serde_json::Value::as_i64) == Some(pid)
                && line.field("role").is_some()
        })
        .await
        .unwrap();
}

fn assert_no_session_was_lost(scene: &Scene) {
    let lost = |line: &webhooks_tests::sidecar::LogLine| {
        line.message().contains("no session with the database")
    };
    assert!(!scene.sidecar.log().iter().any(lost));
}

#[tokio::test]
async fn a_retry_that_is_locked_stops_nobody_else() {
    let scene = Scene::set("locked_retry").await;
    let failing = json!({"retry_count": 100, "breaker_failure_threshold": 0});
    let locked = scene.endpoint("/locked", Reply::status(503), failing).await;
    let other = scene.endpoint("/other", Reply::ok(), json!({})).await;
    scene
        .db
        .publish_many(locked.tenant, "job.created", 20)
        .await
        .unwrap();
    let tried = "select count(distinct delivery_id) from webhooks.delivery_attempts where delivery_status = 'retrying'";
    scene.db.wait_value(tried, "20").await.unwrap();
    let manager = scene.db.connect().await.unwrap();
    // Most of them are between two attempts; those just being recorded are left.
    let cancel = format!(
        "begin; select webhooks.cancel_deliveries('{}')",
        locked.subscription
    );
    manager.batch_execute(&cancel).await.unwrap();
    others_go_on(&scene, &other, 20).await;
    wait_named(&scene, &manager, "their rows are locked").await;
    others_go_on(&scene, &other, 5).await;
    manager.batch_execute("rollback").await.unwrap();
    scene.receiver.on("/locked", Reply::ok());
    scene.db.wait_drained(PATIENCE).await.unwrap();
    assert_no_session_was_lost(&scene);
}

/// More results than the sidecar holds deliveries: they count against their own subscription alone.
#[tokio::test]
async fn results_that_are_locked_wait_alone() {
    let scene = Scene::set_with("locked_results", Options::default().arg("--concurrency=8")).await;
    let slow = Reply::ok().after(Duration::from_millis(700));
    let locked = scene.endpoint("/locked", slow, json!({})).await;
    let other = scene.endpoint("/other", Reply::ok(), json!({})).await;
    scene
        .db
        .publish_many(locked.tenant, "job.created", 300)
        .await
        .unwrap();
    let under_way = async || {
        let in_flight = scene.receiver.in_flight("/locked");
        Ok(Seen::done_if(in_flight, |n| *n > 0))
    };
    eventually(PATIENCE, under_way).await.unwrap();
    let manager = scene.db.connect().await.unwrap();
    let lock = format!(
        "begin; select from webhooks.delivery_queue where subscription_id = '{}' for update",
        locked.subscription
    );
    manager.batch_execute(&lock).await.unwrap();
    wait_named(
        &scene,
        &manager,
        "can't be recorded while their rows are locked",
    )
    .await;
    let sent = scene.receiver.requests_to("/locked").len();
    others_go_on(&scene, &other, 30).await;
    // Nothing more is sent to it than was under way.
    let more = scene.receiver.requests_to("/locked").len() - sent;
    assert!(more <= 8, "{more}");
    scene.receiver.on("/locked", Reply::ok());
    manager.batch_execute("rollback").await.unwrap();
    scene.db.wait_drained(PATIENCE).await.unwrap();
    // Each once: what was answered is recorded, not made again.
    assert_eq!(scene.receiver.requests_to("/locked").len(), 300);
    assert_no_session_was_lost(&scene);
}

/// A result that disables its subscription, or opens its breaker, waits for that row.
#[tokio::test]
async fn a_locked_subscription_is_disabled_when_it_is_free() {
    let scene = Scene::set("locked_disabling").await;
    let gone = scene.endpoint("/gone", Reply::gone(), json!({})).await;
    let other = scene.endpoint("/other", Reply::ok(), json!({})).await;
    let manager = scene.db.connect().await.unwrap();
    let lock = format!(
        "begin; update webhooks.webhook_subscriptions set description = 'x' where id = '{}'",
        gone.subscription
    );
    manager.batch_execute(&lock).await.unwrap();
    let event = scene.publish(&gone).await;
    wait_named(&scene, &manager, "can't be recorded").await;
    others_go_on(&scene, &other, 5).await;
    manager.batch_execute("rollback").await.unwrap();
    scene.wait(event, "failed").await;
    let disabled = format!(
        "select is_enabled from webhooks.webhook_subscriptions where id = '{}'",
        gone.subscription
    );
    scene.db.wait_value(&disabled, "false").await.unwrap();
    assert_eq!(scene.receiver.requests_to("/gone").len(), 1);
}

/// Whole tables can be locked by their owner: deliveries wait, the session stays, and the log says for whom.
#[tokio::test]
async fn a_locked_table_is_waited_for_and_named() {
    let scene = Scene::set_with("locked_table", Options::default().arg("--lease=5")).await;
    let endpoint = scene.endpoint("/", Reply::ok(), json!({})).await;
    others_go_on(&scene, &endpoint, 1).await;
    for (table, what) in [
        ("webhook_subscriptions", "deliveries wait"),
        ("delivery_attempts", "can't record"),
    ] {
        let dba = scene.db.connect().await.unwrap();
        let lock = format!("begin; lock table webhooks.{table}");
        dba.batch_execute(&lock).await.unwrap();
        let event = scene.publish(&endpoint).await;
        wait_named(&scene, &dba, what).await;
        // Longer than the lease.
        tokio::time::sleep(Duration::from_secs(6)).await;
        let waiting = "select count(*) from webhooks.delivery_queue";
        assert_eq!(scene.db.value(waiting).await.unwrap().as_deref(), Some("1"));
        dba.batch_execute("rollback").await.unwrap();
        scene.wait(event, "delivered").await;
    }
    assert_no_session_was_lost(&scene);
}

/// A session that has shards and is no sidecar: named, and the rest goes on.
#[tokio::test]
async fn a_session_that_holds_shards_is_named() {
    let db = Database::fresh("held_shards").await.unwrap();
    let holder = db.connect_as(SIDECAR_ROLE).await.unwrap();
    holder
        .batch_execute("select webhooks_private.balance_shards('{}')")
        .await
        .unwrap();
    holder
        .batch_execute("select webhooks_private.release_shards('{0,1,2,3,4,5,6,7}')")
        .await
        .unwrap();
    let scene = Scene::set_in(db, Options::default()).await;
    let held = json!({"id": "00000000-0000-7000-8000-00000000000f"});
    let held = scene.endpoint("/held", Reply::ok(), held).await;
    let free = json!({"id": "00000000-0000-7000-8000-000000000001"});
    let free = scene.endpoint("/free", Reply::ok(), free).await;
    let event = scene.publish(&held).await;
    others_go_on(&scene, &free, 3).await;
    let named = format!(
        "shard 15 by pid {} of role {SIDECAR_ROLE}",
        pid_of(&holder).await
    );
    scene
        .sidecar
        .wait_log(PATIENCE, |line| line.message().contains(&named))
        .await
        .unwrap();
    drop(holder);
    scene.wait(event, "delivered").await;
}

/// Changes without a notification are noticed nevertheless: another URL for deliveries that wait, other settings.
#[tokio::test]
async fn changes_are_noticed_without_a_notification() {
    let scene = Scene::set("unnotified").await;
    let paced = json!({"rate_limit_per_second": 1, "rate_limit_burst": 1});
    let paced = scene.endpoint("/old", Reply::ok(), paced).await;
    scene
        .db
        .publish_many(paced.tenant, "job.created", 60)
        .await
        .unwrap();
    scene
        .receiver
        .wait_until(PATIENCE, |requests| !requests.is_empty())
        .await
        .unwrap();
    scene.receiver.on("/new", Reply::ok().body("0123456789"));
    let change = format!(
        "set webhooks.notify = off;
         update webhooks.webhook_subscriptions set webhook_url = '{}' where id = '{}';
         select webhooks.set_setting('max_response_body_bytes', 5)",
        scene.receiver.url("/new"),
        paced.subscription
    );
    scene.db.execute(&change).await.unwrap();
    scene
        .receiver
        .wait_until(PATIENCE, |requests| {
            requests.iter().any(|r| r.path == "/new")
        })
        .await
        .unwrap();
    let short =
        "select count(*) > 0 from webhooks.delivery_attempts where response_body like '01234…%'";
    scene
        .db
        .wait_value_within(PATIENCE, short, "true")
        .await
        .unwrap();
}

/// With the notification queue full nobody wakes a sidecar: it finds its work by itself, and soon.
#[tokio::test]
async fn a_full_notification_queue_is_no_outage() {
    let options = ClusterOptions::default().set("max_notify_queue_pages", "64");
    let db = Database::fresh("queue_setting").await.unwrap();
    let setting = "select count(*) from pg_settings where name = 'max_notify_queue_pages'";
    if db.value(setting).await.unwrap().as_deref() == Some("0") {
        return;
    }
    let cluster = Cluster::start(options).await.unwrap();
    let db = Database::create(&cluster, "full_queue").await.unwrap();
    let idle = db.connect().await.unwrap();
    idle.batch_execute("listen anything").await.unwrap();
    idle.batch_execute("begin; select 1").await.unwrap();
    let scene = Scene::set_in(db, Options::default()).await;
    let endpoint = scene.endpoint("/", Reply::ok(), json!({})).await;
    others_go_on(&scene, &endpoint, 1).await;
    let full = "select pg_notification_queue_usage() >= 0.9";
    while scene.db.value(full).await.unwrap().as_deref() == Some("false") {
        let fill = "select pg_notify('anything', clock_timestamp()::text || repeat('x', 7000))";
        scene.db.execute(fill).await.unwrap();
    }
    // The first may wait for the heartbeat, the others for nothing.
    others_go_on(&scene, &endpoint, 1).await;
    let began = std::time::Instant::now();
    others_go_on(&scene, &endpoint, 20).await;
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
    let another = scene.endpoint("/another", Reply::ok(), json!({})).await;
    others_go_on(&scene, &another, 1).await;
    idle.batch_execute("rollback").await.unwrap();
}

/// A sidecar starts while others' transactions hold what they can.
#[tokio::test]
async fn a_start_waits_for_nobody() {
    let db = Database::fresh("start_locked").await.unwrap();
    let outsider = db.connect_as("stranger").await.unwrap();
    outsider
        .batch_execute("select pg_advisory_lock(c, n) from generate_series(1464156748, 1464156753) c, generate_series(0, 31) n")
        .await
        .unwrap();
    let mut sidecar = Sidecar::start(&db).await.unwrap();
    let blocked = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    assert_eq!(db.value(blocked).await.unwrap().as_deref(), Some("0"));
    sidecar.sigterm().unwrap();
    assert!(sidecar.wait_exit(PATIENCE).await.unwrap().success());
}
