use std::net::SocketAddr;

use webhooks_tests::database::Database;
use webhooks_tests::pooler::{Mode, Pooler, StartupOptions};
use webhooks_tests::proxy::Proxy;
use webhooks_tests::sidecar::{Options, Sidecar};

use super::{delivers, said};
use webhooks_tests::PATIENCE;

fn before(db: &Database, mode: Mode, options: StartupOptions) -> (Pooler, String) {
    let server = SocketAddr::from(([127, 0, 0, 1], db.cluster().port()));
    let pooler = Pooler::start(server, mode, options).unwrap();
    let url = format!("postgresql://sidecar@{}/{}", pooler.address(), db.name());
    (pooler, url)
}

const ADVICE: &[&str] = &[
    "pooler in transaction mode",
    "connect directly",
    "session mode",
    "127.0.0.1:",
];

#[tokio::test]
async fn a_pooler_that_shares_sessions_is_refused_with_what_to_do() {
    let db = Database::fresh("transaction_mode").await.unwrap();
    for options in [StartupOptions::Ignored, StartupOptions::Refused] {
        let (_pooler, url) = before(&db, Mode::Transaction, options);
        let options = Options::default()
            .arg("--give-up-after=3")
            .database_url(url);
        let mut sidecar = Sidecar::spawn(&db, options).unwrap();
        let is_advice =
            |line: &webhooks_tests::sidecar::LogLine| ADVICE.iter().all(|part| line.contains(part));
        sidecar.wait_log(PATIENCE, is_advice).await.unwrap();
        let status = sidecar.wait_exit(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(78));
        assert!(said(&sidecar, "\"ready\"").is_empty());
        // Nothing was left behind for those who share the sessions.
        let left = db.value("select count(*) from pg_locks where locktype = 'userlock' and database = (select oid from pg_database where datname = current_database())");
        assert_eq!(left.await.unwrap().as_deref(), Some("0"));
    }
}

#[tokio::test]
async fn a_pooler_that_keeps_sessions_is_as_good_as_none() {
    let db = Database::fresh("session_mode").await.unwrap();
    let name = db.name();
    // The startup packet's settings do not arrive; they have to be in force nevertheless.
    db.execute(&format!(
        "alter role sidecar in database {name} set search_path = public; alter role sidecar in database {name} set jit = on"
    ))
    .await
    .unwrap();
    for options in [StartupOptions::Ignored, StartupOptions::Refused] {
        let (_pooler, url) = before(&db, Mode::Session, options);
        let sidecar = delivers(&db, &url, Options::default()).await;
        assert!(said(&sidecar, "pooler").is_empty());
    }
}

/// The pooler behind a host may change while the sidecar runs.
#[tokio::test]
async fn poolers_are_looked_for_at_each_connection() {
    let db = Database::fresh("pooled_later").await.unwrap();
    let server = SocketAddr::from(([127, 0, 0, 1], db.cluster().port()));
    let direct = Proxy::start(server).unwrap();
    let (pooler, _) = before(&db, Mode::Transaction, StartupOptions::Ignored);
    let url = format!(
        "host=127.0.0.1,127.0.0.1 port={},{} user=sidecar dbname={}",
        direct.address().port(),
        pooler.address().port(),
        db.name()
    );
    let sidecar = delivers(&db, &url, Options::default()).await;
    drop(direct);
    let is_advice =
        |line: &webhooks_tests::sidecar::LogLine| ADVICE.iter().all(|part| line.contains(part));
    sidecar.wait_log(PATIENCE, is_advice).await.unwrap();
}
