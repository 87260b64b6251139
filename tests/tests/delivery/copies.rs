//! A sidecar at a copy of a database: nothing is sent before somebody says that it shall be.

use std::time::Duration;

use serde_json::json;
use webhooks_tests::database::Database;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{LogLine, Options, Sidecar};

use crate::scene::{Endpoint, subscribe};

const SOON: Duration = Duration::from_secs(30);

fn refuses(line: &LogLine) -> bool {
    line.contains("nothing is delivered from it until it is adopted")
        && line.contains("webhooks.adopt_database(outstanding => 'cancel')")
}

/// A customer's receiver, and a database with three outstanding deliveries to it, and no sidecar yet.
async fn production(name: &str) -> (Receiver, Database, Endpoint) {
    let receiver = Receiver::start().unwrap();
    let db = Database::fresh(name).await.unwrap();
    receiver.on("/customer", Reply::status(200));
    let endpoint = subscribe(&db, &receiver.url("/customer"), json!({})).await;
    for _ in 0..3 {
        let published = db.publish(endpoint.tenant, "document.uploaded", json!({}));
        published.await.unwrap();
    }
    (receiver, db, endpoint)
}

async fn published_now(db: &Database, endpoint: &Endpoint) {
    let event = db.publish(endpoint.tenant, "document.uploaded", json!({}));
    let event = event.await.unwrap();
    db.wait_delivery(event, "delivered").await.unwrap();
}

#[tokio::test]
async fn a_restored_database_waits_and_goes_on_once_it_is_adopted() {
    let (receiver, production, endpoint) = production("restored").await;
    let cluster = production.cluster();
    let dump = cluster.dump(production.name(), &[]).await.unwrap();
    for (way, received) in [("cancel", 1), ("keep", 4)] {
        let before = receiver.count();
        let staging = Database::create_empty(cluster, "staging").await.unwrap();
        cluster.restore(staging.name(), &dump).await.unwrap();
        let mut sidecar = Sidecar::spawn(&staging, Options::default()).unwrap();
        sidecar.wait_log(SOON, refuses).await.unwrap();
        let adopt = format!("select webhooks.adopt_database('{way}')");
        assert_eq!(staging.value(&adopt).await.unwrap().as_deref(), Some("3"));
        sidecar.wait_ready().await.unwrap();
        published_now(&staging, &endpoint).await;
        staging.wait_drained(SOON).await.unwrap();
        assert_eq!(receiver.count() - before, received, "{way}");
        // It said so once, however often it tried.
        assert_eq!(sidecar.log().into_iter().filter(refuses).count(), 1);
    }
}

/// Into a database whose sidecar does not know what is going on.
#[tokio::test]
async fn a_restore_is_not_delivered_by_the_sidecar_that_runs() {
    let (receiver, production, endpoint) = production("live").await;
    let cluster = production.cluster();
    let staging = Database::create(cluster, "live_staging").await.unwrap();
    let mut sidecar = Sidecar::start(&staging).await.unwrap();
    let dump = cluster
        .dump(
            production.name(),
            &["--data-only", "--load-via-partition-root"],
        )
        .await;
    cluster
        .restore(staging.name(), &dump.unwrap())
        .await
        .unwrap();
    sidecar.wait_log(SOON, refuses).await.unwrap();
    let adopt = "select webhooks.adopt_database('cancel')";
    assert_eq!(staging.value(adopt).await.unwrap().as_deref(), Some("3"));
    published_now(&staging, &endpoint).await;
    assert_eq!(receiver.count(), 1);
    assert!(sidecar.exited().unwrap().is_none());
}

/// A database that is made of a template with the extension.
#[tokio::test]
async fn a_copy_of_an_unused_database_needs_no_words() {
    let template = Database::fresh("unused").await.unwrap();
    let copy = template.copy().await.unwrap();
    let receiver = Receiver::start().unwrap();
    receiver.on("/", Reply::status(200));
    let _sidecar = Sidecar::start(&copy).await.unwrap();
    let endpoint = subscribe(&copy, &receiver.url("/"), json!({})).await;
    published_now(&copy, &endpoint).await;
}
