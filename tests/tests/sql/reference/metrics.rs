//! `docs/reference/metrics.md`: the sidecar's metrics, from what it answers. And that dashboards and alerts name no others.

use std::collections::BTreeMap;

use webhooks_tests::database::Database;
use webhooks_tests::http;
use webhooks_tests::sidecar::{Options, Sidecar};


use super::markdown::{head, line};
use super::{code, file};
use crate::golden::assert_golden;

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
        let is_common = ["database=", "le=", "version="].iter().any(|l| label.starts_with(l));
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
