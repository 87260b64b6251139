//! The trace context of publishers reaches receivers, and spans of attempts a collector of OpenTelemetry.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value::{IntValue, StringValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::PATIENCE;
use webhooks_tests::database::publish;
use webhooks_tests::receiver::{Receiver, Reply, Request};
use webhooks_tests::sidecar::Options;

use crate::scene::{Endpoint, Scene};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT_ID: &str = "b7ad6b7169203331";
/// As OTLP numbers them.
const CLIENT: i32 = 3;
const ERROR: i32 = 2;

/// Flags of the publisher's span.
const SAMPLED: &str = "01";
const NOT_SAMPLED: &str = "00";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE_ID}-{PARENT_ID}-{flags}")
}

/// Publishes an event in a transaction that is a part of a trace.
async fn publish_traced(scene: &Scene, endpoint: &Endpoint, traceparent: &str) -> Uuid {
    let mut client = scene.db.connect().await.unwrap();
    let transaction = client.transaction().await.unwrap();
    let set = "select set_config('webhooks.traceparent', $1, true)";
    transaction.execute(set, &[&traceparent]).await.unwrap();
    let event = publish(
        &transaction,
        endpoint.tenant,
        "document.uploaded",
        json!({}),
    );
    let event = event.await.unwrap();
    transaction.commit().await.unwrap();
    event
}

/// What receivers got, by event: the header `traceparent` of each of its requests.
fn traceparents(requests: &[Request], event: Uuid) -> Vec<Option<&str>> {
    let of_event = requests.iter().filter(|r| r.event_id() == Some(event));
    of_event.map(|r| r.header("traceparent")).collect()
}

/// A collector: a receiver that keeps what it gets.
fn collector() -> Receiver {
    let collector = Receiver::start().unwrap();
    collector.on("/v1/traces", Reply::ok());
    collector
}

/// Exports to a collector, soon.
fn exporting(collector: &Receiver) -> Options {
    Options::default()
        .arg(format!("--otlp-endpoint={}", collector.url("")))
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
}

/// A span, with its resource.
struct Exported {
    span: Span,
    attributes: BTreeMap<String, Value>,
    resource: BTreeMap<String, Value>,
}

impl Exported {
    fn trace_id(&self) -> String {
        hex(&self.span.trace_id)
    }

    fn id(&self) -> String {
        hex(&self.span.span_id)
    }

    fn parent_id(&self) -> String {
        hex(&self.span.parent_span_id)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn values(attributes: Vec<KeyValue>) -> BTreeMap<String, Value> {
    let value = |attribute: KeyValue| {
        let value = match attribute.value.unwrap().value.unwrap() {
            StringValue(text) => json!(text),
            IntValue(number) => json!(number),
            other => panic!("{other:?}"),
        };
        (attribute.key, value)
    };
    attributes.into_iter().map(value).collect()
}

/// The spans of exports.
fn spans(requests: &[Request]) -> Vec<Exported> {
    let mut spans = Vec::new();
    for request in requests {
        assert_eq!(
            request.header("content-type"),
            Some("application/x-protobuf")
        );
        let export = ExportTraceServiceRequest::decode(request.body.clone()).unwrap();
        for of_resource in export.resource_spans {
            let resource = values(of_resource.resource.unwrap().attributes);
            let all = of_resource.scope_spans.into_iter().flat_map(|s| s.spans);
            spans.extend(all.map(|span| Exported {
                attributes: values(span.attributes.clone()),
                resource: resource.clone(),
                span,
            }));
        }
    }
    spans
}

/// Waits until so many spans were exported.
async fn exported(collector: &Receiver, n: usize) -> Vec<Exported> {
    let all = |requests: &[Request]| spans(requests).len() >= n;
    spans(&collector.wait_until(PATIENCE, all).await.unwrap())
}

#[tokio::test]
async fn receivers_get_the_publishers_trace_context() {
    let scene = Scene::set("traceparent").await;
    let columns = json!({"retry_count": 1, "payload_format": "cloudevents"});
    let endpoint = scene.endpoint("/hook", Reply::ok(), columns).await;
    scene
        .receiver
        .on_sequence("/hook", [Reply::status(500), Reply::ok()]);
    let traced = publish_traced(&scene, &endpoint, &traceparent(SAMPLED)).await;
    scene.wait(traced, "delivered").await;
    let invalid = publish_traced(&scene, &endpoint, "00-xyz").await;
    scene.wait(invalid, "delivered").await;
    let without = scene.publish(&endpoint).await;
    scene.wait(without, "delivered").await;

    let requests = scene.receiver.requests();
    let expected = traceparent(SAMPLED);
    // Both attempts: nothing exports spans, so that the publisher's is the only one in the trace.
    let twice = vec![Some(expected.as_str()); 2];
    assert_eq!(traceparents(&requests, traced), twice);
    assert_eq!(traceparents(&requests, invalid), [None]);
    assert_eq!(traceparents(&requests, without), [None]);
    // The body is the event's alone.
    let request = requests.iter().find(|r| r.event_id() == Some(traced));
    let body = String::from_utf8_lossy(&request.unwrap().body);
    assert!(!body.contains(TRACE_ID), "{body}");
}

#[tokio::test]
async fn each_attempt_is_a_span_under_the_publishers() {
    let collector = collector();
    let scene = Scene::set_with("spans", exporting(&collector)).await;
    let columns = json!({"retry_count": 1});
    let endpoint = scene
        .endpoint("/se/cret?k=hush", Reply::ok(), columns)
        .await;
    scene
        .receiver
        .on_sequence("/se/cret", [Reply::status(503), Reply::ok()]);
    let event = publish_traced(&scene, &endpoint, &traceparent("03")).await;
    let (delivery, _) = scene.wait(event, "delivered").await;

    let spans = exported(&collector, 2).await;
    assert_eq!(spans.len(), 2);
    let requests = scene.receiver.requests();
    for (span, request) in spans.iter().zip(&requests) {
        assert_eq!(
            (span.trace_id(), span.parent_id()),
            (TRACE_ID.to_owned(), PARENT_ID.to_owned())
        );
        // The receiver's parent is this span; the publisher's other flags stay.
        let sent = format!("00-{TRACE_ID}-{}-03", span.id());
        assert_eq!(request.header("traceparent"), Some(sent.as_str()));
        assert_eq!((span.span.name.as_str(), span.span.kind), ("POST", CLIENT));
        assert!(span.span.end_time_unix_nano >= span.span.start_time_unix_nano);
        assert_eq!(span.resource["service.name"], "webhooks-sidecar");
        let address = scene.receiver.address();
        for (name, value) in [
            ("http.request.method", json!("POST")),
            ("server.address", json!("127.0.0.1")),
            ("server.port", json!(address.port())),
            ("url.scheme", json!("http")),
            ("messaging.system", json!("webhooks")),
            ("messaging.message.id", json!(event)),
            ("messaging.message.body.size", json!(request.body.len())),
            ("webhooks.event.type", json!("document.uploaded")),
            ("webhooks.delivery.id", delivery["id"].clone()),
            ("webhooks.subscription.id", json!(endpoint.subscription)),
            ("webhooks.tenant.id", json!(endpoint.tenant)),
        ] {
            assert_eq!(span.attributes.get(name), Some(&value), "{name}");
        }
    }
    let of = |n: usize, name: &str| spans[n].attributes.get(name).cloned();
    assert_eq!(of(0, "http.response.status_code"), Some(json!(503)));
    assert_eq!(of(0, "error.type"), Some(json!("503")));
    assert_eq!(of(0, "http.request.resend_count"), None);
    assert_eq!(spans[0].span.status.as_ref().unwrap().code, ERROR);
    assert_eq!(of(1, "http.response.status_code"), Some(json!(200)));
    assert_eq!(of(1, "error.type"), None);
    assert_eq!(of(1, "http.request.resend_count"), Some(json!(1)));
    assert_eq!(
        spans[1]
            .span
            .status
            .as_ref()
            .map_or(0, |status| status.code),
        0
    );
    // Paths and queries may be secret.
    for request in collector.requests() {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        assert!(!text.contains("cret") && !text.contains("hush"), "{text}");
    }
}

/// A trace that its publisher does not record has no spans, and goes on as it was. Nor has an event without a trace.
#[tokio::test]
async fn what_the_publisher_does_not_record_is_not_exported() {
    let collector = collector();
    let options = exporting(&collector).env("OTEL_SERVICE_NAME", "hooks");
    let scene = Scene::set_with("unsampled", options).await;
    let endpoint = scene.endpoint("/hook", Reply::ok(), json!({})).await;
    let unsampled = publish_traced(&scene, &endpoint, &traceparent(NOT_SAMPLED)).await;
    scene.wait(unsampled, "delivered").await;
    let without = scene.publish(&endpoint).await;
    scene.wait(without, "delivered").await;
    let sampled = publish_traced(&scene, &endpoint, &traceparent(SAMPLED)).await;
    scene.wait(sampled, "delivered").await;

    let spans = exported(&collector, 1).await;
    assert_eq!(spans.len(), 1);
    assert_eq!(spans[0].attributes["messaging.message.id"], json!(sampled));
    assert_eq!(spans[0].resource["service.name"], "hooks");
    let requests = scene.receiver.requests();
    let expected = traceparent(NOT_SAMPLED);
    assert_eq!(
        traceparents(&requests, unsampled),
        [Some(expected.as_str())]
    );
    assert_eq!(traceparents(&requests, without), [None]);
}

#[tokio::test]
async fn an_attempt_without_an_answer_is_a_span_that_says_why() {
    let collector = collector();
    let scene = Scene::set_with("failed_spans", exporting(&collector)).await;
    let columns = json!({"retry_count": 0, "timeout_seconds": 1});
    let endpoint = scene.endpoint("/hook", Reply::hang(), columns).await;
    let event = publish_traced(&scene, &endpoint, &traceparent(SAMPLED)).await;
    scene.wait(event, "failed").await;
    let spans = exported(&collector, 1).await;
    assert_eq!(spans[0].attributes["error.type"], "timeout");
    assert_eq!(spans[0].attributes.get("http.response.status_code"), None);
}

/// By the variables of the OpenTelemetry specification alone, and what is left when the sidecar ends.
#[tokio::test]
async fn the_last_spans_are_exported_at_the_end() {
    let collector = collector();
    let options = Options::default()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url(""))
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hush")
        .env("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let mut scene = Scene::set_with("last_spans", options).await;
    let endpoint = scene.endpoint("/hook", Reply::ok(), json!({})).await;
    let event = publish_traced(&scene, &endpoint, &traceparent(SAMPLED)).await;
    scene.wait(event, "delivered").await;
    assert_eq!(collector.count(), 0);
    scene.sidecar.sigterm().unwrap();
    let status = scene.sidecar.wait_exit(PATIENCE).await.unwrap();
    assert!(status.success());
    let requests = collector.requests();
    assert_eq!(spans(&requests).len(), 1);
    assert_eq!(requests[0].header("x-key"), Some("hush"));
    assert!(!scene.sidecar.log_tail(1000).contains("hush"));
}

/// Deliveries and the end of the sidecar wait for no collector; the log says once that it is away.
#[tokio::test]
async fn a_collector_that_is_away_delays_nothing() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let options = Options::default()
        .arg(format!("--otlp-endpoint=http://127.0.0.1:{port}"))
        .env("OTEL_BSP_SCHEDULE_DELAY", "50")
        .env("OTEL_BSP_MAX_QUEUE_SIZE", "4")
        .env("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2");
    let mut scene = Scene::set_with("no_collector", options).await;
    let endpoint = scene.endpoint("/hook", Reply::ok(), json!({})).await;
    let publish = async |n: usize| {
        for _ in 0..n {
            publish_traced(&scene, &endpoint, &traceparent(SAMPLED)).await;
        }
    };
    publish(20).await;
    scene.receiver.wait_for(20).await.unwrap();
    let complains = "spans can't be exported: ";
    let line = scene
        .sidecar
        .wait_log(PATIENCE, |line| line.contains(complains));
    let line = line.await.unwrap();
    assert!(line.contains(&format!("127.0.0.1:{port}")), "{}", line.raw);
    publish(20).await;
    scene.receiver.wait_for(40).await.unwrap();
    scene.sidecar.sigterm().unwrap();
    let status = scene
        .sidecar
        .wait_exit(Duration::from_secs(10))
        .await
        .unwrap();
    assert!(status.success());
    let lines = scene.sidecar.log();
    let complaints = lines.iter().filter(|line| line.contains(complains));
    assert_eq!(complaints.count(), 1);
}

#[tokio::test]
async fn the_log_says_when_spans_are_exported_again() {
    let collector = collector();
    collector.on_sequence("/v1/traces", [Reply::status(400), Reply::ok()]);
    let scene = Scene::set_with("collector_again", exporting(&collector)).await;
    let endpoint = scene.endpoint("/hook", Reply::ok(), json!({})).await;
    publish_traced(&scene, &endpoint, &traceparent(SAMPLED)).await;
    let logged = async |text: &str| {
        let line = scene.sidecar.wait_log(PATIENCE, |line| line.contains(text));
        line.await.unwrap()
    };
    logged("spans can't be exported: HTTP status 400").await;
    publish_traced(&scene, &endpoint, &traceparent(SAMPLED)).await;
    logged("spans are exported again").await;
}

/// One that takes no spans and does not answer: at the end it is not waited for.
#[tokio::test]
async fn a_collector_that_hangs_does_not_keep_the_sidecar() {
    let collector = collector();
    collector.on("/v1/traces", Reply::hang());
    let options = exporting(&collector).env("OTEL_EXPORTER_OTLP_TIMEOUT", "600000");
    let mut scene = Scene::set_with("collector_hangs", options).await;
    let endpoint = scene.endpoint("/hook", Reply::ok(), json!({})).await;
    let event = publish_traced(&scene, &endpoint, &traceparent(SAMPLED)).await;
    scene.wait(event, "delivered").await;
    collector.wait_for(1).await.unwrap();
    scene.sidecar.sigterm().unwrap();
    let status = scene
        .sidecar
        .wait_exit(Duration::from_secs(20))
        .await
        .unwrap();
    assert!(status.success());
}
