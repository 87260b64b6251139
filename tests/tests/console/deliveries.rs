use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::{SUBSCRIPTIONS, Scene, next, parse, problem};

#[tokio::test]
async fn a_test_answers_with_what_the_receiver_answered() {
    let scene = Scene::set("api_test").await;
    let receiver = Receiver::start().unwrap();
    let client = scene.manager(scene.db.tenant()).await;
    receiver.on("/hook", Reply::status(418));
    let id = client.subscribe("a", &receiver.url("/hook")).await;
    let test = format!("{SUBSCRIPTIONS}{id}/test");
    // Nobody is there to send it: the request does not wait for longer than it was asked to.
    let queued = client
        .send("POST", &format!("{test}?wait=0"), &[], "")
        .await;
    assert_eq!(queued.status, 200, "{queued:?}");
    assert_eq!(parse(&queued)["result"]["is_final"], false);

    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let tested = client
        .post(&test, &json!({"event_type": "job.created"}))
        .await;
    assert_eq!(tested.status, 200, "{tested:?}");
    let answer = parse(&tested);
    assert_eq!(answer["message"], "Test webhook triggered successfully");
    assert_eq!(answer["result"]["is_final"], true, "{answer}");
    assert_eq!(answer["result"]["http_status_code"], 418);
    let sent = receiver.wait_for(2).await.unwrap();
    assert_eq!(sent[1].header("x-webhook-event-type"), Some("job.created"));
    let path = format!(
        "{SUBSCRIPTIONS}{id}/deliveries/{}",
        answer["delivery_id"].as_str().unwrap()
    );
    assert_eq!(parse(&client.get(&path).await)["is_test"], true);

    // What it is to say may be given, and a null is as nothing.
    for (data, expected) in [(json!({"n": 4711}), true), (json!(null), false)] {
        let wanted = json!({"event_type": "job.created", "event_data": data});
        let tested = client.post(&test, &wanted).await;
        assert_eq!(tested.status, 200, "{tested:?}");
        let sent = receiver.requests().pop().unwrap();
        let body: Value = serde_json::from_slice(&sent.body).unwrap();
        assert_eq!(body["data"] == json!({"n": 4711}), expected, "{body}");
    }

    let refused = client.post(&test, &json!({"event_type": "no.such"})).await;
    assert_eq!(refused.status, 404, "{refused:?}");
    assert_eq!(client.get(&test).await.status, 405);
}

#[tokio::test]
async fn deliveries_are_listed_read_and_made_again() {
    let scene = Scene::set("api_deliveries").await;
    let receiver = Receiver::start().unwrap();
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    receiver.on("/hook", Reply::status(503));
    let body = json!({
        "name": "a", "webhook_url": receiver.url("/hook"), "subscribed_events": ["*"], "retry_count": 1, "retry_delay_seconds": 0
    });
    let created = parse(&client.post(SUBSCRIPTIONS, &body).await);
    let id = created["id"].as_str().unwrap();
    let publish = async || {
        let event = scene.db.publish(tenant, "job.created", json!({"n": 1}));
        event.await.unwrap()
    };
    let event = publish().await;
    scene.db.wait_delivery(event, "failed").await.unwrap();

    let list = format!("{SUBSCRIPTIONS}{id}/deliveries");
    let listed = client.get(&list).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    let deliveries: Vec<Value> = serde_json::from_str(&listed.body).unwrap();
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0]["event_log_id"], event.to_string());
    assert_eq!(deliveries[0]["delivery_status"], "failed");
    let delivery = deliveries[0]["id"].as_str().unwrap();

    let path = format!("{list}/{delivery}");
    let read = parse(&client.get(&path).await);
    assert_eq!(read["http_status_code"], 503);
    let attempts = read["attempts"].as_array().unwrap();
    let statuses: Vec<_> = attempts
        .iter()
        .map(|a| a["delivery_status"].as_str())
        .collect();
    assert_eq!(statuses, [Some("retrying"), Some("failed")]);

    receiver.on("/hook", Reply::ok());
    let retried = client.send("POST", &format!("{path}/retry"), &[], "").await;
    assert_eq!(retried.status, 202, "{retried:?}");
    let again = parse(&retried);
    assert_eq!(again["message"], "Webhook delivery retry queued");
    let again = again["delivery_id"].as_str().unwrap();
    let delivered =
        format!("select delivery_status from webhooks.webhook_delivery_logs where id = '{again}'");
    scene.db.wait_value(&delivered, "delivered").await.unwrap();
    // Page by page, the last one first.
    let first = client.get(&format!("{list}?limit=1")).await;
    assert_eq!(parse(&first)[0]["id"], again);
    let second = client.get(&next(&first).unwrap()).await;
    assert_eq!(parse(&second)[0]["id"], delivery);
    assert_eq!(next(&second), None);
    let failed = client.get(&format!("{list}?status=failed,expired")).await;
    assert_eq!(parse(&failed).as_array().unwrap().len(), 1);
    let refused = client.get(&format!("{list}?status=late")).await;
    assert_eq!(
        problem(&refused),
        (400, "statuses has \"late\", which is no status".to_owned())
    );
}

#[tokio::test]
async fn a_delivery_of_another_subscription_is_not_found() {
    let scene = Scene::set("api_wrong_delivery").await;
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    let ours = client.subscribe("a", "https://x.example/").await;
    let event = scene
        .db
        .publish(tenant, "job.created", json!({}))
        .await
        .unwrap();
    let other = client.subscribe("b", "https://x.example/").await;
    let delivery = format!("select id from webhooks.delivery_queue where event_log_id = '{event}'");
    let delivery = scene.db.value(&delivery).await.unwrap().unwrap();
    let path = |subscription: &str| format!("{SUBSCRIPTIONS}{subscription}/deliveries/{delivery}");
    assert_eq!(client.get(&path(&ours)).await.status, 200);
    for (method, path) in [
        ("GET", path(&other)),
        ("POST", format!("{}/retry", path(&other))),
        ("GET", path(&Uuid::now_v7().to_string())),
    ] {
        let refused = client.send(method, &path, &[], "").await;
        assert_eq!(
            problem(&refused),
            (404, format!("there is no delivery {delivery}"))
        );
    }
    // It has not been tried yet.
    let refused = client
        .send("POST", &format!("{}/retry", path(&ours)), &[], "")
        .await;
    assert_eq!(
        problem(&refused),
        (409, format!("delivery {delivery} is outstanding"))
    );
}
