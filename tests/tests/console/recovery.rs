use serde_json::json;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::{SUBSCRIPTIONS, Scene, parse, problem};

#[tokio::test]
async fn what_failed_is_made_again_after_a_dry_run() {
    let scene = Scene::set("api_recovery").await;
    let receiver = Receiver::start().unwrap();
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    receiver.on("/hook", Reply::status(400));
    let body = json!({
        "name": "a", "webhook_url": receiver.url("/hook"), "subscribed_events": ["*"], "retry_count": 0
    });
    let id = parse(&client.post(SUBSCRIPTIONS, &body).await)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for _ in 0..3 {
        let event = scene.db.publish(tenant, "job.created", json!({}));
        let event = event.await.unwrap();
        scene.db.wait_delivery(event, "failed").await.unwrap();
    }
    let health = client.get(&format!("{SUBSCRIPTIONS}{id}/health")).await;
    assert_eq!(health.status, 200, "{health:?}");
    assert_eq!(parse(&health)["subscription_id"], id);

    receiver.on("/hook", Reply::ok());
    let path = format!("{SUBSCRIPTIONS}{id}/retry-failed");
    let delivered =
        "select count(*) from webhooks.webhook_delivery_logs where delivery_status = 'delivered'";
    let counted = client.post(&path, &json!({"dry_run": true})).await;
    assert_eq!(
        (counted.status, parse(&counted)),
        (200, json!({"deliveries": 3}))
    );
    let retried = client.post(&path, &json!({"max_deliveries": 2})).await;
    assert_eq!(parse(&retried), json!({"deliveries": 2}));
    let retried = client.send("POST", &path, &[], "").await;
    assert_eq!(parse(&retried), json!({"deliveries": 1}));
    scene.db.wait_value(delivered, "3").await.unwrap();

    let replay = "/api/replay";
    let period =
        json!({"since": "yesterday", "until": "infinity", "dry_run": true, "subscription_id": id});
    let counted = client.post(replay, &period).await;
    assert_eq!(counted.status, 200, "{counted:?}");
    assert_eq!(parse(&counted)["events"], 3);
    let mut again = period.clone();
    again["dry_run"] = json!(false);
    assert_eq!(parse(&client.post(replay, &again).await)["deliveries"], 3);
    scene.db.wait_value(delivered, "6").await.unwrap();
    for body in [
        json!({}),
        json!({"since": "then", "until": "now"}),
        json!({"from": "now"}),
    ] {
        let refused = client.post(replay, &body).await;
        assert_eq!(problem(&refused).0, 400, "{body}: {refused:?}");
    }

    let stranger = scene.manager(scene.db.tenant()).await;
    for (method, path) in [
        ("POST", path.clone()),
        ("GET", path.replace("retry-failed", "health")),
        ("POST", path.replace("retry-failed", "secret")),
    ] {
        let refused = stranger.send(method, &path, &[], "").await;
        assert_eq!(
            problem(&refused),
            (404, format!("there is no subscription {id}"))
        );
    }
    let refused = stranger.post(replay, &period).await;
    assert!(
        refused.status == 404 || parse(&refused)["events"] == 0,
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_new_secret_is_shown_once() {
    let scene = Scene::set("api_secret").await;
    let client = scene.manager(scene.db.tenant()).await;
    let secret = scene.db.value("select webhooks.generate_secret()").await;
    let body = json!({
        "name": "a", "webhook_url": "https://x.example/", "subscribed_events": ["*"],
        "auth_type": "signature", "auth_config": {"secret": secret.unwrap().unwrap()}
    });
    let id = parse(&client.post(SUBSCRIPTIONS, &body).await)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("{SUBSCRIPTIONS}{id}");
    let renewed = client
        .send("POST", &format!("{path}/secret"), &[], "")
        .await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    assert_eq!(renewed.header("cache-control"), Some("no-store"));
    let secret = parse(&renewed)["secret"].as_str().unwrap().to_owned();
    assert!(secret.starts_with("whsec_"));
    assert!(!client.get(&path).await.body.contains(&secret));
    let stored = "select auth_config ->> 'secret' from webhooks.webhook_subscriptions";
    assert_eq!(scene.db.value(stored).await.unwrap().unwrap(), secret);
    for line in scene.console.log() {
        assert!(!line.contains(&secret), "{}", line.raw);
    }
    let unsigned = client.subscribe("b", "https://x.example/").await;
    let refused = client
        .send(
            "POST",
            &format!("{SUBSCRIPTIONS}{unsigned}/secret"),
            &[],
            "",
        )
        .await;
    assert_eq!(problem(&refused).0, 400);
}
