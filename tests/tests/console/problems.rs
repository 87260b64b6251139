use serde_json::json;

use crate::browser::Browser;
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

/// Programs get problems that they can read, and people pages, at whatever path.
#[tokio::test]
async fn people_get_pages_of_problems() {
    let scene = Scene::set("page_problems").await;
    let tenant = scene.db.tenant();
    let token = scene.client(Some(tenant), "audit:read").await.token;
    let mut browser = Browser::new(&scene);
    browser.log_in(&token).await;
    for (method, path, status) in [
        ("GET", "/nothing".to_owned(), 404),
        ("GET", format!("/t/{tenant}/nothing"), 404),
        ("DELETE", format!("/t/{tenant}/audit"), 405),
        ("GET", "/assets/0/none.css".to_owned(), 404),
    ] {
        let answer = browser.send(method, &path, &[], "").await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(answer.body.starts_with("<!DOCTYPE html>"), "{answer:?}");
        assert!(
            answer.body.contains("action=\"/logout\""),
            "{path}: {answer:?}"
        );
        let audit = format!("href=\"/t/{tenant}/audit\"");
        assert!(answer.body.contains(&audit), "{path}: {answer:?}");
    }
    for path in ["/api", "/api/", "/api/nothing", "/api/events/1/2/3"] {
        let answer = scene.console.send("GET", path, &[], "").await.unwrap();
        assert_eq!(problem(&answer).0, 404, "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    // Without a session there is none to end.
    let answer = Browser::new(&scene).get("/nothing").await;
    assert_eq!(answer.status, 404);
    assert!(!answer.body.contains("/logout"), "{answer:?}");
}

/// An answer of the database that this program can't read is its own fault, and no trouble with the connection.
#[tokio::test]
async fn faults_of_the_program_are_not_to_be_tried_again() {
    let scene = Scene::set("page_faults").await;
    let tenant = scene.db.tenant();
    let token = scene.client(Some(tenant), "audit:read").await.token;
    let mut browser = Browser::new(&scene);
    browser.log_in(&token).await;
    scene
        .db
        .execute(
            "alter extension webhooks drop function webhooks_private.session_access(bytea);
             drop function webhooks_private.session_access(bytea);
             create function webhooks_private.session_access(bytea) returns table (tenant_id text, scopes text[])
             language sql as 'select null::text, null::text[]';
             grant execute on function webhooks_private.session_access to webhooks_console",
        )
        .await
        .unwrap();
    let answer = browser
        .send("GET", "/", &[("x-request-id", "req-18")], "")
        .await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(answer.header("x-request-id"), Some("req-18"));
    assert!(answer.body.contains("req-18"), "{answer:?}");
    scene
        .console
        .wait_log(|line| line.contains("can't be read") && line.contains("req-18"))
        .await
        .unwrap();
}
