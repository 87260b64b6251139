use serde_json::{Value, json};

use crate::scene::{SUBSCRIPTIONS, Scene, next, parse, problem};

const AUDIT: &str = "/api/audit-log/";

#[tokio::test]
async fn a_tenant_reads_what_was_changed_of_its_own() {
    let scene = Scene::set("api_audit_log").await;
    let tenant = scene.db.tenant();
    let client = scene.manager(tenant).await;
    let id = client.subscribe("a", "https://x.example/").await;
    let path = format!("{SUBSCRIPTIONS}{id}");
    let headers = [("x-request-id", "req-1")];
    let changed = client
        .send("PATCH", &path, &headers, r#"{"retry_count": 1}"#)
        .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    scene
        .manager(scene.db.tenant())
        .await
        .subscribe("theirs", "https://x.example/")
        .await;

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
    let all = list(AUDIT).await;
    let what: Vec<_> = all
        .iter()
        .map(|entry| format!("{} {}", entry["object_type"], entry["action"]).replace('"', ""))
        .collect();
    assert_eq!(
        what,
        [
            "subscription updated",
            "subscription created",
            "access_token created"
        ]
    );
    assert_eq!(all[0]["request_id"], "req-1");
    assert_eq!(all[0]["before"], json!({"retry_count": 3}));
    assert_eq!(all[0]["after"], json!({"retry_count": 1}));
    // Who is logged in to the database is none of a tenant's business.
    for hidden in ["session_role", "client_address"] {
        assert_eq!(all[0].get(hidden), None);
    }
    assert_eq!(list(&format!("{AUDIT}?limit=1")).await, all);
    let of_one = format!("{AUDIT}?object_type=subscription&object_id={id}&limit=1");
    assert_eq!(list(&of_one).await, all[..2]);
    assert!(list(&format!("{AUDIT}?until=yesterday")).await.is_empty());
    for query in ["since=then", "limit=201", "cursor=x", "tenant_id=x"] {
        let refused = client.get(&format!("{AUDIT}?{query}")).await;
        assert_eq!(problem(&refused).0, 400, "{query}: {refused:?}");
    }
    let unchanged = parse(&client.get(AUDIT).await);
    assert_eq!(unchanged.as_array().unwrap().len(), 3);
}
