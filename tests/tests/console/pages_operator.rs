//! Pages of event types and of the audit log, and pages of operators.

use serde_json::json;
use webhooks_tests::sidecar::Sidecar;

use crate::browser::Browser;
use crate::scene::Scene;

#[tokio::test]
async fn event_types_show_versions_subscriptions_and_volume() {
    let scene = Scene::set("page_types").await;
    let tenant = scene.db.tenant();
    scene
        .db
        .execute(
            "select webhooks.register_event_type('order.placed', 'order', 'An <i>order</i>', '1.0',
                 '{\"type\": \"object\", \"required\": [\"n\"]}', '{\"n\": 12.50}');
             select webhooks.register_event_type('order.placed', 'order', 'An <i>order</i>', '2.0', null, null);
             select webhooks.deprecate_event_type('order.placed', 'use 2.0', '1.0')",
        )
        .await
        .unwrap();
    let columns = json!({"tenant_id": tenant, "name": "Orders & more", "webhook_url": "https://x.example/", "subscribed_events": ["order.*"]});
    scene.db.subscribe(columns).await.unwrap();
    let publish = format!(
        "select webhooks.publish_event('{tenant}', 'order.placed', event_data => '{{\"total\": 1}}') from generate_series(1, 7)"
    );
    scene.db.execute(&publish).await.unwrap();
    let mut browser = Browser::new(&scene);
    let scopes = "metrics:read,events:read,webhook_subscriptions:read";
    let token = scene.client(Some(tenant), scopes).await.token;
    browser.log_in(&token).await;
    let list = browser.get(&format!("/t/{tenant}/event-types")).await;
    assert_eq!(list.status, 200, "{list:?}");
    for text in [
        "order.placed",
        "An &lt;i&gt;order&lt;/i&gt;",
        "document.uploaded",
    ] {
        assert!(list.body.contains(text), "{text}: {list:?}");
    }
    let volume = format!("href=\"/t/{tenant}/events?type=order.placed\">7</a>");
    assert!(list.body.contains(&volume), "{list:?}");
    let one = browser
        .get(&format!("/t/{tenant}/event-types/order.placed"))
        .await;
    for text in [
        "Version 2.0, current",
        "Version 1.0, deprecated",
        "use 2.0",
        "&quot;required&quot;",
        "12.50",
        "Orders &amp; more",
        "7 in the last 7 days",
    ] {
        assert!(one.body.contains(text), "{text}: {one:?}");
    }
    assert!(!one.body.contains("<i>order"), "{one:?}");
}

#[tokio::test]
async fn the_audit_log_has_before_and_after_side_by_side_in_pages() {
    let scene = Scene::set("page_audit").await;
    let tenant = scene.db.tenant();
    let columns =
        json!({"tenant_id": tenant, "name": "before <b>", "webhook_url": "https://x.example/"});
    let id = scene.db.subscribe(columns).await.unwrap();
    scene
        .db
        .execute(&format!(
            "update webhooks.webhook_subscriptions set name = 'after <b>' where id = '{id}'"
        ))
        .await
        .unwrap();
    for n in 0..60 {
        let rename = format!(
            "update webhooks.webhook_subscriptions set description = 'd{n}' where id = '{id}'"
        );
        scene.db.execute(&rename).await.unwrap();
    }
    let mut browser = Browser::new(&scene);
    let token = scene
        .client(Some(tenant), "metrics:read,audit:read")
        .await
        .token;
    browser.log_in(&token).await;
    let list = format!("/t/{tenant}/audit?object_type=subscription&object_id={id}");
    let first = browser.get(&list).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert!(
        first
            .body
            .contains("<td class=\"wide mono\">d58</td><td class=\"wide mono\">d59</td>"),
        "{first:?}"
    );
    let (before, _) = first.body.split_once("\" rel=\"next\"").unwrap();
    let (_, next) = before.rsplit_once("href=\"").unwrap();
    let second = browser.get(&next.replace("&amp;", "&")).await;
    for text in ["before &lt;b&gt;", "after &lt;b&gt;", "created"] {
        assert!(second.body.contains(text), "{text}: {second:?}");
    }
    assert!(!second.body.contains("rel=\"next\""), "{second:?}");
    // Events are not for this session.
    for page in ["events", "deliveries", "recover", "search?q=x"] {
        let refused = browser.get(&format!("/t/{tenant}/{page}")).await;
        assert_eq!(refused.status, 403, "{page}: {refused:?}");
    }
}

#[tokio::test]
async fn operators_see_states_of_all_tenants() {
    let scene = Scene::set("page_operator").await;
    let (tenant, other) = (scene.db.tenant(), scene.db.tenant());
    for t in [tenant, other] {
        let columns =
            json!({"tenant_id": t, "webhook_url": "https://x.example/", "is_enabled": t == tenant});
        scene.db.subscribe(columns).await.unwrap();
        scene
            .db
            .publish(t, "job.created", json!({"x": "confidential"}))
            .await
            .unwrap();
    }
    let limits = format!("select webhooks.set_tenant_limits('{tenant}', max_subscriptions => 7)");
    scene.db.execute(&limits).await.unwrap();
    scene
        .db
        .execute("select webhooks.set_setting('event_retention_days', 90)")
        .await
        .unwrap();
    let mut operator = Browser::new(&scene);
    let token = scene.client(None, "metrics:read,operator:read").await.token;
    operator.log_in(&token).await;
    let (first, second) = (tenant.to_string(), other.to_string());
    let pages: [(&str, &[&str]); 6] = [
        ("tenants", &[&first, &second, "1 of 7", "no limit"]),
        ("queue", &["shards without owner", "none"]),
        ("sidecars", &["No sidecar runs for this database"]),
        ("alerts", &["What fires", "no_sidecar", "delivery_overdue"]),
        (
            "doctor",
            &[
                "no sidecar runs for this database",
                "Start webhooks-sidecar",
            ],
        ),
        (
            "settings",
            &["event_retention_days", "90 days", "changed", "0 to 7,300"],
        ),
    ];
    for (name, texts) in pages {
        let page = operator.get(&format!("/operator/{name}")).await;
        assert_eq!(page.status, 200, "{name}: {page:?}");
        for text in texts {
            assert!(page.body.contains(text), "{name}: {text}: {page:?}");
        }
        assert!(!page.body.contains("confidential"), "{page:?}");
    }
    let sidecar = Sidecar::start(&scene.db).await.unwrap();
    let owned = "select count(*) from webhooks.queue_status() where owner_pid is null";
    scene.db.wait_value(owned, "0").await.unwrap();
    let page = operator.get("/operator/sidecars").await;
    let version = concat!("<td>", env!("CARGO_PKG_VERSION"), "</td>");
    for part in ["webhooks-sidecar owner", version] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    assert!(!page.body.contains("No sidecar runs"), "{page:?}");
    drop(sidecar);

    // A tenant's session has none of them.
    let mut customer = Browser::new(&scene);
    let token = scene.client(Some(tenant), "metrics:read").await.token;
    customer.log_in(&token).await;
    for (name, _) in pages {
        let refused = customer.get(&format!("/operator/{name}")).await;
        assert_eq!(refused.status, 403, "{name}: {refused:?}");
        assert!(!refused.body.contains(&other.to_string()), "{refused:?}");
    }
    let own = customer.get(&format!("/t/{tenant}")).await;
    assert!(!own.body.contains("/operator/"), "{own:?}");
}
