//! Each `payload_format`, read by the library that its consumers use.

use std::collections::{BTreeMap, BTreeSet};

use cloudevents::AttributesReader;
use cloudevents::binding::http::to_event;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use uuid::Uuid;
use webhooks_tests::PATIENCE;
use webhooks_tests::receiver::{Reply, Request};

use crate::scene::Scene;

const FORMATS: [(&str, &str); 4] = [
    ("envelope", "application/json"),
    ("standard", "application/json"),
    ("cloudevents", "application/cloudevents+json"),
    ("cloudevents-binary", "application/json"),
];
const USER: &str = "33333333-3333-4333-8333-333333333333";
const RESOURCE: &str = "22222222-2222-4222-8222-222222222222";

/// One event to a subscription of each format, all of one tenant: they are claimed together.
struct Sent {
    scene: Scene,
    tenant: Uuid,
    event: Uuid,
    secret: String,
    requests: BTreeMap<&'static str, Request>,
    subscriptions: BTreeMap<&'static str, Uuid>,
}

fn data() -> Value {
    json!({"title": "Ünïcödé ✓ \u{1F600}", "n": 1.5, "tags": ["a", "b, c: d"]})
}

async fn send(name: &str) -> Sent {
    let scene = Scene::set(name).await;
    let secret = scene.db.value("select webhooks.generate_secret()").await;
    let secret = secret.unwrap().unwrap();
    let tenant = scene.db.tenant();
    let mut subscriptions = BTreeMap::new();
    for (format, _) in FORMATS {
        let path = format!("/{format}");
        scene.receiver.on(&path, Reply::ok());
        let columns = json!({
            "tenant_id": tenant, "name": format, "webhook_url": scene.receiver.url(&path), "payload_format": format,
            "auth_type": "signature", "auth_config": {"secret": secret}, "webhook_headers": {"x-team": "records"},
        });
        subscriptions.insert(format, scene.db.subscribe(columns).await.unwrap());
    }
    let publish = format!(
        "select webhooks.publish_event('{tenant}', 'document.processed', event_name => 'Ganz \"fertig\" ✓', event_data => '{}',
             resource_type => 'document', resource_id => '{RESOURCE}', user_id => '{USER}', request_id => 'r 1')",
        data()
    );
    let event = scene.db.value(&publish).await.unwrap().unwrap();
    scene.receiver.wait_for(FORMATS.len() as u64).await.unwrap();
    let requests = FORMATS.map(|(format, _)| {
        let mut requests = scene.receiver.requests_to(&format!("/{format}"));
        assert_eq!(requests.len(), 1, "{format}");
        (format, requests.remove(0))
    });
    Sent {
        scene,
        tenant,
        event: event.parse().unwrap(),
        secret,
        requests: requests.into(),
        subscriptions,
    }
}

#[tokio::test]
async fn each_format_is_signed_typed_and_previewed_as_it_is_sent() {
    let sent = send("formats").await;
    let library = Webhook::new(&sent.secret).unwrap();
    let db = &sent.scene.db;
    db.wait_drained(PATIENCE).await.unwrap();
    for (format, content_type) in FORMATS {
        let request = &sent.requests[format];
        assert_eq!(request.header("content-type"), Some(content_type));
        assert_eq!(request.header("x-team"), Some("records"), "{format}");
        assert_eq!(request.event_id(), Some(sent.event), "{format}");
        library.verify(&request.body, &request.headers).unwrap();
        let id = sent.subscriptions[format];
        let body = std::str::from_utf8(&request.body).unwrap();
        let preview = format!("select webhooks.build_payload('{}', '{id}')", sent.event);
        assert_eq!(
            db.value(&preview).await.unwrap().as_deref(),
            Some(body),
            "{format}"
        );
        let verified = format!(
            "select webhooks.verify_signature(webhooks.build_payload('{}', '{id}'), '{}', '{}')
                and l.payload_hash = encode(sha256(convert_to(webhooks.build_payload('{0}', '{id}'), 'UTF8')), 'hex')
                and l.payload_size_bytes = {}
             from webhooks.webhook_delivery_logs l where l.subscription_id = '{id}'",
            sent.event,
            request.header("x-webhook-signature").unwrap(),
            sent.secret,
            request.body.len()
        );
        assert_eq!(
            db.value(&verified).await.unwrap().as_deref(),
            Some("true"),
            "{format}"
        );
        let preview = format!(
            "select * from webhooks.preview_payload('{id}', '{}')",
            sent.event
        );
        let preview = db.rows(&preview).await.unwrap().remove(0);
        assert_eq!(preview["body"], body);
        assert_eq!(preview["method"], "POST");
        assert!(!preview.to_string().contains(&sent.secret));
        let previewed = preview["headers"].as_object().unwrap();
        let of_http = ["accept", "content-length", "host", "user-agent"];
        let names: BTreeSet<_> = request.headers.keys().map(|name| name.as_str()).collect();
        let expected: BTreeSet<_> = previewed
            .keys()
            .map(String::as_str)
            .chain(of_http)
            .collect();
        assert_eq!(names, expected, "{format}");
        for (name, value) in previewed {
            // Secret, or of the attempt.
            if value != "***" && value != "..." {
                assert_eq!(request.header(name), value.as_str(), "{format}: {name}");
            }
        }
        // Attributes are headers in binary mode alone.
        let has_attributes = request
            .headers
            .keys()
            .any(|name| name.as_str().starts_with("ce-"));
        assert_eq!(has_attributes, format == "cloudevents-binary");
    }
    let envelope = sent.requests["envelope"].json();
    assert_eq!(envelope["event"]["type"], "document.processed");
    assert_eq!(envelope["data"], data());
}

/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md#payload-structure>
#[tokio::test]
async fn bodies_of_standard_webhooks_are_read_by_its_consumers() {
    let sent = send("format_standard").await;
    let request = &sent.requests["standard"];
    let payload = request.json();
    let keys: Vec<_> = payload.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["data", "timestamp", "type"]);
    // Identifiers joined by full stops.
    assert_eq!(payload["type"], "document.processed");
    assert_eq!(payload["data"], data());
    let timestamp = format!(
        "select created_at = '{}'::timestamptz from webhooks.event_logs where id = '{}'",
        payload["timestamp"].as_str().unwrap(),
        sent.event
    );
    assert_eq!(
        sent.scene.db.value(&timestamp).await.unwrap().as_deref(),
        Some("true")
    );
}

/// The attribute of a header, as the HTTP binding has consumers decode it; the SDK leaves that to its caller.
fn percent_decoded(value: &str) -> String {
    let mut out = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        out.push(if byte == b'%' {
            let digits = std::str::from_utf8(&rest[..2]).unwrap();
            rest = &rest[2..];
            u8::from_str_radix(digits, 16).unwrap()
        } else {
            byte
        });
    }
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn cloudevents_in_both_modes_are_read_by_their_consumers() {
    let sent = send("format_cloudevents").await;
    for format in ["cloudevents", "cloudevents-binary"] {
        let request = &sent.requests[format];
        let event = to_event(&request.headers, request.body.to_vec()).unwrap();
        assert_eq!(event.specversion().as_str(), "1.0", "{format}");
        assert_eq!(event.id(), sent.event.to_string(), "{format}");
        assert_eq!(event.source(), &format!("urn:uuid:{}", sent.tenant));
        assert_eq!(event.ty(), "document.processed", "{format}");
        assert_eq!(
            event.subject(),
            Some(format!("document/{RESOURCE}").as_str())
        );
        assert_eq!(event.datacontenttype(), Some("application/json"));
        let time = format!(
            "select created_at = '{}'::timestamptz from webhooks.event_logs where id = '{}'",
            event.time().unwrap().to_rfc3339(),
            sent.event
        );
        assert_eq!(
            sent.scene.db.value(&time).await.unwrap().as_deref(),
            Some("true")
        );
        let extensions: BTreeMap<_, _> = event
            .iter_extensions()
            .map(|(name, value)| (name, percent_decoded(&value.to_string())))
            .collect();
        let expected = [
            ("category", "document"),
            ("eventname", "Ganz \"fertig\" ✓"),
            ("eventversion", "1.0"),
            ("requestid", "r 1"),
            ("userid", USER),
        ];
        let found: Vec<_> = extensions
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        assert_eq!(found, expected, "{format}");
        let body: Value = match event.data().unwrap() {
            cloudevents::Data::Json(value) => value.clone(),
            cloudevents::Data::Binary(bytes) => serde_json::from_slice(bytes).unwrap(),
            cloudevents::Data::String(text) => serde_json::from_str(text).unwrap(),
        };
        assert_eq!(body, data(), "{format}");
    }
}

/// A change of the format holds for what is outstanding.
#[tokio::test]
async fn a_retry_is_in_the_format_of_its_time() {
    let scene = Scene::set("format_change").await;
    let endpoint = scene
        .endpoint(
            "/hook",
            Reply::status(500),
            json!({"retry_delay_seconds": 3600}),
        )
        .await;
    let event = scene.publish(&endpoint).await;
    scene.wait(event, "retrying").await;
    scene.receiver.on("/hook", Reply::ok());
    let change = format!(
        "update webhooks.webhook_subscriptions set payload_format = 'standard' where id = '{}';
         update webhooks.delivery_queue set next_attempt_at = now()",
        endpoint.subscription
    );
    scene.db.execute(&change).await.unwrap();
    scene.wait(event, "delivered").await;
    let requests = scene.receiver.requests();
    let types = requests.iter().map(|request| {
        let body = request.json();
        (body["event"]["type"].clone(), body["type"].clone())
    });
    assert_eq!(
        types.collect::<Vec<_>>(),
        [
            (json!("document.uploaded"), Value::Null),
            (Value::Null, json!("document.uploaded"))
        ]
    );
}
