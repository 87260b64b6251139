use crate::scene::{SUBSCRIPTIONS, Scene, parse, problem};

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
