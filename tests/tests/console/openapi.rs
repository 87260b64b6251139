use serde_json::Value;

use crate::scene::{ALL_SCOPES, Scene, parse, problem};

const DOCUMENT: &str = "/api/openapi.json";

#[tokio::test]
async fn the_description_has_the_webhooks_of_who_may_read_them() {
    let scene = Scene::set("api_openapi").await;
    let register = r#"select webhooks.register_event_type('order.placed', 'order', schema => '{"type": "object", "properties": {"total": {"type": "number"}}}')"#;
    scene.db.execute(register).await.unwrap();
    let (status, document) = scene.console.get(DOCUMENT).await.unwrap();
    let public: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(status, 200);
    assert_eq!(public["openapi"], "3.1.0");
    assert_eq!(public.get("webhooks"), None);

    let client = scene.client(Some(scene.db.tenant()), "events:read").await;
    let mut described = parse(&client.get(DOCUMENT).await);
    let data =
        "/webhooks/order.placed/post/requestBody/content/application~1json/schema/properties/data";
    assert_eq!(
        described.pointer(data).unwrap()["properties"]["total"]["type"],
        "number"
    );
    let shipped = described["webhooks"].as_object().unwrap();
    assert!(shipped.contains_key("document.uploaded"));
    described.as_object_mut().unwrap().remove("webhooks");
    assert_eq!(described, public);

    let without = ALL_SCOPES.replace("events:read,", "");
    let without = scene.client(Some(scene.db.tenant()), &without).await;
    assert_eq!(problem(&without.get(DOCUMENT).await).0, 403);
    let headers = [("authorization", "Bearer whtok_wrong")];
    let refused = scene.console.send("GET", DOCUMENT, &headers, "");
    assert_eq!(problem(&refused.await.unwrap()).0, 401);
}

/// Each path and method of the description is one that is answered: without a token with 401, and not with 404 or 405.
#[tokio::test]
async fn what_is_described_is_there() {
    let scene = Scene::set("api_described").await;
    let (_, document) = scene.console.get(DOCUMENT).await.unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        let id = "00000000-0000-7000-8000-000000000001";
        let path = path
            .replace("{id}", id)
            .replace("{delivery_id}", id)
            .replace("{name}", "x");
        for method in item.as_object().unwrap().keys() {
            let method = method.to_uppercase();
            let answer = scene.console.send(&method, &path, &[], "");
            assert_eq!(answer.await.unwrap().status, 401, "{method} {path}");
            operations += 1;
        }
    }
    assert!(operations > 30, "{operations}");
}
