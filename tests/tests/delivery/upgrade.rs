//! Versions side by side: a sidecar and the schemas of neighbouring versions, and an upgrade under way.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;
use webhooks_tests::PATIENCE;
use webhooks_tests::cluster::Cluster;
use webhooks_tests::database::{Database, PUBLISHER_ROLE, publish};
use webhooks_tests::receiver::{Receiver, Reply, Request};
use webhooks_tests::sidecar::{Options, Sidecar};
use webhooks_tests::wait::{Seen, eventually};

use crate::scene::{Scene, subscribe};

const SECRET: &str = "whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0";

/// A database with the schema of the last release.
async fn released(name: &str) -> Database {
    let cluster = Cluster::shared().await.unwrap();
    // Makes the login roles.
    Database::fresh("roles").await.unwrap();
    let versions = cluster.released_versions().await.unwrap();
    let version = versions.last().expect("sql/releases is not installed");
    let db = Database::create_version(&cluster, name, version).await;
    db.unwrap()
}

/// This version's number with its minor part moved on.
fn version_after(minor_versions: u32) -> String {
    let own = std::env::var("WEBHOOKS_VERSION").unwrap();
    let mut parts: Vec<u32> = own.split('.').map(|part| part.parse().unwrap()).collect();
    parts[1] += minor_versions;
    format!("{}.{}.0", parts[0], parts[1])
}

/// The catalogue says that this version is installed.
async fn claim_version(db: &Database, version: &str) {
    let update =
        format!("update pg_extension set extversion = '{version}' where extname = 'webhooks'");
    db.execute(&update).await.unwrap();
}

/// All events have arrived.
async fn arrived(receiver: &Receiver, events: &BTreeSet<Uuid>) {
    let missing = async || {
        let found: BTreeSet<Uuid> = receiver
            .requests()
            .iter()
            .filter_map(Request::event_id)
            .collect();
        let missing: Vec<Uuid> = events.difference(&found).copied().collect();
        Ok(Seen::done_if(missing, Vec::is_empty))
    };
    eventually(PATIENCE, missing).await.unwrap();
}

/// Events with their deliveries, a retry, a delivery of the future, a watched table, a limit and a secret.
#[tokio::test]
async fn an_upgrade_beside_a_sidecar_and_publishers_loses_nothing() {
    let db = released("under_way").await;
    let scene = Scene::set_in(db, Options::default()).await;
    let columns =
        json!({"auth_type": "signature", "auth_config": {"secret": SECRET}, "retry_count": 5});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    scene.receiver.verify("/hook", SECRET);
    let retried = json!({"retry_count": 5, "retry_delay_seconds": 3});
    let failing = scene.endpoint("/failing", Reply::ok(), retried).await;
    scene
        .receiver
        .on_sequence("/failing", [Reply::status(500), Reply::ok()]);
    let tenant = endpoint.tenant;
    scene
        .db
        .execute(&format!(
            "create table public.documents (id uuid primary key default gen_random_uuid(), tenant_id uuid not null, title text);
             select webhooks.register_event_type('document.changed', 'document');
             select webhooks.watch_table('public.documents', on_insert => 'document.changed');
             select webhooks.set_tenant_limits('{tenant}', 3, null, null)"
        ))
        .await
        .unwrap();
    let retry = scene.publish(&failing).await;
    scene.wait(retry, "retrying").await;
    let mut events = BTreeSet::from([retry]);
    let later = format!(
        "select webhooks.publish_event('{tenant}', 'document.uploaded', deliver_after => clock_timestamp() + interval '3 s')"
    );
    events.insert(
        scene
            .db
            .value(&later)
            .await
            .unwrap()
            .unwrap()
            .parse()
            .unwrap(),
    );

    let goes_on = Arc::new(AtomicBool::new(true));
    let mut publishers = Vec::new();
    for _ in 0..3 {
        let mut client = scene.db.connect_as(PUBLISHER_ROLE).await.unwrap();
        let goes_on = Arc::clone(&goes_on);
        publishers.push(tokio::spawn(async move {
            let mut published = Vec::new();
            while goes_on.load(SeqCst) {
                let transaction = client.transaction().await.unwrap();
                let set = "select webhooks.set_tenant($1)";
                transaction.execute(set, &[&tenant]).await.unwrap();
                let event = publish(
                    &transaction,
                    tenant,
                    "document.uploaded",
                    json!({"title": "x"}),
                );
                let event = event.await.unwrap();
                transaction.commit().await.unwrap();
                published.push(event);
            }
            published
        }));
    }
    let before = scene.receiver.count();
    scene.receiver.wait_for(before + 50).await.unwrap();
    scene
        .db
        .execute("alter extension webhooks update")
        .await
        .unwrap();
    let after = scene.receiver.count();
    scene.receiver.wait_for(after + 50).await.unwrap();
    goes_on.store(false, SeqCst);
    for publisher in publishers {
        events.extend(publisher.await.unwrap());
    }

    arrived(&scene.receiver, &events).await;
    scene.db.wait_drained(PATIENCE).await.unwrap();
    let installed = "select extversion from pg_extension where extname = 'webhooks'";
    let own = std::env::var("WEBHOOKS_VERSION").unwrap();
    assert_eq!(scene.db.value(installed).await.unwrap(), Some(own));
    // What was set up before is in force.
    let signed = scene.receiver.requests_to("/hook");
    assert!(
        signed
            .iter()
            .all(|request| request.header("webhook-signature").is_some())
    );
    let watched =
        format!("insert into public.documents (tenant_id, title) values ('{tenant}', 'watched')");
    let count = scene.receiver.count();
    scene.db.execute(&watched).await.unwrap();
    scene.receiver.wait_for(count + 1).await.unwrap();
    let limit = format!(
        "select max_subscriptions from webhooks.tenant_limits where tenant_id = '{tenant}'"
    );
    assert_eq!(scene.db.value(&limit).await.unwrap().as_deref(), Some("3"));
}

/// Before ALTER EXTENSION runs, and after it has run for the next version's sidecars: two of this version share the
/// shards, and everything is delivered.
#[tokio::test]
async fn sidecars_work_with_the_schemas_of_neighbouring_versions() {
    let before = released("before").await;
    let after = Database::fresh("after").await.unwrap();
    claim_version(&after, &version_after(1)).await;
    for db in [before, after] {
        let receiver = Receiver::start().unwrap();
        receiver.on("/hook", Reply::ok());
        let endpoint = subscribe(&db, &receiver.url("/hook"), json!({})).await;
        let _one = Sidecar::start(&db).await.unwrap();
        let _other = Sidecar::start(&db).await.unwrap();
        db.wait_value(webhooks_tests::sidecar::SHARES, "8,8")
            .await
            .unwrap();
        let events = db
            .publish_many(endpoint.tenant, "document.uploaded", 20)
            .await;
        arrived(&receiver, &events.unwrap().into_iter().collect()).await;
        db.wait_drained(PATIENCE).await.unwrap();
    }
}

/// It says so once, however often it looks, and goes on by itself as soon as it knows the schema.
#[tokio::test]
async fn a_sidecar_refuses_a_schema_that_it_does_not_know() {
    let db = Database::fresh("unknown").await.unwrap();
    // Of such a version nothing need be there.
    let settings = "alter function webhooks_private.sidecar_settings() rename to";
    db.execute(&format!("{settings} settings_of_tomorrow"))
        .await
        .unwrap();
    claim_version(&db, &version_after(2)).await;
    let mut sidecar = Sidecar::spawn(&db, Options::default()).unwrap();
    let is_refusal =
        |line: &webhooks_tests::sidecar::LogLine| line.raw.contains("upgrade this sidecar");
    sidecar.wait_log(PATIENCE, is_refusal).await.unwrap();
    let sessions = "select sessions from pg_stat_database where datname = current_database()";
    let so_far: i64 = db.value(sessions).await.unwrap().unwrap().parse().unwrap();
    let looked_again = format!(
        "select sessions >= {} from pg_stat_database where datname = current_database()",
        so_far + 5
    );
    let looked = db.wait_value_within(Duration::from_secs(60), &looked_again, "true");
    looked.await.unwrap();
    let refusals = sidecar.log().iter().filter(|line| is_refusal(line)).count();
    assert_eq!(refusals, 1);
    let back = settings.replace("sidecar_settings()", "settings_of_tomorrow()");
    db.execute(&format!("{back} sidecar_settings"))
        .await
        .unwrap();
    claim_version(&db, &version_after(0)).await;
    sidecar.wait_ready().await.unwrap();
}
