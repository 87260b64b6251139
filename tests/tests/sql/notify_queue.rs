//! The server's notification queue is nearly full, or a transaction is about to fill it: no COMMIT fails for that.

use std::sync::Arc;

use serde_json::json;
use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::{Database, MANAGER_ROLE, PUBLISHER_ROLE, SIDECAR_ROLE};

use crate::support::listener::Listener;
use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

const SUBSCRIPTION: &str = "00000000-0000-7000-8000-000000000001";
const PUBLISH: &str =
    "select webhooks.publish_event('11111111-1111-4111-8111-111111111111', 'job.created')";

/// A queue as short as can be; before PostgreSQL 17 it could not be shortened.
async fn short_queue() -> Option<Arc<Cluster>> {
    let has_setting = Session::open(&Database::fresh("queue_setting").await.unwrap())
        .await
        .text("select count(*) from pg_settings where name = 'max_notify_queue_pages'")
        .await;
    if has_setting == "0" {
        return None;
    }
    let options = Options::default().set("max_notify_queue_pages", "64");
    Some(Cluster::start(options).await.unwrap())
}

async fn database(cluster: &Arc<Cluster>) -> Database {
    let db = Database::create(cluster, "full_queue").await.unwrap();
    subscribe(&db, json!({"id": SUBSCRIPTION})).await;
    db
}

async fn session_of_tenant(db: &Database, role: &str) -> Session {
    let session = Session::open_as(db, role).await;
    session
        .run(&format!("select webhooks.set_tenant('{TENANT}', true)"))
        .await;
    session
}

#[tokio::test]
async fn a_full_queue_fails_no_commit() {
    let Some(cluster) = short_queue().await else {
        return;
    };
    let db = database(&cluster).await;
    let publisher = session_of_tenant(&db, PUBLISHER_ROLE).await;
    let manager = session_of_tenant(&db, MANAGER_ROLE).await;
    let admin = Session::open(&db).await;
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    let arm = "select webhooks_private.arm_doorbell('{1}')";
    assert_eq!(sidecar.text(arm).await, "t");

    // It listens, and does not end its transaction.
    let idle = Session::open(&db).await;
    idle.run("listen anything").await;
    idle.run("begin; select 1").await;
    let fill = "select pg_notify('anything', n || repeat('x', 7000)) from generate_series(1, 20) n";
    let fuller = |least: &'static str| {
        let admin = &admin;
        async move {
            loop {
                let usage = format!("select pg_notification_queue_usage() >= {least}");
                if admin.text(&usage).await == "t" {
                    break;
                }
                admin.run("select pg_notify('anything', clock_timestamp()::text || repeat('x', 7000))").await;
            }
        }
    };
    fuller("0.5").await;
    // Full to the brim for everybody else.
    fuller("0.97").await;
    let refused = admin.refused(fill).await;
    assert!(
        refused.message.contains("too many notifications"),
        "{refused:?}"
    );

    publisher
        .run(&format!("begin; {PUBLISH}; {PUBLISH}; {PUBLISH}; commit"))
        .await;
    manager
        .run(&format!(
            "select webhooks.update_subscription('{SUBSCRIPTION}', '{{\"name\": \"x\"}}');
             select webhooks.cancel_deliveries('{SUBSCRIPTION}');
             select webhooks.reset_breaker('{SUBSCRIPTION}');
             select webhooks.test_subscription('{SUBSCRIPTION}');
             select webhooks.set_subscriptions_enabled('{{{SUBSCRIPTION}}}', false);
             select webhooks.delete_subscription('{SUBSCRIPTION}')"
        ))
        .await;
    admin
        .run(
            "select webhooks.set_setting('breaker_cooldown_seconds', 7), webhooks.set_setting('verification_origin', 'events.example.com'),
                    webhooks.reset_setting('breaker_cooldown_seconds')",
        )
        .await;
    // Once for each transaction that would have notified, and with a way out.
    let log = cluster.server_log();
    let warnings = log
        .matches("sidecars are not notified: the server's notification queue is")
        .count();
    assert!((3..=8).contains(&warnings), "{warnings} warnings");
    assert!(log.contains("pg_terminate_backend(pid)"));

    // No sidecar sleeps that nobody could wake, and one that does is told.
    let may_sleep = "select may_sleep from webhooks_private.balance_shards('{}')";
    assert_eq!(sidecar.text(may_sleep).await, "f");
    sidecar
        .run("select webhooks_private.disarm_doorbell('{1}')")
        .await;
    assert_eq!(sidecar.text(arm).await, "f");
    idle.run("rollback; unlisten *").await;
    assert_eq!(sidecar.text(may_sleep).await, "t");
    assert_eq!(sidecar.text(arm).await, "t");
}

/// Whoever changes thousands of subscriptions at once does not fill the queue by that.
#[tokio::test]
async fn one_transaction_does_not_fill_it() {
    let db = Database::fresh("many_changes").await.unwrap();
    let admin = Session::open(&db).await;
    admin
        .run(&format!(
            "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url)
             select '{TENANT}', n::text, 'http://x.example/' from generate_series(1, 1000) n"
        ))
        .await;
    let mut ear = Listener::on(&db, "webhooks_changed").await;
    let change = "update webhooks.webhook_subscriptions set description = 'x'";
    admin.run(change).await;
    let heard = ear.heard("webhooks_changed").await;
    assert_eq!(heard.len(), 257);
    assert_eq!(heard.last().unwrap(), "subscriptions");
    // Each transaction counts by itself.
    admin.run(&format!("{change} where name <= '100'")).await;
    let heard = ear.heard("webhooks_changed").await;
    assert!(heard.len() >= 2 && !heard.contains(&"subscriptions".to_owned()));
}
