use serde_json::{Value, json};
use webhooks_tests::database::publish;
use webhooks_tests::receiver::Reply;

use crate::scene::{Scene, text};

/// Subscription, replies in turn, what is recorded of each attempt, and part of the last error.
struct Case {
    columns: Value,
    replies: Vec<u16>,
    recorded: Vec<(u16, &'static str)>,
    error: Option<&'static str>,
}

fn delivered(status: u16) -> Case {
    Case {
        columns: json!({}),
        replies: vec![status],
        recorded: vec![(status, "delivered")],
        error: None,
    }
}

fn retried(status: u16) -> Case {
    Case {
        columns: json!({"retry_count": 1}),
        replies: vec![status, 200],
        recorded: vec![(status, "retrying"), (200, "delivered")],
        error: None,
    }
}

fn given_up(status: u16, error: &'static str) -> Case {
    Case {
        columns: json!({"retry_count": 2}),
        replies: vec![status],
        recorded: vec![
            (status, "retrying"),
            (status, "retrying"),
            (status, "failed"),
        ],
        error: Some(error),
    }
}

fn never_retried(status: u16, columns: Value, error: &'static str) -> Case {
    Case {
        columns,
        replies: vec![status],
        recorded: vec![(status, "failed")],
        error: Some(error),
    }
}

fn cases() -> Vec<Case> {
    let listed = json!({"no_retry_statuses": [400, 422, 503]});
    let mut cases = vec![
        given_up(500, "HTTP status 500: gave up after 3 attempts"),
        given_up(404, "HTTP status 404: gave up after 3 attempts"),
        given_up(
            308,
            "HTTP status 308 (redirects are not followed): gave up after 3 attempts",
        ),
        never_retried(
            500,
            json!({"retry_count": 0}),
            "HTTP status 500: gave up after 1 attempt",
        ),
        never_retried(
            422,
            listed.clone(),
            "HTTP status 422: listed in no_retry_statuses",
        ),
        never_retried(503, listed, "HTTP status 503: listed in no_retry_statuses"),
        Case {
            columns: json!({"no_retry_statuses": [422], "retry_count": 5}),
            replies: vec![500, 422],
            recorded: vec![(500, "retrying"), (422, "failed")],
            error: Some("listed in no_retry_statuses"),
        },
    ];
    cases.extend([200, 201, 202, 203, 204, 205, 206, 226, 299].map(delivered));
    cases.extend([300, 301, 302, 303, 304, 307, 308].map(retried));
    cases.extend([400, 401, 403, 404, 405, 408, 409, 413, 422, 425, 429, 451].map(retried));
    cases.extend([500, 501, 502, 503, 504, 599].map(retried));
    cases
}

#[tokio::test]
async fn every_status_has_its_outcome() {
    let scene = Scene::set("statuses").await;
    let elsewhere = scene.receiver.url("/elsewhere");
    let mut published = Vec::new();
    for (n, case) in cases().into_iter().enumerate() {
        let path = format!("/{n}");
        let endpoint = scene
            .endpoint(&path, Reply::ok(), case.columns.clone())
            .await;
        let replies = case
            .replies
            .iter()
            .map(|status| Reply::status(*status).header("location", &elsewhere));
        scene.receiver.on_sequence(&path, replies);
        published.push((case, path, scene.publish(&endpoint).await, endpoint));
    }
    for (case, path, event, endpoint) in published {
        let last = case.recorded.last().unwrap();
        let (delivery, attempts) = scene.wait(event, last.1).await;
        let recorded: Vec<_> = attempts
            .iter()
            .map(|attempt| {
                let code = attempt["http_status_code"].as_u64().unwrap();
                (
                    u16::try_from(code).unwrap(),
                    text(&attempt["delivery_status"]),
                )
            })
            .collect();
        assert_eq!(recorded, case.recorded, "{path}");
        assert_eq!(scene.receiver.requests_to(&path).len(), case.recorded.len());
        match case.error {
            Some(error) => assert!(
                text(&delivery["error_message"]).contains(error),
                "{delivery}"
            ),
            None => assert_eq!(delivery["error_message"], Value::Null),
        }
        let enabled = format!(
            "select is_enabled from webhooks.webhook_subscriptions where id = '{}'",
            endpoint.subscription
        );
        assert_eq!(
            scene.db.value(&enabled).await.unwrap().as_deref(),
            Some("true")
        );
    }
    assert!(scene.receiver.requests_to("/elsewhere").is_empty());
}

#[tokio::test]
async fn gone_disables_and_holds_the_rest_until_enabled_again() {
    let scene = Scene::set("gone").await;
    // 410 disables also a subscription that does not list it.
    let columns = json!({"max_in_flight": 1, "no_retry_statuses": []});
    let endpoint = scene.endpoint("/gone", Reply::gone(), columns).await;
    let db = &scene.db;
    // A publisher under way keeps the sidecar awake: it looks again and again, also while the 410 is being recorded.
    let other = scene.endpoint("/other", Reply::ok(), json!({})).await;
    let mut session = db.connect().await.unwrap();
    let under_way = session.transaction().await.unwrap();
    publish(&under_way, other.tenant, "job.created", json!({}))
        .await
        .unwrap();
    let events = db
        .publish_many(endpoint.tenant, "job.created", 40)
        .await
        .unwrap();
    let subscription = format!(
        "from webhooks.webhook_subscriptions where id = '{}'",
        endpoint.subscription
    );
    let enabled = format!("select is_enabled {subscription}");
    db.wait_value(&enabled, "false").await.unwrap();
    let reason = format!("select disabled_reason {subscription}");
    let reason = db.value(&reason).await.unwrap().unwrap();
    assert!(reason.contains("HTTP status 410"), "{reason}");

    // Another subscription's delivery, committed later, has passed: nothing else is on its way to the first.
    under_way.commit().await.unwrap();
    scene
        .db
        .wait_value(
            "select count(*) from webhooks.delivery_attempts where delivery_status = 'delivered'",
            "1",
        )
        .await
        .unwrap();
    // Whichever of them went first.
    let first =
        "select event_log_id from webhooks.webhook_delivery_logs where delivery_status = 'failed'";
    let first = db.value(first).await.unwrap().unwrap().parse().unwrap();
    let (delivery, attempts) = scene.wait(first, "failed").await;
    assert!(text(&delivery["error_message"]).contains("the subscription was disabled"));
    assert_eq!(attempts.len(), 1);
    assert_eq!(
        scene.receiver.requests_to("/gone").len(),
        1,
        "requests after 410"
    );
    let held =
        "select count(*) from webhooks.webhook_delivery_logs where delivery_status = 'pending'";
    assert_eq!(db.value(held).await.unwrap().as_deref(), Some("39"));

    scene.receiver.on("/gone", Reply::ok());
    let enable = format!(
        "update webhooks.webhook_subscriptions set is_enabled = true where id = '{}'",
        endpoint.subscription
    );
    db.execute(&enable).await.unwrap();
    for event in events.iter().filter(|event| **event != first) {
        scene.wait(*event, "delivered").await;
    }
    let reason = format!("select coalesce(disabled_reason, 'none') {subscription}");
    assert_eq!(db.value(&reason).await.unwrap().as_deref(), Some("none"));
}

/// The status decides as soon as it is there with all headers, and what came is recorded.
#[tokio::test]
async fn an_answer_need_not_be_complete() {
    let scene = Scene::set("refusal").await;
    let columns = || json!({"timeout_seconds": 1, "retry_count": 0});
    let answer = |status: &str| {
        let head = format!("HTTP/1.1 {status}\r\nX-Said: so\r\nContent-Length: 99\r\n\r\nbecause");
        Reply::raw(head.into_bytes()).then_hang()
    };
    for (path, status, code, end, disabled) in [
        ("/gone", "410 Gone", 410, "failed", "false"),
        ("/down", "503 Down", 503, "failed", "true"),
        ("/half", "200 OK", 200, "delivered", "true"),
    ] {
        let (delivery, _) = scene.play(path, answer(status), columns(), end).await;
        assert_eq!(delivery["http_status_code"], code);
        assert_eq!(text(&delivery["response_body"]), "because…[truncated]");
        assert_eq!(text(&delivery["response_headers"]["x-said"]), "so");
        let error = &delivery["error_message"];
        assert!(
            code != 503 || text(error).contains("no complete response"),
            "{error}"
        );
        assert_eq!(error.is_null(), code == 200);
        let enabled = format!(
            "select is_enabled from webhooks.webhook_subscriptions where id = '{}'",
            text(&delivery["subscription_id"])
        );
        scene.db.wait_value(&enabled, disabled).await.unwrap();
    }
}
