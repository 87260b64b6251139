//! `docs/reference/metrics.md`: the sidecar's metrics, from what it answers. And that dashboards and alerts name no others.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;
use webhooks_tests::database::{Database, MONITOR_ROLE};
use webhooks_tests::http;
use webhooks_tests::sidecar::{Options, Sidecar};

use super::markdown::{head, line};
use super::{code, file};
use crate::golden::assert_golden;
use crate::support::session::Session;
use crate::support::world::TENANT;

const INTRODUCTION: &str = "\
# Metrics

<!-- Made from the answer of a sidecar: `cargo xtask docs` renews it. -->

`webhooks-sidecar run --metrics-listen 9744` answers `/metrics` in the text format of Prometheus, to this machine alone;
`--metrics-listen 0.0.0.0:9744` to all that reach it. Metrics count since the start of the process. They name databases,
and neither tenants nor receivers. [Monitor deliveries](../how-to/monitor.md) describes numbers by tenant and subscription,
in SQL.

Every metric has the label `database`. Metrics of the process (`process_cpu_seconds_total`,
`process_resident_memory_bytes`, `process_open_fds` and so on) are those that Prometheus' clients have in common.
[`ops/prometheus/alerts.yml`](../../ops/prometheus/alerts.yml) has alerts,
[`ops/grafana`](../../ops/grafana) dashboards.

";

/// A metric as its answer describes it.
#[derive(Default)]
struct Metric {
    kind: String,
    help: String,
    labels: Vec<String>,
}

/// The sidecar's own metrics, by name.
async fn metrics() -> BTreeMap<String, Metric> {
    let db = Database::fresh("metrics_reference").await.unwrap();
    let options = Options::default().arg("--metrics-listen=0");
    let sidecar = Sidecar::start_with(&db, options).await.unwrap();
    let address = sidecar.metrics_address().await.unwrap();
    let (_, answer) = http::get(&address, "/metrics").await.unwrap();
    let mut metrics: BTreeMap<String, Metric> = BTreeMap::new();
    for text in answer.lines() {
        let mut words = text.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name), Some(help)) => {
                metrics.entry(name.to_owned()).or_default().help = help.to_owned();
            }
            (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                metrics.entry(name.to_owned()).or_default().kind = kind.to_owned();
            }
            _ => add_labels(&mut metrics, text),
        }
    }
    metrics.retain(|name, _| name.starts_with("webhooks_"));
    metrics
}

/// Notes the labels of a line with a value, and those values of theirs that are few.
fn add_labels(metrics: &mut BTreeMap<String, Metric>, text: &str) {
    let Some((name, rest)) = text.split_once('{') else {
        return;
    };
    let family = ["_bucket", "_sum", "_count"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .filter(|family| metrics.contains_key(*family))
        .unwrap_or(name);
    let Some(metric) = metrics.get_mut(family) else {
        return;
    };
    let labels = rest.split('}').next().unwrap_or_default();
    for label in labels.split(',') {
        let is_common = ["database=", "le=", "version="]
            .iter()
            .any(|l| label.starts_with(l));
        if !is_common && !metric.labels.iter().any(|known| known == label) {
            metric.labels.push(label.to_owned());
        }
    }
}

#[tokio::test]
async fn the_metrics_reference_is_the_golden_one() {
    let mut document = INTRODUCTION.to_owned();
    document += &head(&["metric", "type", "labels", "meaning"]);
    for (name, metric) in metrics().await {
        let labels: Vec<String> = metric.labels.iter().map(|label| code(label)).collect();
        document += &line(&[code(&name), metric.kind, labels.join(", "), metric.help]);
    }
    assert_golden(&file("metrics.md"), &document);
}

fn ops(name: &str) -> String {
    let path = format!("{}/../ops/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Words that begin as names of our metrics do.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("webhooks_")).collect()
}

#[tokio::test]
async fn alerts_and_dashboards_name_metrics_that_there_are() {
    let known = metrics().await;
    let is_known = |word: &str| {
        ["", "_bucket", "_sum", "_count"].iter().any(|end| {
            let family = word.strip_suffix(end);
            family.is_some_and(|family| {
                known
                    .get(family)
                    .is_some_and(|metric| end.is_empty() != (metric.kind == "histogram"))
            })
        })
    };
    for file in ["prometheus/alerts.yml", "grafana/prometheus.json"] {
        let text = ops(file);
        let words = named(&text);
        assert!(words.len() > 10, "{file}: {words:?}");
        let unknown: Vec<&&str> = words.iter().filter(|word| !is_known(word)).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
    }
}

#[tokio::test]
async fn queries_of_the_sql_dashboard_run_as_a_monitor() {
    let db = Database::fresh("sql_dashboard").await.unwrap();
    let monitor = Session::open_as(&db, MONITOR_ROLE).await;
    let dashboard: Value = serde_json::from_str(&ops("grafana/postgresql.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 5);
    for panel in panels {
        let query = panel["targets"][0]["rawSql"].as_str().unwrap();
        let query = query
            .replace("$tenant", TENANT)
            .replace("$__timeFrom()", "now() - interval '6 hours'");
        monitor.lines(&format!("select * from ({query}) q")).await;
    }
}

/// Prometheus' own checks, where it is installed.
#[test]
fn promtool_accepts_the_alerts() {
    let rules = format!(
        "{}/../ops/prometheus/alerts.yml",
        env!("CARGO_MANIFEST_DIR")
    );
    match Command::new("promtool")
        .args(["check", "rules", &rules])
        .output()
    {
        Ok(output) => assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(_) => println!("promtool is not installed"),
    }
}
