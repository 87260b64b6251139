use std::time::Duration;

use serde_json::json;
use webhooks_tests::cluster::{Cluster, Options as Settings};
use webhooks_tests::database::Database;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::{LogLine, Options, Sidecar};
use webhooks_tests::wait::{Seen, eventually};

use super::{said, with_rules};
use crate::scene::subscribe;
use webhooks_tests::PATIENCE;

/// Waits until the server has refused it so many times.
async fn refused(cluster: &Cluster, with: &str, times: usize) {
    let check = async || {
        let seen = cluster.server_log().matches(with).count();
        Ok(Seen::done_if(seen, |seen| *seen >= times))
    };
    eventually(PATIENCE, check).await.unwrap();
}

#[tokio::test]
async fn errors_that_an_operator_has_to_correct_are_logged_once_and_when_they_are_over() {
    let cluster = Cluster::start(Settings::default()).await.unwrap();
    let db = Database::create(&cluster, "trouble").await.unwrap();
    let place = format!("127.0.0.1:{}", cluster.port());
    let cases = [
        (
            "nobody",
            "later",
            "role \"nobody\" does not exist",
            "CREATE ROLE",
        ),
        (
            "sidecar",
            "later",
            "database \"later\" does not exist",
            "PGDATABASE",
        ),
    ];
    for (role, name, words, advice) in cases {
        let url = format!("postgresql://{role}@{place}/{name}");
        let sidecar = Sidecar::spawn(&db, Options::default().database_url(url)).unwrap();
        refused(&cluster, words, 8).await;
        let complaints = said(&sidecar, "no session with the database");
        let [complaint] = complaints.as_slice() else {
            panic!("{complaints:?}");
        };
        for part in [
            place.as_str(),
            words.split('"').next().unwrap(),
            advice,
            "ERROR",
        ] {
            assert!(complaint.contains(part), "{part}: {}", complaint.raw);
        }
    }
    let later = Database::existing(&cluster, "later");
    let url = later.url("sidecar");
    let mut sidecar = Sidecar::spawn(&db, Options::default().database_url(url)).unwrap();
    let is_said = |part: &'static str| move |line: &LogLine| line.contains(part);
    sidecar
        .wait_log(PATIENCE, is_said("PGDATABASE"))
        .await
        .unwrap();
    cluster.create_database("later", "").await.unwrap();
    // It changed.
    sidecar
        .wait_log(PATIENCE, is_said("CREATE EXTENSION webhooks"))
        .await
        .unwrap();
    later.create_extension().await.unwrap();
    sidecar.wait_ready().await.unwrap();
    sidecar
        .wait_log(
            PATIENCE,
            is_said("there is a session with the database again"),
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_rule_against_it_is_told_from_a_password() {
    let db = with_rules(
        "host all sidecar 127.0.0.1/32 reject\n",
        Settings::default(),
    )
    .await;
    let sidecar = Sidecar::spawn(&db, Options::default()).unwrap();
    let is_advice = |line: &LogLine| line.contains("let pg_hba.conf accept this user");
    sidecar.wait_log(PATIENCE, is_advice).await.unwrap();
}

#[tokio::test]
async fn the_sidecar_gives_up_when_asked_with_a_code_for_supervisors() {
    let db = Database::fresh("gives_up").await.unwrap();
    let wrong = db.url("nobody");
    let away = "postgresql://sidecar@127.0.0.1:1/d".to_owned();
    for (url, code) in [(wrong, 78), (away, 69)] {
        let options = Options::default()
            .arg("--give-up-after=1.5")
            .database_url(url);
        let mut sidecar = Sidecar::spawn(&db, options).unwrap();
        let status = sidecar.wait_exit(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(code));
        assert_eq!(
            said(&sidecar, "--give-up-after").len(),
            2,
            "{}",
            sidecar.log_tail(9)
        );
    }
}

/// A startup packet that the server refuses is refused until an operator corrects it.
#[tokio::test]
async fn a_session_that_the_server_never_lets_begin_has_to_be_put_right() {
    let cluster = Cluster::start(Settings::default()).await.unwrap();
    let db = Database::create(&cluster, "begins").await.unwrap();
    let closed = Database::existing(&cluster, "closed");
    db.execute("create database closed allow_connections false")
        .await
        .unwrap();
    let name = db.name();
    db.execute(&format!(
        "revoke connect on database {name} from public; grant connect on database {name} to sidecar"
    ))
    .await
    .unwrap();
    let with = |option: &str| format!("{}?options=-c%20{option}", db.url("sidecar"));
    for (url, words, advice) in [
        (
            with("geqo%3Dmaybe"),
            "requires a Boolean value",
            "correct options=",
        ),
        (
            with("shared_buffers%3D1MB"),
            "cannot be changed",
            "correct options=",
        ),
        (
            with("nonsense%3D1"),
            "unrecognized configuration parameter",
            "correct options=",
        ),
        (
            with("log_statement%3Dall"),
            "permission denied to set parameter",
            "leave that out of options=",
        ),
        (
            closed.url("sidecar"),
            "not currently accepting connections",
            "ALLOW_CONNECTIONS",
        ),
        (
            db.url("stranger"),
            "permission denied for database",
            "GRANT CONNECT",
        ),
    ] {
        let options = Options::default()
            .arg("--give-up-after=1")
            .database_url(url);
        let mut sidecar = Sidecar::spawn(&db, options).unwrap();
        let status = sidecar.wait_exit(PATIENCE).await.unwrap();
        assert_eq!(status.code(), Some(78), "{words}");
        let complaints = said(&sidecar, words);
        let complaint = complaints.first().unwrap();
        assert!(complaint.contains(advice), "{}", complaint.raw);
    }
}

/// It counts from when there was a session last.
#[tokio::test]
async fn the_sidecar_gives_up_after_it_worked_too() {
    let cluster = Cluster::start(Settings::default()).await.unwrap();
    let db = Database::create(&cluster, "worked").await.unwrap();
    let options = Options::default().arg("--give-up-after=2");
    let mut sidecar = Sidecar::start_with(&db, options).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(sidecar.exited().unwrap().is_none());
    cluster.kill9().await.unwrap();
    let status = sidecar.wait_exit(PATIENCE).await.unwrap();
    assert_eq!(status.code(), Some(69));
}

#[tokio::test]
async fn results_that_can_not_be_recorded_are_said_once() {
    let cluster = Cluster::start(Settings::default()).await.unwrap();
    let db = Database::create(&cluster, "recording").await.unwrap();
    let receiver = Receiver::start().unwrap();
    receiver.on("/", Reply::ok());
    let sidecar = Sidecar::start(&db).await.unwrap();
    // The owning session is there; the recorder's has to be made.
    db.execute("alter role sidecar connection limit 1")
        .await
        .unwrap();
    let endpoint = subscribe(&db, &receiver.url("/"), json!({})).await;
    let event = db
        .publish(endpoint.tenant, "document.uploaded", json!({}))
        .await
        .unwrap();
    refused(&cluster, "too many connections for role", 6).await;
    assert_eq!(said(&sidecar, "can't record").len(), 1);
    db.execute("alter role sidecar connection limit -1")
        .await
        .unwrap();
    db.wait_delivery(event, "delivered").await.unwrap();
    let is_over = |line: &LogLine| line.message() == "recording again";
    sidecar.wait_log(PATIENCE, is_over).await.unwrap();
    assert_eq!(receiver.count(), 1);
}
