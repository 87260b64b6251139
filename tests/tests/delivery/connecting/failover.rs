use std::sync::Arc;

use webhooks_tests::cluster::{Cluster, Options as Settings, Stop};
use webhooks_tests::database::Database;
use webhooks_tests::sidecar::{LogLine, Options, Sidecar};

use super::{delivers, delivers_once, said};
use webhooks_tests::PATIENCE;

/// A database of a cluster that is a hot standby from now on.
async fn standby(name: &str) -> (Arc<Cluster>, Database) {
    let cluster = Cluster::start(Settings::default()).await.unwrap();
    let db = Database::create_named(&cluster, name).await.unwrap();
    db.create_extension().await.unwrap();
    cluster.stop(Stop::Fast).await.unwrap();
    let signal = cluster.directory().join("data/standby.signal");
    std::fs::write(&signal, "").unwrap();
    cluster.postgres().hand_over(&signal).unwrap();
    cluster.launch().await.unwrap();
    (cluster, db)
}

fn url(clusters: &[&Cluster], name: &str, more: &str) -> String {
    let places: Vec<String> = clusters
        .iter()
        .map(|c| format!("127.0.0.1:{}", c.port()))
        .collect();
    format!("postgresql://sidecar@{}/{name}?{more}", places.join(","))
}

#[tokio::test]
async fn the_sidecar_connects_to_the_primary_and_after_a_failover_to_the_new_one() {
    let (first, first_db) = standby("failover").await;
    let second = Cluster::start(Settings::default()).await.unwrap();
    let second_db = Database::create_named(&second, "failover").await.unwrap();
    second_db.create_extension().await.unwrap();
    for attributes in [
        "target_session_attrs=read-write",
        "target_session_attrs=primary",
        "",
    ] {
        let url = url(&[&first, &second], "failover", attributes);
        delivers(&second_db, &url, Options::default()).await;
    }
    let url = url(
        &[&first, &second],
        "failover",
        "target_session_attrs=primary",
    );
    let mut sidecar = delivers(&second_db, &url, Options::default()).await;
    second.stop(Stop::Immediate).await.unwrap();
    // It says of each server why that will not do.
    let parts = [
        format!(":{}: it is a hot standby", first.port()),
        format!(":{}: error connecting", second.port()),
    ];
    let is_said = |line: &LogLine| parts.iter().all(|part| line.contains(part));
    sidecar.wait_log(PATIENCE, is_said).await.unwrap();
    first_db.execute("select pg_promote()").await.unwrap();
    delivers_once(&first_db).await;
    assert!(sidecar.exited().unwrap().is_none());
    let connected = said(&sidecar, "connected");
    assert!(
        connected
            .last()
            .unwrap()
            .contains(&format!(":{}", first.port()))
    );
}

#[tokio::test]
async fn a_standby_alone_advises_what_to_write_and_its_promotion_is_enough() {
    let (cluster, db) = standby("alone").await;
    let options = Options::default().database_url(url(&[&cluster], "alone", ""));
    let mut sidecar = Sidecar::spawn(&db, options).unwrap();
    let is_advice =
        |line: &LogLine| line.contains("hot standby") && line.contains("target_session_attrs");
    sidecar.wait_log(PATIENCE, is_advice).await.unwrap();
    db.execute("select pg_promote()").await.unwrap();
    sidecar.wait_ready().await.unwrap();
    assert_eq!(said(&sidecar, "hot standby").len(), 1);
}

#[tokio::test]
async fn a_database_that_is_read_only_says_how_to_change_that() {
    let db = Database::fresh("read_only").await.unwrap();
    let name = db.name();
    db.execute(&format!(
        "alter database {name} set default_transaction_read_only = on"
    ))
    .await
    .unwrap();
    let mut sidecar = Sidecar::spawn(&db, Options::default()).unwrap();
    let is_advice = |line: &LogLine| line.contains("default_transaction_read_only");
    sidecar.wait_log(PATIENCE, is_advice).await.unwrap();
    db.execute(&format!(
        "begin read write; alter role sidecar in database {name} set default_transaction_read_only = off; commit"
    ))
    .await
    .unwrap();
    sidecar.wait_ready().await.unwrap();
}
