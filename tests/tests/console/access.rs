use serde_json::json;

use crate::scene::{ALL_SCOPES, SUBSCRIPTIONS, Scene, parse, problem};

/// Every route, with what it needs.
fn routes(id: &str, delivery: &str) -> Vec<(&'static str, String, &'static str, &'static str)> {
    let one = format!("{SUBSCRIPTIONS}{id}");
    let create = r#"{"name": "x", "webhook_url": "https://x.example/"}"#;
    vec![
        ("POST", SUBSCRIPTIONS.to_owned(), create, "create"),
        ("GET", SUBSCRIPTIONS.to_owned(), "", "read"),
        ("GET", one.clone(), "", "read"),
        ("PATCH", one.clone(), r#"{"retry_count": 1}"#, "update"),
        ("POST", format!("{one}/test?wait=0"), "", "test"),
        ("GET", format!("{one}/deliveries"), "", "read"),
        ("GET", format!("{one}/deliveries/{delivery}"), "", "read"),
        (
            "POST",
            format!("{one}/deliveries/{delivery}/retry"),
            "",
            "retry",
        ),
        ("DELETE", one, "", "delete"),
    ]
}

#[tokio::test]
async fn each_route_needs_its_scope() {
    let scene = Scene::set("api_scopes").await;
    let tenant = scene.db.tenant();
    let manager = scene.manager(tenant).await;
    let id = manager.subscribe("a", "https://x.example/").await;
    scene
        .db
        .publish(tenant, "job.created", json!({}))
        .await
        .unwrap();
    let delivery = "select id from webhooks.delivery_queue limit 1";
    let delivery = scene.db.value(delivery).await.unwrap().unwrap();
    for (method, path, body, action) in routes(&id, &delivery) {
        let scope = format!("webhook_subscriptions:{action}");
        let others: Vec<_> = ALL_SCOPES.split(',').filter(|s| *s != scope).collect();
        let without = scene.client(Some(tenant), &others.join(",")).await;
        let refused = without.send(method, &path, &[], body).await;
        let lacks = format!("the access token lacks the scope \"{scope}\"");
        assert_eq!(problem(&refused), (403, lacks), "{method} {path}");
        let with = scene.client(Some(tenant), &scope).await;
        let answer = with.send(method, &path, &[], body).await;
        // A delivery that is outstanding can't be retried: that is a conflict, and no matter of rights.
        let expected = if action == "retry" {
            409..410
        } else {
            200..205
        };
        assert!(
            expected.contains(&answer.status),
            "{method} {path}: {answer:?}"
        );
    }
}

#[tokio::test]
async fn another_tenants_ids_are_as_ids_that_there_are_not() {
    let scene = Scene::set("api_tenants").await;
    let (ours, theirs) = (scene.db.tenant(), scene.db.tenant());
    let owner = scene.manager(ours).await;
    let id = owner.subscribe("ours", "https://x.example/").await;
    scene
        .db
        .publish(ours, "job.created", json!({}))
        .await
        .unwrap();
    let delivery = "select id from webhooks.delivery_queue limit 1";
    let delivery = scene.db.value(delivery).await.unwrap().unwrap();
    let before = "select md5(string_agg(to_jsonb(s)::text, '')) from webhooks.webhook_subscriptions s where tenant_id = ";
    let before = format!("{before}'{ours}'");
    let state = scene.db.value(&before).await.unwrap();
    let stranger = scene.manager(theirs).await;
    for (method, path, body, action) in routes(&id, &delivery) {
        let answer = stranger.send(method, &path, &[], body).await;
        if path == SUBSCRIPTIONS {
            let expected = if action == "create" { 201 } else { 200 };
            assert_eq!(answer.status, expected);
            assert!(!answer.body.contains(&ours.to_string()));
            continue;
        }
        let (status, detail) = problem(&answer);
        assert_eq!(status, 404, "{method} {path}: {detail}");
        // Word for word as for one that nobody has.
        let nobodys = "00000000-0000-7000-8000-00000000dead";
        let named = if detail.contains(&delivery) {
            &delivery
        } else {
            &id
        };
        let unknown = stranger
            .send(method, &path.replace(named.as_str(), nobodys), &[], body)
            .await;
        assert_eq!(
            unknown.body.replace(nobodys, named),
            answer.body,
            "{method} {path}"
        );
    }
    assert_eq!(scene.db.value(&before).await.unwrap(), state);
    // Naming the other tenant helps nobody.
    let mut stranger = stranger;
    stranger.tenant = Some(ours);
    let refused = stranger.get(&format!("{SUBSCRIPTIONS}{id}")).await;
    assert_eq!(problem(&refused).0, 403);
    // A body can't say whose it is, either.
    stranger.tenant = None;
    let body = json!({"name": "x", "webhook_url": "https://x.example/", "tenant_id": ours});
    let refused = stranger.post(SUBSCRIPTIONS, &body).await;
    assert_eq!(problem(&refused).0, 400);
}

#[tokio::test]
async fn an_operator_names_the_tenant_of_each_request() {
    let scene = Scene::set("api_operator").await;
    let mut operator = scene.client(None, ALL_SCOPES).await;
    let refused = operator.get(SUBSCRIPTIONS).await;
    assert_eq!(problem(&refused), (400, "no tenant is named".to_owned()));
    let (one, two) = (scene.db.tenant(), scene.db.tenant());
    for tenant in [one, two] {
        operator.tenant = Some(tenant);
        operator.subscribe("a", "https://x.example/").await;
        let listed = parse(&operator.get(SUBSCRIPTIONS).await);
        let listed = listed.as_array().unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0]["tenant_id"], tenant.to_string());
    }
    let authorization = format!("Bearer {}", operator.token);
    let headers = [
        ("authorization", authorization.as_str()),
        ("webhooks-tenant", "acme"),
    ];
    let refused = scene
        .console
        .send("GET", SUBSCRIPTIONS, &headers, "")
        .await
        .unwrap();
    assert_eq!(problem(&refused).0, 400);
}

#[tokio::test]
async fn without_a_valid_token_nothing_is_answered() {
    let scene = Scene::set("api_tokens").await;
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    assert_eq!(client.get(SUBSCRIPTIONS).await.status, 200);
    let basic = format!("Basic {}", client.token);
    for authorization in [
        "Bearer whtok_wrong",
        "Bearer",
        "Bearer ",
        "whtok_wrong",
        basic.as_str(),
    ] {
        let headers = [("authorization", authorization)];
        let refused = scene
            .console
            .send("GET", SUBSCRIPTIONS, &headers, "")
            .await
            .unwrap();
        assert_eq!(problem(&refused).0, 401, "{authorization}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    }
    let (status, _) = scene.console.get(SUBSCRIPTIONS).await.unwrap();
    assert_eq!(status, 401);
    // A token that is revoked is refused by the next request.
    let revoke = format!(
        "select webhooks.revoke_access_token('{tenant}', id) from webhooks.list_access_tokens('{tenant}')"
    );
    scene.db.execute(&revoke).await.unwrap();
    assert_eq!(problem(&client.get(SUBSCRIPTIONS).await).0, 401);
    for line in scene.console.log() {
        assert!(!line.contains(&client.token), "{}", line.raw);
    }
}

#[tokio::test]
async fn the_audit_log_names_the_request_and_the_user() {
    let scene = Scene::set("api_audit").await;
    let tenant = scene.db.tenant();
    let user = uuid::Uuid::now_v7();
    let mut client = scene.manager(tenant).await;
    let create = format!(
        "select webhooks.create_access_token('{tenant}', '{{webhook_subscriptions:create}}', '1 day', 'x', '{user}')"
    );
    client.token = scene.db.value(&create).await.unwrap().unwrap();
    let body = json!({"name": "x", "webhook_url": "https://x.example/"}).to_string();
    let created = client
        .send("POST", SUBSCRIPTIONS, &[("x-request-id", "req-17")], &body)
        .await;
    assert_eq!(created.header("x-request-id"), Some("req-17"));
    assert_eq!(parse(&created)["created_by"], user.to_string());
    let entry = "select concat_ws(' ', action, session_role, acting_role, user_id, request_id) from webhooks.audit_log
                 where object_type = 'subscription'";
    assert_eq!(
        scene.db.value(entry).await.unwrap().unwrap(),
        format!("created console webhooks_manager {user} req-17")
    );
    // One of its own, if the client's does not fit in a line of a log.
    let long = "x".repeat(201);
    let answer = client
        .send("POST", SUBSCRIPTIONS, &[("x-request-id", &long)], &body)
        .await;
    assert_eq!(answer.header("x-request-id").unwrap().len(), 36);
}
