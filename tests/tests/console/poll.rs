use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_core::signature::verify_standard;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::{ALL_SCOPES, Client, SUBSCRIPTIONS, Scene, parse, problem};

const TENANT: Uuid = Uuid::from_u128(1);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSwMfKQ9r8GKYo=";
/// Headers that differ from one request to the next, or that belong to a connection.
const OF_ONE_REQUEST: &[&str] = &[
    "webhook-timestamp",
    "webhook-signature",
    "x-webhook-delivery-id",
    "user-agent",
    "host",
    "content-length",
];

async fn manager(scene: &Scene) -> Client<'_> {
    let scopes = format!("{ALL_SCOPES},webhook_subscriptions:poll");
    scene.client(Some(TENANT), &scopes).await
}

async fn create(client: &Client<'_>, settings: &Value) -> String {
    let mut all = json!({"name": "polled", "subscribed_events": ["*"], "delivery": "poll"});
    let settings = settings.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(settings);
    let created = client.post(SUBSCRIPTIONS, &all).await;
    assert_eq!(created.status, 201, "{created:?}");
    parse(&created)["id"].as_str().unwrap().to_owned()
}

async fn poll(client: &Client<'_>, id: &str, query: &str) -> Value {
    let answer = client
        .get(&format!("{SUBSCRIPTIONS}{id}/poll?{query}"))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    parse(&answer)
}

#[tokio::test]
async fn what_is_polled_is_what_would_be_sent() {
    let scene = Scene::set("api_poll_same").await;
    let receiver = Receiver::start().unwrap();
    receiver.on("/hook", Reply::ok());
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let client = manager(&scene).await;
    let signed = json!({
        "auth_type": "signature", "auth_config": {"secret": SECRET}, "webhook_headers": {"X-Team": "a", "Accept": "text/x"},
    });
    let with_key =
        json!({"auth_type": "api_key", "auth_config": {"api_key": "k", "header": "X-Key"}});
    let template = r#"{"text": "{{ event.type }}: {{ data.t }}", "key": "{{ secrets.key }}"}"#;
    let cases = [
        (json!({}), &signed),
        (json!({"payload_format": "standard"}), &signed),
        (json!({"payload_format": "cloudevents"}), &signed),
        (json!({"payload_format": "cloudevents-binary"}), &with_key),
        (
            json!({"payload_template": template, "template_secrets": {"key": "hush"}}),
            &signed,
        ),
    ];
    let data = json!({"t": "ü \\ \" \u{1f600} \u{2028} <b>", "n": 12_345_678_901_234_567_890_u64, "f": 1.50});
    for (n, (format, auth)) in cases.into_iter().enumerate() {
        let mut settings = format.clone();
        let auth = auth.as_object().unwrap().clone();
        settings.as_object_mut().unwrap().extend(auth);
        let polled = create(&client, &settings).await;
        settings["delivery"] = "push".into();
        settings["webhook_url"] = receiver.url("/hook").into();
        let pushed = create(&client, &settings).await;
        scene
            .db
            .publish(TENANT, "job.created", data.clone())
            .await
            .unwrap();
        let sent = receiver
            .wait_for(n as u64 + 1)
            .await
            .unwrap()
            .pop()
            .unwrap();
        let answer = poll(&client, &polled, "").await;
        let delivery = &answer["deliveries"][0];
        assert_eq!(
            delivery["body"].as_str().unwrap().as_bytes(),
            &sent.body[..],
            "{format}"
        );
        let headers = |headers: Vec<(String, String)>| {
            let mut kept: Vec<_> = headers
                .into_iter()
                .map(|(name, value)| (name.to_lowercase(), value))
                .filter(|(name, _)| !OF_ONE_REQUEST.contains(&name.as_str()))
                .collect();
            kept.sort();
            kept
        };
        let given = delivery["headers"].as_object().unwrap();
        let given = given
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        let on_wire = sent.headers.iter();
        let on_wire =
            on_wire.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        assert_eq!(
            headers(given.collect()),
            headers(on_wire.collect()),
            "{format}"
        );
        if settings["auth_type"] == "signature" {
            let of = |name: &str| delivery["headers"][name].as_str().unwrap();
            let (id, body) = (of("webhook-id"), delivery["body"].as_str().unwrap());
            let timestamp = of("webhook-timestamp").parse().unwrap();
            assert!(verify_standard(
                SECRET,
                id,
                timestamp,
                body.as_bytes(),
                of("webhook-signature")
            ));
        }
        for id in [polled, pushed] {
            let deleted = client
                .send("DELETE", &format!("{SUBSCRIPTIONS}{id}"), &[], "")
                .await;
            assert_eq!(deleted.status, 204, "{deleted:?}");
        }
    }
}

#[tokio::test]
async fn a_poll_waits_for_what_is_published_and_acknowledges_once() {
    let scene = Scene::set("api_poll").await;
    let client = manager(&scene).await;
    let id = create(&client, &json!({})).await;
    assert_eq!(
        poll(&client, &id, "").await,
        json!({"cursor": null, "acknowledged": 0, "deliveries": []})
    );
    let before = scene
        .db
        .value("select clock_timestamp()::text")
        .await
        .unwrap()
        .unwrap();
    let (answer, event) = tokio::join!(poll(&client, &id, "wait=20"), async {
        let looked = format!(
            "select (coalesce(max(state_change), '-infinity') > '{before}')::text from pg_stat_activity
             where application_name = 'webhooks-console' and state = 'idle'"
        );
        scene.db.wait_value(&looked, "true").await.unwrap();
        let event = scene.db.publish(TENANT, "job.created", json!({"n": 1}));
        event.await.unwrap()
    });
    assert_eq!(answer["deliveries"][0]["event_id"], event.to_string());
    assert_eq!(answer["deliveries"][0]["attempt"], 1);
    let cursor = answer["cursor"].as_str().unwrap();
    let acknowledge = format!("cursor={cursor}");
    assert_eq!(poll(&client, &id, &acknowledge).await["acknowledged"], 1);
    assert_eq!(poll(&client, &id, &acknowledge).await["acknowledged"], 0);
    let began = Instant::now();
    let answer = poll(&client, &id, "wait=1").await;
    assert!(began.elapsed() >= Duration::from_secs(1) && answer["deliveries"] == json!([]));
    let delivered = scene.db.deliveries(event).await.unwrap();
    assert_eq!(delivered[0]["delivery_status"], "delivered");
}

#[tokio::test]
async fn what_is_wrong_with_a_poll_is_told() {
    let scene = Scene::set("api_poll_refused").await;
    let client = manager(&scene).await;
    let id = create(&client, &json!({})).await;
    let path = format!("{SUBSCRIPTIONS}{id}/poll");
    for (query, status, detail) in [
        ("wait=21", 400, "wait is 21"),
        ("limit=0", 400, "max_deliveries is 0"),
        ("cursor=x", 400, "invalid cursor: \"x\""),
    ] {
        let refused = problem(&client.get(&format!("{path}?{query}")).await);
        assert_eq!(refused.0, status);
        assert!(refused.1.starts_with(detail), "{refused:?}");
    }
    let pushed = client.subscribe("pushed", "https://x.example/").await;
    let refused = problem(&client.get(&format!("{SUBSCRIPTIONS}{pushed}/poll")).await);
    assert_eq!(refused.0, 409, "{refused:?}");
    let weak = scene.manager(TENANT).await;
    assert_eq!(weak.get(&path).await.status, 403);
    let stranger = scene
        .client(Some(uuid::Uuid::max()), "webhook_subscriptions:poll")
        .await;
    assert_eq!(stranger.get(&path).await.status, 404);
    let needs_url = json!({"name": "a", "subscribed_events": ["*"]});
    let refused = problem(&client.post(SUBSCRIPTIONS, &needs_url).await);
    assert_eq!(refused, (400, "invalid webhook_url: null".to_owned()));
}
