//! Answers that are not as HTTP has them: the status counts as soon as a complete head came.

use std::time::Duration;

use serde_json::{Value, json};
use webhooks_tests::receiver::Reply;
use webhooks_tests::receivers::{answers_early, floods, keeps_requests, stops_reading};

use crate::scene::{Scene, subscribe, text};

const TRUNCATED: &str = "…[truncated]";

#[tokio::test]
async fn a_complete_head_is_an_answer() {
    let scene = Scene::set("heads").await;
    let cookies = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "Set-Cookie: a=b\r\n".repeat(120)
    );
    let answers: [(&[u8], Value); 22] = [
        (cookies.as_bytes(), Value::Null),
        (b"HTTP/1.1 200 OK\r\nX-Folded: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 200 OK\r\nX-Control: a\x01\x7fb\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 200 OK\r\nX-Nul: a\0b\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 200 OK\r\nX-Nul\0: b\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 200 OK\r\nX-Bare: a\rb\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 200\nContent-Length: 2\n\nok", json!("ok")),
        (b"HTTP/1.0 200 OK\r\n\r\nok", json!("ok")),
        (b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 200 \xff\xfe\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nTrailer: a\r\n\r\n", json!("ok")),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", json!(TRUNCATED)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", json!(format!("ok{TRUNCATED}"))),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", json!(format!("ok{TRUNCATED}"))),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", json!(format!("ok{TRUNCATED}"))),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", json!(format!("ok{TRUNCATED}"))),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\n\r\n", json!("ok")),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n", Value::Null),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", json!("ok")),
    ];
    for (n, (answer, body)) in answers.into_iter().enumerate() {
        let shown = answer[..answer.len().min(90)].escape_ascii();
        for (way, reply) in [
            ("close", Reply::raw(answer.to_vec()).into()),
            ("reset", Reply::raw(answer.to_vec()).then_reset()),
        ] {
            let path = format!("/{way}/{n}");
            let columns = json!({"retry_count": 0, "timeout_seconds": 10});
            let (delivery, _) = scene.play(&path, reply, columns, "delivered").await;
            assert_eq!(delivery["error_message"], Value::Null, "{way} {shown}");
            // Without a length, only the connection's end says whether there is more.
            let mark =
                way == "reset" && !delivery["response_headers"].to_string().contains("length");
            if !mark {
                assert_eq!(delivery["response_body"], body, "{way} {shown}");
            }
        }
    }
    let folded = "select response_headers ->> 'x-folded' from webhooks.webhook_delivery_logs where response_headers ? 'x-folded' limit 1";
    assert_eq!(
        scene.db.value(folded).await.unwrap().as_deref(),
        Some("a   b  \tc")
    );
}

/// The deadline, too, ends only the reading of what is for the log.
#[tokio::test]
async fn a_success_that_never_ends_is_one() {
    let scene = Scene::set("endless_success").await;
    for (path, reply) in [
        (
            "/length",
            Reply::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok").then_hang(),
        ),
        (
            "/close",
            Reply::raw("HTTP/1.1 200 OK\r\n\r\nok").then_hang(),
        ),
    ] {
        let columns = json!({"retry_count": 0, "timeout_seconds": 1});
        let (delivery, attempts) = scene.play(path, reply, columns, "delivered").await;
        assert_eq!(delivery["response_body"], format!("ok{TRUNCATED}"));
        assert_eq!(attempts.len(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_named() {
    let scene = Scene::set("no_answers").await;
    let settings: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];
    let many = "HTTP/1.1 200 OK\r\n".to_owned() + &"X-A: b\r\n".repeat(9000) + "\r\n";
    for (n, (answer, error)) in [
        (
            settings,
            "it is HTTP/2, and deliveries are made over HTTP/1.1",
        ),
        (
            b"SSH-2.0-OpenSSH_9.6\r\n",
            "it does not begin with a status line",
        ),
        (
            b"HTTP/1.1 200 OK\r\nContent-Le",
            "closed it in the middle of its answer",
        ),
        (many.as_bytes(), "its headers have more than 65536 bytes"),
    ]
    .into_iter()
    .enumerate()
    {
        let reply = Reply::raw(answer.to_vec()).into();
        let columns = json!({"retry_count": 0, "timeout_seconds": 10});
        let (delivery, _) = scene.play(&format!("/{n}"), reply, columns, "failed").await;
        assert_eq!(delivery["http_status_code"], Value::Null);
        assert!(
            text(&delivery["error_message"]).contains(error),
            "{delivery}"
        );
        let kind = format!(
            "select error_message from webhooks.delivery_states where id = '{}'",
            text(&delivery["id"])
        );
        let kind = scene.db.value(&kind).await.unwrap().unwrap();
        assert!(
            kind.starts_with("the "),
            "a monitor reads what it is: {kind}"
        );
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_sent_counts_always() {
    let scene = Scene::set("early").await;
    let data = json!({"x": "y".repeat(8 << 20)});
    for (answer, status, times) in [
        (
            "HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nlong",
            413,
            20,
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\nlong",
            401,
            5,
        ),
        ("HTTP/1.1 410 Gone\r\nContent-Length: 4\r\n\r\nlong", 410, 1),
        ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlong", 200, 1),
    ] {
        let server = answers_early(answer).unwrap();
        let columns = json!({"retry_count": times - 1, "max_payload_size_kb": 16384, "breaker_failure_threshold": 0});
        let endpoint = subscribe(&scene.db, &server.url("/hook"), columns).await;
        let event = scene.publish_data(&endpoint, data.clone()).await;
        let end = if status == 200 { "delivered" } else { "failed" };
        let (_, attempts) = scene.wait(event, end).await;
        let statuses: Vec<_> = attempts
            .iter()
            .map(|attempt| attempt["http_status_code"].clone())
            .collect();
        assert_eq!(statuses, vec![json!(status); times]);
        let enabled = format!(
            "select is_enabled from webhooks.webhook_subscriptions where id = '{}'",
            endpoint.subscription
        );
        let expected = if status == 410 { "false" } else { "true" };
        scene.db.wait_value(&enabled, expected).await.unwrap();
    }
}

/// No stall detection of ours is shorter than `timeout_seconds`; it takes more than the 30 s that it once was.
#[tokio::test]
async fn a_receiver_may_stop_reading_as_long_as_the_timeout_lasts() {
    let scene = Scene::set("stops_reading").await;
    let server = stops_reading(Duration::from_secs(33)).unwrap();
    let columns = json!({"retry_count": 0, "max_payload_size_kb": 16384, "timeout_seconds": 60});
    let endpoint = subscribe(&scene.db, &server.url("/hook"), columns).await;
    let event = scene
        .publish_data(&endpoint, json!({"x": "y".repeat(8 << 20)}))
        .await;
    let delivered = format!(
        "select delivery_status from webhooks.delivery_attempts where event_log_id = '{event}'"
    );
    let patience = Duration::from_secs(55);
    scene
        .db
        .wait_value_within(patience, &delivered, "delivered")
        .await
        .unwrap();
}

#[tokio::test]
async fn endless_interim_responses_end_the_attempt_at_once() {
    let scene = Scene::set("interim").await;
    let mut floods_of = Vec::new();
    for bytes in [
        "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let server = floods(bytes).unwrap();
        for n in 0..10 {
            let columns = json!({"retry_count": 0, "timeout_seconds": 20});
            let endpoint = subscribe(&scene.db, &server.url(&format!("/{n}")), columns).await;
            scene.publish(&endpoint).await;
        }
        floods_of.push(server);
    }
    let named = "select count(*) from webhooks.webhook_delivery_logs
        where delivery_status = 'failed' and error_message like '%more than 100 interim responses (1xx)%' and duration_us < 10000000";
    scene.db.wait_value(named, "20").await.unwrap();
    let kind = "select distinct error_message from webhooks.delivery_states";
    assert_eq!(
        scene.db.value(kind).await.unwrap().as_deref(),
        Some("the answer is not valid HTTP/1.1: gave up after 1 attempt")
    );
}

#[tokio::test]
async fn header_names_have_the_documented_case() {
    let scene = Scene::set("header_case").await;
    let server = keeps_requests("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    for (path, columns) in [
        (
            "/signed",
            json!({"auth_type": "signature", "auth_config": {"secret": "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}, "webhook_headers": {"X-TEAM-id": "a", "accept": "text/plain"}}),
        ),
        (
            "/key",
            json!({"auth_type": "api_key", "auth_config": {"api_key": "k", "header": "X-API-key"}, "payload_format": "cloudevents-binary"}),
        ),
        (
            "/bearer",
            json!({"auth_type": "api_key", "auth_config": {"api_key": "k"}}),
        ),
    ] {
        let endpoint = subscribe(&scene.db, &server.url(path), columns).await;
        let event = scene.publish(&endpoint).await;
        scene.wait(event, "delivered").await;
    }
    let names = |path: &str| -> Vec<String> {
        let head = server
            .heads()
            .into_iter()
            .find(|head| head.starts_with(&format!("POST {path} HTTP/1.1\r\n")));
        let head = head.unwrap();
        head.lines()
            .skip(1)
            .map(|line| line.split(": ").next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names("/signed"),
        [
            "Host",
            "Content-Type",
            "accept",
            "X-TEAM-id",
            "User-Agent",
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
            "X-Webhook-Signature",
            "X-Webhook-Delivery-Id",
            "X-Webhook-Attempt",
            "X-Webhook-Event-Type",
            "Content-Length"
        ]
    );
    for name in ["X-API-key", "ce-id", "ce-specversion"] {
        assert!(
            names("/key").contains(&name.to_owned()),
            "{:?}",
            names("/key")
        );
    }
    for name in ["Authorization", "Accept"] {
        assert!(
            names("/bearer").contains(&name.to_owned()),
            "{:?}",
            names("/bearer")
        );
    }
}
