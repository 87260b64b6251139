use serde_json::json;

use crate::scene::{SUBSCRIPTIONS, Scene, parse, problem};

#[tokio::test]
async fn errors_are_in_the_databases_words_and_name_the_field() {
    let scene = Scene::set("api_problems").await;
    let client = scene.manager(scene.db.tenant()).await;
    let with = |name: &str, value: serde_json::Value| {
        let mut body = json!({"name": "x", "webhook_url": "https://x.example/"});
        body[name] = value;
        body
    };
    for (body, detail, field) in [
        (
            with("retry_count", json!(101)),
            "invalid retry_count: 101",
            Some("retry_count"),
        ),
        (
            with("retry_count", json!("many")),
            "invalid retry_count: \"many\"",
            Some("retry_count"),
        ),
        (
            with("name", json!(null)),
            "invalid name: null",
            Some("name"),
        ),
        (
            with("environment", json!("prod")),
            "invalid environment: prod",
            Some("environment"),
        ),
        (
            with("colour", json!("red")),
            "a subscription has no setting \"colour\"",
            Some("colour"),
        ),
        (
            with("subscribed_events", json!(["no.such"])),
            "subscribed_events names \"no.such\", which is no event type",
            Some("subscribed_events"),
        ),
        (
            json!([]),
            "a subscription's settings are an object, not array",
            None,
        ),
    ] {
        let refused = client.post(SUBSCRIPTIONS, &body).await;
        assert_eq!(problem(&refused), (400, detail.to_owned()));
        let problem = parse(&refused);
        assert_eq!(
            problem.get("field").and_then(|f| f.as_str()),
            field,
            "{problem}"
        );
        assert_eq!(problem["sqlstate"], "22023", "{problem}");
        assert!(problem["hint"].is_string(), "{problem}");
    }
    let url = client
        .post(
            SUBSCRIPTIONS,
            &with("webhook_url", json!("ftp://x.example/")),
        )
        .await;
    assert_eq!(
        (url.status, &parse(&url)["field"]),
        (400, &json!("webhook_url"))
    );
    let count = "select count(*) from webhooks.webhook_subscriptions";
    assert_eq!(scene.db.value(count).await.unwrap().unwrap(), "0");
}

#[tokio::test]
async fn requests_that_are_none_are_refused() {
    let scene = Scene::set("api_requests").await;
    let client = scene.manager(scene.db.tenant()).await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let large = format!("{{\"name\": \"{}\"}}", "x".repeat(1 << 20));
    for (method, path, body, status) in [
        ("POST", SUBSCRIPTIONS, "", 400),
        ("POST", SUBSCRIPTIONS, "{", 400),
        ("POST", SUBSCRIPTIONS, "{\"name\": \"\\u0000\"}", 400),
        ("POST", SUBSCRIPTIONS, &deep, 400),
        ("POST", SUBSCRIPTIONS, &large, 413),
        ("GET", "/api/webhook-subscriptions/x", "", 400),
        (
            "GET",
            "/api/webhook-subscriptions/00000000-0000-7000-8000-00000000dead",
            "",
            404,
        ),
        (
            "GET",
            "/api/webhook-subscriptions/00000000-0000-7000-8000-00000000dead/deliveries",
            "",
            404,
        ),
        ("PUT", SUBSCRIPTIONS, "{}", 405),
        ("GET", "/api/nothing", "", 404),
    ] {
        let refused = client.send(method, path, &[], body).await;
        let shown: String = body.chars().take(20).collect();
        assert_eq!(
            problem(&refused).0,
            status,
            "{method} {path} {shown}: {refused:?}"
        );
    }
    let authorization = format!("Bearer {}", client.token);
    let form = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let refused = scene
        .console
        .send("POST", SUBSCRIPTIONS, &form, "name=x")
        .await
        .unwrap();
    assert_eq!(problem(&refused).0, 415);
}
