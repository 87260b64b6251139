use serde_json::json;
use tokio::task::JoinSet;
use webhooks_tests::http;

use crate::browser::Browser;
use crate::scene::{SUBSCRIPTIONS, Scene, parse, problem};
use crate::visit::Visit;

#[tokio::test]
async fn a_token_has_so_many_requests_a_minute() {
    let scene = Scene::set_with("api_rate", &["--rate-limit", "3"]).await;
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    for left in ["2", "1", "0"] {
        let answer = client.get(SUBSCRIPTIONS).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let policy = answer.header("ratelimit-policy");
        assert_eq!(policy, Some("\"token\";q=3;w=60"));
        let limit = answer.header("ratelimit").unwrap();
        assert!(
            limit.starts_with(&format!("\"token\";r={left};t=")),
            "{limit}"
        );
    }
    let refused = client.get(SUBSCRIPTIONS).await;
    let (status, detail) = problem(&refused);
    assert_eq!(status, 429, "{refused:?}");
    assert!(detail.contains("3 requests"), "{detail}");
    assert!(parse(&refused)["hint"].is_string());
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=20).contains(&wait), "{wait}");
    assert!(refused.header("ratelimit").is_some());
    // That one has used up its own is nothing to others, nor to who asks for health.
    let other = scene.manager(tenant).await;
    assert_eq!(other.get(SUBSCRIPTIONS).await.status, 200);
    for _ in 0..5 {
        assert_eq!(scene.console.get("/healthz").await.unwrap().0, 200);
    }
}

#[tokio::test]
async fn an_address_has_so_many_tries() {
    let arguments = ["--rate-limit", "3", "--behind-proxy"];
    let scene = Scene::set_with("api_tries", &arguments).await;
    let client = scene.manager(scene.db.tenant()).await;
    assert_eq!(client.get(SUBSCRIPTIONS).await.status, 200);
    let try_one = async |from: &str, token: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            // What the client writes itself is not the proxy's.
            ("x-forwarded-for", from),
        ];
        let answer = scene.console.send("GET", SUBSCRIPTIONS, &headers, "");
        answer.await.unwrap()
    };
    for n in 0..3 {
        let from = format!("198.51.100.{n}, 192.0.2.1");
        let refused = try_one(&from, &format!("whtok_{n}")).await;
        assert_eq!(refused.status, 401, "{refused:?}");
        let policy = refused.header("ratelimit-policy");
        assert_eq!(policy, Some("\"address\";q=3;w=60"));
    }
    let refused = try_one("192.0.2.1", "whtok_3").await;
    assert_eq!(problem(&refused).0, 429, "{refused:?}");
    // Neither other addresses nor who is known suffers from it.
    assert_eq!(try_one("192.0.2.2", "whtok_3").await.status, 401);
    assert_eq!(try_one("192.0.2.1", &client.token).await.status, 200);
}

#[tokio::test]
async fn there_may_be_no_limit() {
    let scene = Scene::set_with("api_no_rate", &["--rate-limit", "0"]).await;
    let client = scene.manager(scene.db.tenant()).await;
    for _ in 0..5 {
        let answer = client.get(SUBSCRIPTIONS).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit"), None);
    }
}

#[tokio::test]
async fn a_session_has_so_many_requests_a_minute() {
    let scene = Scene::set_with("page_rate", &["--rate-limit", "6"]).await;
    let tenant = scene.db.tenant();
    let client = scene.client(Some(tenant), "audit:read").await;
    let page = format!("/t/{tenant}/audit");
    // Two for the address.
    let (mut browser, mut other) = (Browser::new(&scene), Browser::new(&scene));
    browser.log_in(&client.token).await;
    other.log_in(&client.token).await;
    for left in (0..6).rev() {
        let answer = browser.get(&page).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let limit = answer.header("ratelimit").unwrap();
        let expected = format!("\"session\";r={left};t=");
        assert!(limit.starts_with(&expected), "{limit}");
    }
    let refused = browser.get(&page).await;
    assert_eq!(refused.status, 429, "{refused:?}");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    let kind = refused.header("content-type").unwrap();
    assert!(kind.starts_with("text/html"), "{refused:?}");
    assert!(refused.body.contains("this session has sent 6 requests"));
    // Files that pages have cost nothing, and others have their own.
    for _ in 0..8 {
        assert_eq!(browser.get("/brand.css").await.status, 200);
    }
    assert_eq!(other.get(&page).await.status, 200);
    // A cookie says nothing to the API, nor a token to pages.
    let cookie = browser.cookie.clone().unwrap();
    let authorization = format!("Bearer {}", client.token);
    let both = [
        ("authorization", authorization.as_str()),
        ("cookie", cookie.as_str()),
    ];
    let answer = scene.console.send("GET", "/api/audit-log", &both, "").await;
    assert_eq!(answer.unwrap().status, 200);
    let answer = scene.console.send("GET", &page, &both, "").await;
    assert_eq!(answer.unwrap().status, 429);
}

/// Whoever makes cookies up, or logs in again and again, is stopped by the address.
#[tokio::test]
async fn an_address_without_a_session_has_so_many_pages() {
    let scene = Scene::set_with("page_tries", &["--rate-limit", "3"]).await;
    let tenant = scene.db.tenant();
    let mut browser = Browser::new(&scene);
    for n in 0..3 {
        browser.cookie = Some(format!("webhooks_session=made-up-{n}"));
        let answer = browser.get(&format!("/t/{tenant}")).await;
        assert_eq!(answer.status, 303, "{answer:?}");
    }
    browser.cookie = Some("webhooks_session=made-up".to_owned());
    for path in ["/", "/login", "/portal", "/nothing"] {
        let refused = browser.get(path).await;
        assert_eq!(refused.status, 429, "{path}: {refused:?}");
        assert!(refused.header("retry-after").is_some());
    }
    assert_eq!(scene.console.get("/healthz").await.unwrap().0, 200);
}

#[tokio::test]
async fn so_many_requests_of_a_token_or_session_wait() {
    let scene = Scene::set("waiting").await;
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    // There is no sidecar: tests wait for as long as they may.
    let id = client.subscribe("a", "https://x.example/").await;
    let test = format!("{SUBSCRIPTIONS}{id}/test");
    let mut visit = Visit::of_manager(&scene, tenant).await;
    let sent = visit.post(&format!("/subscriptions/{id}/test"), &[]).await;
    let shown = crate::browser::location(&sent).to_owned();
    let authorization = format!("Bearer {}", client.token);
    let cookie = visit.browser.cookie.clone().unwrap();
    for (method, path, header, value) in [
        (
            "POST",
            format!("{test}?wait=25"),
            "authorization",
            authorization,
        ),
        ("GET", shown, "cookie", cookie),
    ] {
        let mut waiting = JoinSet::new();
        for _ in 0..9 {
            let (address, path) = (scene.console.address().to_owned(), path.clone());
            let value = value.clone();
            waiting.spawn(async move {
                let headers = [(header, value.as_str())];
                http::send(&address, method, &path, &headers, "").await
            });
        }
        let first = waiting.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(first.status, 429, "{first:?}");
        assert!(first.body.contains("wait already"), "{first:?}");
        // Who does not wait, or has another token, is not refused.
        if method == "POST" {
            let answer = client.post(&format!("{test}?wait=0"), &json!({})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let other = scene.manager(tenant).await;
            let answer = other.post(&format!("{test}?wait=1"), &json!({})).await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        waiting.abort_all();
    }
}
