use serde_json::{Value, json};

use crate::scene::{SUBSCRIPTIONS, Scene, next, parse, problem};

#[tokio::test]
async fn a_subscription_is_created_read_changed_and_deleted() {
    let scene = Scene::set("api_subscriptions").await;
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    let body = json!({
        "name": "Invoices", "webhook_url": "https://hooks.example.com/invoices", "subscribed_events": ["document.*"],
        "environment": "staging", "auth_type": "api_key", "auth_config": {"api_key": "hush4711"}, "retry_count": 5
    });
    let created = client.post(SUBSCRIPTIONS, &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let subscription = parse(&created);
    assert_eq!(subscription["tenant_id"], tenant.to_string());
    assert_eq!(subscription["retry_count"], 5);
    assert_eq!(subscription["auth_config"], json!({"api_key": null}));
    assert!(!created.body.contains("hush4711"));
    let path = created.header("location").unwrap().to_owned();
    assert_eq!(
        path,
        format!("{SUBSCRIPTIONS}{}", subscription["id"].as_str().unwrap())
    );

    let read = client.get(&path).await;
    assert_eq!((read.status, parse(&read)), (200, subscription.clone()));
    let changed = client
        .send(
            "PATCH",
            &path,
            &[],
            r#"{"timeout_seconds": 10, "auth_config": {"api_key": null}}"#,
        )
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(parse(&changed)["timeout_seconds"], 10);
    assert_eq!(parse(&changed)["retry_count"], 5);
    let kept = "select auth_config ->> 'api_key' from webhooks.webhook_subscriptions";
    assert_eq!(scene.db.value(kept).await.unwrap().unwrap(), "hush4711");

    let deleted = client.send("DELETE", &path, &[], "").await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    for method in ["GET", "DELETE"] {
        assert_eq!(client.send(method, &path, &[], "").await.status, 404);
    }
}

#[tokio::test]
async fn a_change_of_another_version_is_refused() {
    let scene = Scene::set("api_versions").await;
    let client = scene.manager(scene.db.tenant()).await;
    let id = client.subscribe("a", "https://hooks.example.com/").await;
    let path = format!("{SUBSCRIPTIONS}{id}");
    let first = client.get(&path).await.header("etag").unwrap().to_owned();
    let change = |tag: String| {
        let (client, path) = (&client, &path);
        async move {
            let headers = [("if-match", tag.as_str())];
            client
                .send("PATCH", path, &headers, r#"{"retry_count": 1}"#)
                .await
        }
    };
    let changed = change(first.clone()).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let second = changed.header("etag").unwrap().to_owned();
    assert_ne!(second, first);
    assert_eq!(change(first.clone()).await.status, 412);
    let headers = [("if-match", first.as_str())];
    assert_eq!(client.send("DELETE", &path, &headers, "").await.status, 412);
    // What the client has is not sent again.
    let headers = [("if-none-match", second.as_str())];
    let same = client.send("GET", &path, &headers, "").await;
    assert_eq!((same.status, same.body.as_str()), (304, ""));
    let headers = [("if-match", second.as_str())];
    assert_eq!(client.send("DELETE", &path, &headers, "").await.status, 204);
}

#[tokio::test]
async fn lists_are_filtered_and_come_in_pages() {
    let scene = Scene::set("api_lists").await;
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    let make = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, environment, is_active)
         select '{tenant}', 'n' || lpad(n::text, 2, '0'), 'https://x.example/', case when n > 20 then 'dev' else 'production' end, n % 2 = 0
         from generate_series(1, 25) n"
    );
    scene.db.execute(&make).await.unwrap();
    // Of somebody else.
    let other = scene.manager(scene.db.tenant()).await;
    other.subscribe("theirs", "https://x.example/").await;

    let list = async |path: &str| {
        let (mut names, mut path, mut pages) = (Vec::new(), path.to_owned(), 0);
        loop {
            let page = client.get(&path).await;
            assert_eq!(page.status, 200, "{page:?}");
            let items: Vec<Value> = serde_json::from_str(&page.body).unwrap();
            names.extend(items.iter().map(|s| s["name"].as_str().unwrap().to_owned()));
            pages += 1;
            match next(&page) {
                Some(next) => path = next,
                None => return (names, pages),
            }
        }
    };
    let all: Vec<_> = (1..=25).map(|n| format!("n{n:02}")).collect();
    // With and without the slash, as the specification has it and as people write it.
    assert_eq!(list("/api/webhook-subscriptions").await, (all.clone(), 1));
    for (limit, pages) in [(25, 1), (24, 2), (5, 5), (1, 25)] {
        let path = format!("{SUBSCRIPTIONS}?limit={limit}");
        assert_eq!(list(&path).await, (all.clone(), pages), "{limit} a page");
    }
    let (dev, _) = list(&format!("{SUBSCRIPTIONS}?environment=dev&limit=2")).await;
    assert_eq!(dev, all[20..]);
    let (both, pages) = list(&format!(
        "{SUBSCRIPTIONS}?environment=dev&is_active=true&limit=1"
    ))
    .await;
    assert_eq!((both, pages), (vec!["n22".to_owned(), "n24".to_owned()], 2));
    let (inactive, _) = list(&format!("{SUBSCRIPTIONS}?is_active=false")).await;
    assert_eq!(inactive.len(), 13);
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=x", "cursor"),
    ] {
        let refused = client.get(&format!("{SUBSCRIPTIONS}?{query}")).await;
        assert_eq!(problem(&refused).0, 400, "{query}");
        assert_eq!(parse(&refused)["field"], field);
    }
    for query in [
        "environment=prod",
        "is_active=maybe",
        "limit=many",
        "page=2",
    ] {
        let refused = client.get(&format!("{SUBSCRIPTIONS}?{query}")).await;
        assert_eq!(problem(&refused).0, 400, "{query}");
    }
}
