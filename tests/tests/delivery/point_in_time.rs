//! A server is restored to an earlier time from a base backup and its archive: what is delivered a second time, and how an
//! operator prevents that.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use uuid::Uuid;
use webhooks_tests::cluster::{Cluster, Options as Settings, Stop};
use webhooks_tests::database::Database;
use webhooks_tests::environment::Postgres;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::subscribe;

/// Events that were outstanding at the time that is restored, and delivered later.
const DELIVERED_LATER: usize = 3;
const SOON: Duration = Duration::from_secs(30);
const WITH_KEY: &str = ", idempotency_key => 'key'";

/// A server that has gone on after the time that is restored.
struct Past {
    receiver: Receiver,
    name: String,
    tenant: Uuid,
    /// What of it restores it.
    backup: TempDir,
    archive: TempDir,
    time: String,
    /// What the original delivered since.
    attempts: PathBuf,
    last_event: String,
    /// The original, stopped: the attempts are in its directory.
    _original: Arc<Cluster>,
}

/// Publishes an event, with further arguments.
async fn publish(db: &Database, tenant: Uuid, arguments: &str) -> String {
    let call = format!("select webhooks.publish_event('{tenant}', 'job.created'{arguments})");
    value(db, &call).await
}

impl Past {
    /// Outstanding at the time: three events, one that is due tomorrow, and one whose receiver fails. Later all but that of
    /// tomorrow are tried, and an event is published with a key.
    async fn make(name: &str) -> Self {
        let archive = Postgres::from_env().unwrap().new_directory().unwrap();
        let settings = Settings::default().archives_to(archive.path());
        let original = Cluster::start(settings).await.unwrap();
        let db = Database::create(&original, name).await.unwrap();
        let receiver = Receiver::start().unwrap();
        receiver.on("/failing", Reply::status(503));
        let endpoint = subscribe(&db, &receiver.url("/"), json!({})).await;
        let columns = json!({"retry_delay_seconds": 3600});
        let failing = subscribe(&db, &receiver.url("/failing"), columns).await;
        let backup = original.base_backup().await.unwrap();
        for _ in 0..DELIVERED_LATER {
            publish(&db, endpoint.tenant, "").await;
        }
        let tomorrow = ", deliver_after => now() + interval '1 day'";
        publish(&db, endpoint.tenant, tomorrow).await;
        publish(&db, failing.tenant, "").await;
        let time = db.value("select clock_timestamp()").await.unwrap().unwrap();

        let sidecar = Sidecar::start(&db).await.unwrap();
        let last_event = publish(&db, endpoint.tenant, WITH_KEY).await;
        let tried = "select count(*) from webhooks.delivery_attempts";
        db.wait_value(tried, &(DELIVERED_LATER + 2).to_string())
            .await
            .unwrap();
        drop(sidecar);
        let attempts = original.directory().join("attempts");
        let export = format!(
            "\\copy (select * from webhooks.delivery_attempts where attempted_at >= '{time}') to '{}'",
            attempts.display()
        );
        original.psql(db.name(), &export).await.unwrap();
        let last_file = db.value("select pg_walfile_name(pg_switch_wal())").await;
        let archived = format!(
            "select last_archived_wal >= '{}' from pg_stat_archiver",
            last_file.unwrap().unwrap()
        );
        db.wait_value(&archived, "true").await.unwrap();
        original.stop(Stop::Immediate).await.unwrap();
        Self {
            name: db.name().to_owned(),
            tenant: endpoint.tenant,
            receiver,
            backup,
            archive,
            time,
            attempts,
            last_event,
            _original: original,
        }
    }

    async fn restore(&self) -> Database {
        let (backup, archive) = (self.backup.path(), self.archive.path());
        let cluster = Cluster::restore_until(backup, archive, &self.time).await;
        let db = Database::existing(&cluster.unwrap(), &self.name);
        db.wait_value("select pg_is_in_recovery()", "false")
            .await
            .unwrap();
        assert_eq!(value(&db, "select webhooks.is_adopted()").await, "true");
        db
    }
}

async fn value(db: &Database, query: &str) -> String {
    db.value(query).await.unwrap().unwrap()
}

/// Starts a sidecar, and publishes an event to see when it has done what there is to do.
async fn deliver(past: &Past, db: &Database) -> Sidecar {
    let sidecar = Sidecar::start(db).await.unwrap();
    let event = publish(db, past.tenant, "").await;
    db.wait_delivery(Uuid::parse_str(&event).unwrap(), "delivered")
        .await
        .unwrap();
    let due = "select count(*) from webhooks.delivery_queue where next_attempt_at is null";
    db.wait_value_within(SOON, due, "0").await.unwrap();
    sidecar
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_server_delivers_what_was_outstanding_again() {
    let past = Past::make("again").await;
    let db = past.restore().await;
    let before = past.receiver.requests();
    let _sidecar = deliver(&past, &db).await;
    let mut again = past.receiver.requests().split_off(before.len());
    again.retain(|request| before.iter().any(|b| b.event_id() == request.event_id()));
    assert_eq!(again.len(), DELIVERED_LATER + 1, "with the same webhook-id");
    // What was published later is unknown, and so is its key.
    let known = format!(
        "select count(*) from webhooks.event_logs where id = '{}'",
        past.last_event
    );
    assert_eq!(value(&db, &known).await, "0");
    assert_ne!(publish(&db, past.tenant, WITH_KEY).await, past.last_event);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_due_before_is_cancelled_on_demand() {
    let past = Past::make("cancelled").await;
    let db = past.restore().await;
    db.execute("select webhooks.release_database()")
        .await
        .unwrap();
    let adopt = "select webhooks.adopt_database('cancel', due_before => now())";
    assert_eq!(value(&db, adopt).await, (DELIVERED_LATER + 1).to_string());
    let before = past.receiver.count();
    let _sidecar = deliver(&past, &db).await;
    assert_eq!(past.receiver.count(), before + 1);
    let waiting = "select count(*) from webhooks.delivery_queue where next_attempt_at > now() + interval '1 hour'";
    assert_eq!(value(&db, waiting).await, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_originals_attempts_say_what_was_delivered() {
    let past = Past::make("reconciled").await;
    let db = past.restore().await;
    let attempts = past.attempts.display();
    let reconcile = format!(
        "select webhooks.release_database();
         create temp table attempts (like webhooks.delivery_attempts);
         \\copy attempts from '{attempts}'
         select webhooks.reconcile_after_restore('attempts');
         select webhooks.adopt_database('keep');
         select count(*) from attempts a
         where not exists (select from webhooks.event_logs e where e.id = a.event_log_id);"
    );
    let printed = db.cluster().psql(&past.name, &reconcile).await.unwrap();
    let numbers: Vec<&str> = printed.split_whitespace().collect();
    assert_eq!(
        numbers,
        [&(DELIVERED_LATER + 1).to_string(), "2", "1"],
        "{printed}"
    );
    let before = past.receiver.count();
    let _sidecar = deliver(&past, &db).await;
    assert_eq!(past.receiver.count(), before + 1);
    let waiting =
        "select string_agg(attempt::text, ',' order by attempt) from webhooks.delivery_queue
        where next_attempt_at > now() + interval '50 min'";
    assert_eq!(value(&db, waiting).await, "0,1");
    let delivered =
        "select count(*) from webhooks.webhook_delivery_logs where delivery_status = 'delivered'";
    assert_eq!(
        value(&db, delivered).await,
        (DELIVERED_LATER + 1).to_string()
    );
}
