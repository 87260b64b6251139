//! Metrics and health of the sidecar, asked as Prometheus, systemd and containers ask.

use std::process::Command;

use serde_json::json;
use webhooks_tests::cluster::{Cluster, Options as Settings, Stop};
use webhooks_tests::database::Database;
use webhooks_tests::environment::sidecar_program;
use webhooks_tests::receiver::Reply;
use webhooks_tests::sidecar::{Options, Sidecar};
use webhooks_tests::wait::{Seen, eventually};
use webhooks_tests::{PATIENCE, http};

use crate::scene::Scene;

/// Listens at a free port.
fn listening() -> Options {
    Options::default().arg("--metrics-listen=0")
}

async fn get(address: &str, path: &str) -> (u16, String) {
    http::get(address, path).await.unwrap()
}

/// The value of a metric, by its name and labels but that of the database.
fn value(metrics: &str, name: &str, labels: &str) -> f64 {
    let line = metrics.lines().find(|line| {
        let rest = line.strip_prefix(name).filter(|rest| rest.starts_with('{'));
        rest.is_some_and(|rest| rest.contains(labels))
    });
    let line = line.unwrap_or_else(|| panic!("no {name} with {labels} in {metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits until a metric has a value.
async fn wait_value(address: &str, name: &str, labels: &str, wanted: f64) {
    let seen = async || {
        let (_, metrics) = get(address, "/metrics").await;
        let seen = value(&metrics, name, labels);
        Ok(Seen::done_if(seen, |seen| (*seen - wanted).abs() < 0.5))
    };
    eventually(PATIENCE, seen).await.unwrap();
}

#[tokio::test]
async fn attempts_are_counted_by_their_outcome() {
    let scene = Scene::set_with("metrics", listening()).await;
    let address = scene.sidecar.metrics_address().await.unwrap();
    let good = scene.endpoint("/good", Reply::ok(), json!({})).await;
    let events = scene.db.publish_many(good.tenant, "job.created", 3);
    events.await.unwrap();
    let columns = json!({"retry_count": 1});
    scene
        .play("/bad", Reply::status(500), columns, "failed")
        .await;
    scene.receiver.wait_for(5).await.unwrap();

    let attempts = "webhooks_attempts_total";
    wait_value(&address, attempts, "outcome=\"delivered\"", 3.0).await;
    wait_value(&address, attempts, "outcome=\"retried\"", 1.0).await;
    wait_value(&address, attempts, "outcome=\"failed\"", 1.0).await;
    wait_value(&address, "webhooks_results_unrecorded", "", 0.0).await;
    // What it looks at once a second.
    wait_value(&address, "webhooks_shards_owned", "", 16.0).await;
    wait_value(&address, "webhooks_request_slots", "", 256.0).await;
    let (status, metrics) = get(&address, "/metrics").await;
    assert_eq!(status, 200);
    let of = |name: &str| value(&metrics, name, "");
    assert_eq!(of("webhooks_first_attempt_delay_seconds_count"), 4.0);
    assert!(of("webhooks_first_attempt_delay_seconds_sum") < 60.0);
    assert_eq!(of("webhooks_record_results_sum"), 5.0);
    assert!(of("webhooks_claim_deliveries_sum") >= 5.0);
    // Neither who nor where.
    for secret in [good.tenant.to_string(), scene.receiver.url("/")] {
        assert!(!metrics.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn a_sidecar_is_ready_while_it_can_deliver_and_alive_anyway() {
    let cluster = Cluster::start(Settings::default()).await.unwrap();
    let db = Database::create(&cluster, "readiness").await.unwrap();
    let sidecar = Sidecar::start_with(&db, listening()).await.unwrap();
    let address = sidecar.metrics_address().await.unwrap();
    let answers = async |path: &str, wanted: u16| {
        let seen = async || {
            let (status, text) = get(&address, path).await;
            Ok(Seen::done_if((status, text), |(status, _)| {
                *status == wanted
            }))
        };
        eventually(PATIENCE, seen).await.unwrap().1
    };
    assert_eq!(answers("/readyz", 200).await, "ready\n");
    assert_eq!(health(&address, &[]).await, (true, "ready".to_owned()));

    cluster.stop(Stop::Fast).await.unwrap();
    let reasons = answers("/readyz", 503).await;
    assert!(
        reasons.contains("no session with the database"),
        "{reasons}"
    );
    let (is_ready, reason) = health(&address, &[]).await;
    assert!(!is_ready);
    assert_eq!(reason, reasons.trim_end());
    assert_eq!(answers("/healthz", 200).await, "alive\n");
    let alive = health(&address, &["--alive"]).await;
    assert_eq!(alive, (true, "alive".to_owned()));

    cluster.launch().await.unwrap();
    answers("/readyz", 200).await;
    let (_, metrics) = get(&address, "/metrics").await;
    let lost = "webhooks_database_sessions_lost_total";
    assert!(value(&metrics, lost, "session=\"owner\"") >= 1.0);
}

/// Runs `webhooks-sidecar health`. Returns: whether all is well, and what it printed.
async fn health(address: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(sidecar_program().unwrap());
    command
        .args(["health", "--metrics-listen", address])
        .args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), text.trim_end().to_owned())
}

#[tokio::test]
async fn where_nothing_listens_health_says_so() {
    let (is_well, text) = health("127.0.0.1:1", &[]).await;
    assert!(!is_well);
    assert!(text.starts_with("no answer from 127.0.0.1:1: "), "{text}");
}

#[tokio::test]
async fn what_is_no_question_is_refused_and_hangs_nobody_up() {
    let scene = Scene::set_with("hostile_metrics", listening()).await;
    let address = scene.sidecar.metrics_address().await.unwrap();
    // Connections that say nothing, as many as may be open at once.
    let mut silent = Vec::new();
    for _ in 0..300 {
        silent.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    let (status, text) = get(&address, "/nothing").await;
    assert_eq!((status, text.contains("/readyz")), (404, true));
    // Deliveries do not notice.
    scene
        .play("/hook", Reply::ok(), json!({}), "delivered")
        .await;
}

#[tokio::test]
async fn the_session_that_observes_is_kept_and_replaced_when_it_ends() {
    let scene = Scene::set_with("observes", listening()).await;
    let session = "select string_agg(pid::text, ' ') from pg_stat_activity
        where datname = current_database() and application_name like 'webhooks-sidecar observe%'";
    let other_than = async |before: Option<String>| {
        let look = async || {
            let pid = scene.db.value(session).await?;
            Ok(Seen::done_if(pid, |pid| pid.is_some() && *pid != before))
        };
        eventually(PATIENCE, look).await.unwrap()
    };
    let first = other_than(None).await;
    let evaluated = "select evaluated_at is not null from webhooks_private.alert_evaluation";
    scene.db.wait_value(evaluated, "true").await.unwrap();
    // For alerts and metrics alike.
    assert_eq!(scene.db.value(session).await.unwrap(), first);
    let end = format!(
        "select pg_terminate_backend({}, 10000)",
        first.clone().unwrap()
    );
    scene.db.execute(&end).await.unwrap();
    other_than(first).await;
}
