use serde_json::{Value, json};

use crate::scene::{SUBSCRIPTIONS, Scene, parse, problem};

#[tokio::test]
async fn an_export_is_imported_after_a_preview() {
    let scene = Scene::set("api_transfer").await;
    let client = scene.manager(scene.db.tenant()).await;
    for name in ["a", "b"] {
        client.subscribe(name, "https://x.example/").await;
    }
    let exported = client.get(&format!("{SUBSCRIPTIONS}export")).await;
    assert_eq!(exported.status, 200, "{exported:?}");
    let mut subscriptions = parse(&exported);
    assert_eq!(subscriptions.as_array().unwrap().len(), 2);

    let other = scene.manager(scene.db.tenant()).await;
    other.subscribe("a", "https://other.example/").await;
    let import = format!("{SUBSCRIPTIONS}import");
    let preview = format!("{import}?dry_run=true");
    let actions = |answer: &Value| -> Vec<String> {
        let items = answer.as_array().unwrap().iter();
        items
            .map(|item| item["action"].as_str().unwrap().to_owned())
            .collect()
    };
    let previewed = other.post(&preview, &subscriptions).await;
    assert_eq!(previewed.status, 200, "{previewed:?}");
    let previewed = parse(&previewed);
    assert_eq!(actions(&previewed), ["updated", "created"]);
    assert_eq!(
        previewed[0]["before"]["webhook_url"],
        "https://other.example/"
    );
    assert_eq!(
        parse(&other.get(SUBSCRIPTIONS).await)
            .as_array()
            .unwrap()
            .len(),
        1
    );

    let imported = other.post(&import, &subscriptions).await;
    assert_eq!(actions(&parse(&imported)), ["updated", "created"]);
    let again = other.post(&import, &subscriptions).await;
    assert_eq!(actions(&parse(&again)), ["unchanged", "unchanged"]);

    // One that does not fit: none is imported, and a preview says which.
    subscriptions[1]["retry_count"] = json!(-1);
    subscriptions[0]["retry_count"] = json!(1);
    let refused = other.post(&import, &subscriptions).await;
    assert_eq!(problem(&refused).0, 400, "{refused:?}");
    assert!(refused.body.contains("retry_count"), "{refused:?}");
    let previewed = parse(&other.post(&preview, &subscriptions).await);
    assert_eq!(actions(&previewed), ["updated", "invalid"]);
    for body in [json!({}), json!("x")] {
        assert_eq!(problem(&other.post(&import, &body).await).0, 400);
    }
    assert_eq!(problem(&other.send("POST", &import, &[], "").await).0, 400);
}
