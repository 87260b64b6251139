use serde_json::{Value, json};
use uuid::Uuid;

use crate::scene::{Scene, next, parse, problem};

const EVENTS: &str = "/api/events/";
const BOTH: &str = "events:publish,events:read";

#[tokio::test]
async fn an_event_is_published_once_for_a_key_and_read_with_its_timeline() {
    let scene = Scene::set("api_events").await;
    let tenant = scene.db.tenant();
    let manager = scene.manager(tenant).await;
    manager.subscribe("a", "https://x.example/").await;
    let client = scene.client(Some(tenant), BOTH).await;
    // Digits that no floating-point number has.
    let body = r#"{"event_type": "job.created", "event_data": {"total": 12345678901234567890.123456789}, "resource_type": "job", "source_ip": "192.0.2.1"}"#;
    let key = [("idempotency-key", "order-17")];
    let published = client.send("POST", EVENTS, &key, body).await;
    assert_eq!(published.status, 201, "{published:?}");
    let again = client.send("POST", EVENTS, &key, body).await;
    assert_eq!((again.status, &again.body), (201, &published.body));
    let id = parse(&published)["id"].as_str().unwrap().to_owned();
    let other = client
        .send("POST", EVENTS, &key, r#"{"event_type": "job.started"}"#)
        .await;
    assert_eq!(problem(&other).0, 409);

    let read = client.get(&format!("{EVENTS}{id}")).await;
    assert_eq!(read.status, 200, "{read:?}");
    assert!(
        read.body.contains("12345678901234567890.123456789"),
        "{}",
        read.body
    );
    let event = parse(&read);
    assert_eq!(event["tenant_id"], tenant.to_string());
    assert_eq!(event["idempotency_key"], "order-17");
    let timeline = event["timeline"].as_array().unwrap();
    let steps: Vec<_> = timeline
        .iter()
        .map(|step| step["what"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["published", "queued", "outstanding"]);

    // Of another tenant, or of nobody.
    let stranger = scene.client(Some(scene.db.tenant()), BOTH).await;
    let refused = stranger.get(&format!("{EVENTS}{id}")).await;
    assert_eq!(problem(&refused), (404, format!("there is no event {id}")));
    let nobodys = Uuid::now_v7();
    assert_eq!(client.get(&format!("{EVENTS}{nobodys}")).await.status, 404);
}

#[tokio::test]
async fn of_an_array_all_events_are_published_or_none() {
    let scene = Scene::set("api_batch").await;
    let client = scene.client(Some(scene.db.tenant()), BOTH).await;
    let events =
        |types: &[&str]| -> Value { types.iter().map(|t| json!({"event_type": t})).collect() };
    let published = client
        .post(EVENTS, &events(&["job.created", "job.started"]))
        .await;
    assert_eq!(published.status, 201, "{published:?}");
    let ids = parse(&published);
    assert_eq!(ids.as_array().unwrap().len(), 2);
    let count = "select string_agg(event_type, ' ' order by id) from webhooks.event_logs";
    let count = async || scene.db.value(count).await.unwrap().unwrap();
    assert_eq!(count().await, "job.created job.started");
    let refused = client
        .post(EVENTS, &events(&["job.created", "no.such"]))
        .await;
    assert_eq!(problem(&refused).0, 400, "{refused:?}");
    assert_eq!(count().await, "job.created job.started");
    assert_eq!(client.post(EVENTS, &json!([])).await.status, 201);

    let many = events(&vec!["job.created"; 1001]);
    assert_eq!(
        problem(&client.post(EVENTS, &many).await),
        (400, "there are 1001 events".to_owned())
    );
    let key = [("idempotency-key", "x")];
    let body = events(&["job.created"]).to_string();
    assert_eq!(client.send("POST", EVENTS, &key, &body).await.status, 400);
    for body in [
        json!({}),
        json!({"event_type": 5}),
        json!({"event_type": "job.created", "tenant_id": Uuid::now_v7()}),
        json!({"event_type": "job.created", "expires_at": "never"}),
        json!("job.created"),
    ] {
        let refused = client.post(EVENTS, &body).await;
        assert_eq!(problem(&refused).0, 400, "{body}");
    }
    assert_eq!(count().await, "job.created job.started");
}

#[tokio::test]
async fn publishing_and_reading_are_two_scopes() {
    let scene = Scene::set("api_event_scopes").await;
    let tenant = scene.db.tenant();
    let body = json!({"event_type": "job.created"});
    let publisher = scene.client(Some(tenant), "events:publish").await;
    let published = publisher.post(EVENTS, &body).await;
    let path = format!("{EVENTS}{}", parse(&published)["id"].as_str().unwrap());
    let reader = scene.client(Some(tenant), "events:read").await;
    for (client, status) in [(&publisher, 403), (&reader, 200)] {
        assert_eq!(client.get(&path).await.status, status);
        assert_eq!(client.get("/api/event-types/").await.status, status);
    }
    assert_eq!(problem(&reader.post(EVENTS, &body).await).0, 403);
    let types = parse(&reader.get("/api/event-types/").await);
    let names: Vec<_> = types
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"document.uploaded"), "{names:?}");
}

#[tokio::test]
async fn events_are_found_by_type_resource_time_id_and_key() {
    let scene = Scene::set("api_event_list").await;
    let tenant = scene.db.tenant();
    let client = scene.client(Some(tenant), BOTH).await;
    let resource = Uuid::now_v7();
    let mut ids = Vec::new();
    for n in 0..6 {
        let event_type = ["job.created", "job.failed", "document.uploaded"][n % 3];
        let body = json!({
            "event_type": event_type, "resource_type": "job", "event_data": {"hush": "4711"},
            "resource_id": (n == 0).then_some(resource), "idempotency_key": format!("key {n}&")
        });
        let published = client.post(EVENTS, &body).await;
        assert_eq!(published.status, 201, "{published:?}");
        ids.push(parse(&published)["id"].as_str().unwrap().to_owned());
    }
    // Of long ago, with an id that tells no time; and of somebody else.
    let old = Uuid::new_v4();
    let insert = format!(
        "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data, created_at)
         values ('{old}', '{tenant}', 'job.created', 'job', 'old', '{{}}', now() - interval '3 days')"
    );
    scene.db.execute(&insert).await.unwrap();
    ids.insert(0, old.to_string());
    ids.reverse();
    let stranger = scene.client(Some(scene.db.tenant()), BOTH).await;
    stranger
        .post(EVENTS, &json!({"event_type": "job.created"}))
        .await;

    let list = async |query: &str| {
        let (mut found, mut path) = (Vec::new(), format!("{EVENTS}?{query}"));
        loop {
            let page = client.get(&path).await;
            assert_eq!(page.status, 200, "{page:?}");
            assert!(!page.body.contains("4711"), "{page:?}");
            let items: Vec<Value> = serde_json::from_str(&page.body).unwrap();
            found.extend(items.iter().map(|e| e["id"].as_str().unwrap().to_owned()));
            match next(&page) {
                Some(next) => path = next,
                None => return found,
            }
        }
    };
    assert_eq!(list("").await, ids);
    for limit in [1, 2, 6, 7, 200] {
        assert_eq!(list(&format!("limit={limit}")).await, ids, "{limit} a page");
    }
    assert_eq!(list("event_type=job.*&limit=2").await.len(), 5);
    assert_eq!(
        list("event_type=job.failed,document.uploaded").await.len(),
        4
    );
    assert_eq!(list(&format!("resource_id={resource}")).await, ids[5..6]);
    assert_eq!(list("resource_type=document").await.len(), 0);
    assert_eq!(list("since=yesterday&limit=4").await, ids[..6]);
    assert_eq!(list("until=yesterday").await, ids[6..]);
    // The one there is, whenever it was.
    assert_eq!(list(&format!("id={old}&since=today")).await, ids[6..]);
    assert_eq!(list("idempotency_key=key%201%26&limit=1").await, ids[4..5]);
    for query in [
        "idempotency_key=none",
        "id=00000000-0000-7000-8000-00000000dead",
    ] {
        assert!(list(query).await.is_empty());
    }
    for query in [
        "id=x",
        "since=then",
        "since=2020-01-01",
        "limit=0",
        "cursor=x",
        "tenant_id=x",
    ] {
        let refused = client.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!(problem(&refused).0, 400, "{query}: {refused:?}");
    }
}
