use serde_json::{Value, json};
use uuid::Uuid;

use crate::scene::{ALL_SCOPES, SUBSCRIPTIONS, Scene, TEMPLATES, parse, problem};

const CREATE: &str = "webhook_subscriptions:create";
const READ: &str = "webhook_subscriptions:read";
const UPDATE: &str = "webhook_subscriptions:update";
const DELETE: &str = "webhook_subscriptions:delete";
const RETRY: &str = "webhook_subscriptions:retry";
const IMPORT: &str = "webhook_subscriptions:create,webhook_subscriptions:update";
const METRICS: &str = "metrics:read";

/// A request, the scopes that it needs, and the status of its answer.
struct Route {
    method: &'static str,
    path: String,
    body: &'static str,
    scopes: &'static str,
    status: u16,
}

/// What there is of a tenant. Its template has the name of the subscription's id.
struct Ids {
    subscription: String,
    delivery: String,
    event: String,
}

impl Ids {
    async fn make(scene: &Scene, tenant: Uuid) -> Self {
        let manager = scene.manager(tenant).await;
        let subscription = manager.subscribe("a", "https://x.example/").await;
        let template =
            json!({"name": subscription, "settings": {"webhook_url": "https://x.example/"}});
        let made = manager.post(TEMPLATES, &template).await;
        assert_eq!(made.status, 201, "{made:?}");
        let event = scene.db.publish(tenant, "job.created", json!({}));
        let event = event.await.unwrap().to_string();
        let delivery =
            format!("select id from webhooks.delivery_queue where event_log_id = '{event}'");
        Self {
            subscription,
            delivery: scene.db.value(&delivery).await.unwrap().unwrap(),
            event,
        }
    }

    /// Every route.
    fn routes(&self) -> Vec<Route> {
        let one = format!("{SUBSCRIPTIONS}{}", self.subscription);
        let delivery = format!("{one}/deliveries/{}", self.delivery);
        let template = format!("{TEMPLATES}{}", self.subscription);
        let event = format!("/api/events/{}", self.event);
        let route = |method, path: &str, body, scopes, status| Route {
            method,
            path: path.to_owned(),
            body,
            scopes,
            status,
        };
        vec![
            route(
                "POST",
                SUBSCRIPTIONS,
                r#"{"name": "x", "webhook_url": "https://x.example/"}"#,
                CREATE,
                201,
            ),
            route("GET", SUBSCRIPTIONS, "", READ, 200),
            route("GET", &format!("{SUBSCRIPTIONS}export"), "", READ, 200),
            route("POST", &format!("{SUBSCRIPTIONS}import"), "[]", IMPORT, 200),
            route("GET", &one, "", READ, 200),
            route("PATCH", &one, r#"{"retry_count": 1}"#, UPDATE, 200),
            route(
                "POST",
                &format!("{one}/test?wait=0"),
                "",
                "webhook_subscriptions:test",
                200,
            ),
            route("GET", &format!("{one}/deliveries"), "", READ, 200),
            route("GET", &delivery, "", READ, 200),
            // It is outstanding: that is a conflict, and no matter of rights.
            route("POST", &format!("{delivery}/retry"), "", RETRY, 409),
            route("GET", &format!("{one}/health"), "", READ, 200),
            // It does not sign.
            route("POST", &format!("{one}/secret"), "", UPDATE, 400),
            route("POST", &format!("{one}/retry-failed"), "", RETRY, 200),
            route(
                "POST",
                "/api/replay",
                r#"{"since": "yesterday", "until": "infinity", "dry_run": true}"#,
                RETRY,
                200,
            ),
            route("GET", TEMPLATES, "", READ, 200),
            route(
                "POST",
                TEMPLATES,
                r#"{"name": "x", "settings": {}}"#,
                CREATE,
                201,
            ),
            route("GET", &template, "", READ, 200),
            route(
                "POST",
                &format!("{template}/subscriptions"),
                r#"{"name": "y"}"#,
                CREATE,
                201,
            ),
            route("PUT", &template, r#"{"settings": {}}"#, UPDATE, 200),
            route("DELETE", &template, "", DELETE, 204),
            route(
                "POST",
                "/api/events/",
                r#"{"event_type": "job.created"}"#,
                "events:publish",
                201,
            ),
            route("GET", "/api/events/", "", "events:read", 200),
            route("GET", &event, "", "events:read", 200),
            route("GET", "/api/event-types/", "", "events:read", 200),
            route("GET", "/api/metrics/deliveries", "", METRICS, 200),
            route("GET", "/api/metrics/events", "", METRICS, 200),
            route("GET", "/api/metrics/latency", "", METRICS, 200),
            route("GET", "/api/metrics/endpoints", "", METRICS, 200),
            route("GET", "/api/usage", "", METRICS, 200),
            route("GET", "/api/audit-log/", "", "audit:read", 200),
            route("DELETE", &one, "", DELETE, 204),
        ]
    }
}

#[tokio::test]
async fn each_route_needs_its_scope() {
    let scene = Scene::set("api_scopes").await;
    let tenant = scene.db.tenant();
    let ids = Ids::make(&scene, tenant).await;
    let (_, document) = scene.console.get("/api/openapi.json").await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    for route in ids.routes() {
        let Route { method, path, .. } = &route;
        let described = described(&document, &ids, method, path);
        assert_eq!(described, route.scopes, "{method} {path}");
        for needed in route.scopes.split(',') {
            let others: Vec<_> = ALL_SCOPES.split(',').filter(|s| *s != needed).collect();
            let without = scene.client(Some(tenant), &others.join(",")).await;
            let refused = without.send(method, path, &[], route.body).await;
            let lacks = format!("the access token lacks the scope \"{needed}\"");
            assert_eq!(problem(&refused), (403, lacks), "{method} {path}");
        }
        let with = scene.client(Some(tenant), route.scopes).await;
        let answer = with.send(method, path, &[], route.body).await;
        assert_eq!(answer.status, route.status, "{method} {path}: {answer:?}");
    }
}

/// The scopes that the description of the API has for a request.
fn described(document: &Value, ids: &Ids, method: &str, path: &str) -> String {
    let path = path.split('?').next().unwrap();
    let name = match path.starts_with(TEMPLATES) {
        true => "{name}",
        false => "{id}",
    };
    let path = path
        .replace(&ids.subscription, name)
        .replace(&ids.event, "{id}")
        .replace(&ids.delivery, "{delivery_id}");
    let scopes = &document["paths"][path][method.to_lowercase()]["security"][0]["token"];
    let scopes = scopes.as_array().unwrap().iter();
    let scopes: Vec<_> = scopes.map(|scope| scope.as_str().unwrap()).collect();
    scopes.join(",")
}

#[tokio::test]
async fn another_tenants_ids_are_as_ids_that_there_are_not() {
    let scene = Scene::set("api_tenants").await;
    let (ours, theirs) = (scene.db.tenant(), scene.db.tenant());
    let ids = Ids::make(&scene, ours).await;
    let before = "select md5(string_agg(to_jsonb(s)::text, '')) from webhooks.webhook_subscriptions s where tenant_id = ";
    let before = format!("{before}'{ours}'");
    let state = scene.db.value(&before).await.unwrap();
    let stranger = scene.manager(theirs).await;
    for Route {
        method,
        path,
        body,
        status,
        ..
    } in ids.routes()
    {
        let answer = stranger.send(method, &path, &[], body).await;
        let named = [&ids.delivery, &ids.event, &ids.subscription];
        let names = |text: &str| named.into_iter().find(|id| text.contains(id.as_str()));
        assert!(!answer.body.contains(&ours.to_string()), "{answer:?}");
        if names(&path).is_none() {
            assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
            assert_eq!(names(&answer.body), None, "{method} {path}: {answer:?}");
            continue;
        }
        let (status, detail) = problem(&answer);
        assert_eq!(status, 404, "{method} {path}: {detail}");
        // Word for word as for one that nobody has.
        let nobodys = "00000000-0000-7000-8000-00000000dead";
        let named = names(&detail).unwrap();
        let path = path.replace(named, nobodys);
        let unknown = stranger.send(method, &path, &[], body).await;
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
    let refused = stranger
        .get(&format!("{SUBSCRIPTIONS}{}", ids.subscription))
        .await;
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
    let user = Uuid::now_v7();
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
