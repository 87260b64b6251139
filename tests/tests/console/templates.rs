use serde_json::{Value, json};

use crate::scene::{Scene, TEMPLATES, next, parse, problem};

#[tokio::test]
async fn a_template_is_created_used_replaced_and_deleted() {
    let scene = Scene::set("api_templates").await;
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    let body = json!({
        "name": "Team chat / ü", "description": "Messages",
        "settings": {"webhook_url": "https://chat.example/<<room>>", "retry_count": 5},
        "placeholders": {"room": "Where to"}
    });
    let created = client.post(TEMPLATES, &body).await;
    assert_eq!(created.status, 201, "{created:?}");
    let template = parse(&created);
    assert_eq!(template["settings"], body["settings"]);
    assert_eq!(template["is_shipped"], false);
    let path = created.header("location").unwrap().to_owned();
    assert_eq!(path, format!("{TEMPLATES}Team%20chat%20%2F%20%C3%BC"));
    assert_eq!(parse(&client.get(&path).await), template);
    let again = client.post(TEMPLATES, &body).await;
    let detail = "there is a template \"Team chat / ü\" already".to_owned();
    assert_eq!(problem(&again), (409, detail));

    let subscribe = format!("{path}/subscriptions");
    let made = client
        .post(&subscribe, &json!({"name": "x", "room": "jobs"}))
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    let subscription = parse(&made);
    assert_eq!(subscription["webhook_url"], "https://chat.example/jobs");
    assert_eq!(subscription["retry_count"], 5);
    let location = made.header("location").unwrap();
    assert_eq!(parse(&client.get(location).await), subscription);
    assert!(made.header("etag").is_some());
    let refused = client.post(&subscribe, &json!({"name": "y"})).await;
    assert_eq!(problem(&refused).0, 400, "{refused:?}");

    let replaced = client
        .send("PUT", &path, &[], r#"{"settings": {"retry_count": 1}}"#)
        .await;
    assert_eq!(replaced.status, 200, "{replaced:?}");
    let now = parse(&replaced);
    assert_eq!(
        (&now["description"], &now["settings"], &now["placeholders"]),
        (&Value::Null, &json!({"retry_count": 1}), &json!({}))
    );
    let deleted = client.send("DELETE", &path, &[], "").await;
    assert_eq!(deleted.status, 204);
    for (method, body) in [("GET", ""), ("PUT", r#"{"settings": {}}"#), ("DELETE", "")] {
        let refused = client.send(method, &path, &[], body).await;
        assert_eq!(problem(&refused).0, 404, "{method}");
    }
}

#[tokio::test]
async fn shipped_templates_are_listed_and_hidden_by_ones_own() {
    let scene = Scene::set("api_shipped_templates").await;
    let client = scene.manager(scene.db.tenant()).await;
    let list = async |path: &str| {
        let (mut found, mut path) = (Vec::new(), path.to_owned());
        loop {
            let page = client.get(&path).await;
            assert_eq!(page.status, 200, "{page:?}");
            let items: Vec<Value> = serde_json::from_str(&page.body).unwrap();
            found.extend(items);
            match next(&page) {
                Some(next) => path = next,
                None => return found,
            }
        }
    };
    let shipped = list(TEMPLATES).await;
    assert!(shipped.iter().all(|t| t["is_shipped"] == true));
    let names: Vec<_> = shipped
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert!(names.is_sorted() && names.contains(&"slack"), "{names:?}");
    assert_eq!(list(&format!("{TEMPLATES}?limit=2")).await, shipped);

    let slack = format!("{TEMPLATES}slack");
    let refused = client.send("DELETE", &slack, &[], "").await;
    assert_eq!(problem(&refused).0, 404);
    let own = json!({"name": "slack", "settings": {"retry_count": 1}});
    assert_eq!(client.post(TEMPLATES, &own).await.status, 201);
    assert_eq!(parse(&client.get(&slack).await)["is_shipped"], false);
    assert_eq!(
        list(&format!("{TEMPLATES}?limit=3")).await.len(),
        shipped.len()
    );
}

#[tokio::test]
async fn what_is_no_template_is_refused() {
    let scene = Scene::set("api_bad_templates").await;
    let client = scene.manager(scene.db.tenant()).await;
    for body in [
        json!({"name": "x"}),
        json!({"name": "x", "settings": []}),
        json!({"name": "x", "settings": {"colour": "red"}}),
        json!({"name": "x", "settings": {"auth_config": {"api_key": "hush"}}}),
        json!({"name": "x", "settings": {}, "tenant_id": scene.db.tenant()}),
        json!({"name": "x".repeat(101), "settings": {}}),
        json!({"name": "", "settings": {}}),
        json!({"name": "..", "settings": {}}),
    ] {
        let refused = client.post(TEMPLATES, &body).await;
        assert_eq!(problem(&refused).0, 400, "{body}: {refused:?}");
    }
}
