//! `webhooks-sidecar doctor`: what it finds, and how it ends.

use std::process::Command;

use serde_json::Value;
use webhooks_tests::PATIENCE;
use webhooks_tests::cluster::Cluster;
use webhooks_tests::database::{Database, PUBLISHER_ROLE, SIDECAR_ROLE};
use webhooks_tests::environment::sidecar_program;
use webhooks_tests::sidecar::Sidecar;
use webhooks_tests::wait::{Seen, eventually};

/// What the doctor found, and its exit status.
struct Found {
    findings: Vec<Value>,
    status: Option<i32>,
}

impl Found {
    /// The finding of a check with this text, if there is one.
    fn find(&self, severity: &str, check: &str, part: &str) -> Option<&Value> {
        self.findings.iter().find(|found| {
            found["severity"] == severity
                && found["check"] == check
                && found["finding"].as_str().unwrap().contains(part)
        })
    }

    #[track_caller]
    fn has(&self, severity: &str, check: &str, part: &str) -> &Value {
        let found = self.find(severity, check, part);
        found.unwrap_or_else(|| panic!("no {severity} {check} {part} in {:#?}", self.findings))
    }
}

async fn run(arguments: &[String]) -> (String, Option<i32>) {
    let mut command = Command::new(sidecar_program().unwrap());
    command
        .arg("doctor")
        .args(arguments)
        .env_remove("DATABASE_URL");
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (text, output.status.code())
}

async fn doctor(urls: &[String], more: &[&str]) -> Found {
    let urls = urls.iter().map(|url| format!("--database-url={url}"));
    let more = more.iter().map(|&argument| argument.to_owned());
    let arguments: Vec<String> = urls.chain(more).chain(["--json".to_owned()]).collect();
    let (text, status) = run(&arguments).await;
    Found {
        findings: serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")),
        status,
    }
}

#[tokio::test]
async fn a_database_in_order_has_no_findings_and_what_is_not_seen_is_said() {
    let db = Database::fresh("healthy").await.unwrap();
    let url = db.url(SIDECAR_ROLE);
    let found = doctor(std::slice::from_ref(&url), &[]).await;
    assert_eq!(found.status, Some(0), "{:#?}", found.findings);
    found.has("info", "connection", "connected to 127.0.0.1:");
    found.has("info", "version", "sidecar ");
    let unseen = found.has("info", "doctor", "may not call webhooks.doctor()");
    assert!(
        unseen["advice"]
            .as_str()
            .unwrap()
            .contains("webhooks_monitor")
    );
    assert!(found.findings.iter().all(|f| f["severity"] == "info"));

    let (text, status) = run(&[format!("--database-url={url}")]).await;
    assert_eq!(status, Some(0));
    let line = format!("info     {}  version: sidecar ", db.name());
    assert!(text.lines().any(|l| l.starts_with(&line)), "{text}");
}

#[tokio::test]
async fn a_member_of_both_groups_sees_what_the_server_finds_too() {
    let db = Database::fresh("doctored").await.unwrap();
    db.create_role(
        "sidecar_and_monitor",
        "login in role webhooks_sidecar, webhooks_monitor",
    )
    .await
    .unwrap();
    let url = [db.url("sidecar_and_monitor")];
    let missing = "no sidecar runs for this database";
    let found = doctor(&url, &[]).await;
    found.has("error", "sidecar", missing);
    assert_eq!(found.status, Some(2));

    let _sidecar = Sidecar::start(&db).await.unwrap();
    let seen = async || {
        let found = doctor(&url, &[]).await;
        Ok(match found.find("error", "sidecar", "") {
            None => Seen::Done(()),
            Some(_) => Seen::not_yet(format!("{:#?}", found.findings)),
        })
    };
    eventually(PATIENCE, seen).await.unwrap();
}

#[tokio::test]
async fn what_a_sidecar_could_not_work_with_is_an_error() {
    let db = Database::fresh("unprivileged").await.unwrap();
    let found = doctor(&[db.url(PUBLISHER_ROLE)], &[]).await;
    let finding = found.has("error", "privilege", "no member of webhooks_sidecar");
    assert_eq!(
        finding["advice"],
        "grant webhooks_sidecar to \"publisher\";"
    );
    assert_eq!(found.status, Some(2));

    let cluster = Cluster::shared().await.unwrap();
    let bare = Database::create_empty(&cluster, "without").await.unwrap();
    let found = doctor(&[bare.url(SIDECAR_ROLE)], &[]).await;
    let finding = found.has("error", "version", "is not installed in database");
    assert!(
        finding["advice"]
            .as_str()
            .unwrap()
            .starts_with("create extension webhooks;")
    );
    assert_eq!(found.status, Some(2));

    let found = doctor(&[db.url(SIDECAR_ROLE)], &["--lease=1"]).await;
    found.has("error", "setting", "--lease is 1 s");
    assert_eq!(found.status, Some(2));
    let found = doctor(&[db.url(SIDECAR_ROLE)], &["--concurrency=2"]).await;
    found.has("warning", "setting", "--concurrency is 2");
    assert_eq!(found.status, Some(1));
}

#[tokio::test]
async fn each_database_is_looked_at_whatever_another_one_does() {
    let db = Database::fresh("reached").await.unwrap();
    let nowhere = "postgresql://u:pa55word@127.0.0.1:1/nowhere".to_owned();
    let found = doctor(&[nowhere, db.url(SIDECAR_ROLE)], &[]).await;
    let refused = found.has("error", "connection", "127.0.0.1:1");
    assert_eq!(refused["database"], "127.0.0.1:1/nowhere");
    let connected = found.has("info", "connection", "connected to ");
    let name = format!("127.0.0.1:{}/{}", db.cluster().port(), db.name());
    assert_eq!(connected["database"], Value::from(name));
    assert_eq!(found.status, Some(2));
    assert!(!format!("{:?}", found.findings).contains("pa55word"));
}
