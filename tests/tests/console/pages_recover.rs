//! Recovery of one type of events.

use serde_json::json;
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::Scene;
use crate::visit::Visit;

#[tokio::test]
async fn a_recovery_is_of_the_type_that_was_chosen() {
    let scene = Scene::set("page_recover_type").await;
    let tenant = scene.db.tenant();
    let receiver = Receiver::start().unwrap();
    receiver.on("/hook", Reply::status(400));
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let columns = json!({
        "tenant_id": tenant, "name": "Billing", "webhook_url": receiver.url("/hook"), "retry_count": 0,
        "subscribed_events": ["job.created", "document.uploaded"]
    });
    scene.db.subscribe(columns).await.unwrap();
    for (event_type, n) in [
        ("job.created", 2),
        ("document.uploaded", 1),
        ("job.completed", 1),
        ("document.processed", 3),
    ] {
        for _ in 0..n {
            let published = scene.db.publish(tenant, event_type, json!({}));
            published.await.unwrap();
        }
    }
    let failed =
        "select count(*) from webhooks.webhook_delivery_logs where delivery_status = 'failed'";
    scene.db.wait_value(failed, "3").await.unwrap();
    let mut visit = Visit::of_manager(&scene, tenant).await;
    let until = "to=2100-01-01T00:00:00";
    for (chosen, made) in [
        ("", Some("3 deliveries are made again")),
        ("job.created", Some("2 deliveries are made again")),
        ("job.*", Some("2 deliveries are made again")),
        ("document.uploaded", Some("1 delivery is made again")),
        ("job.completed", None),
    ] {
        let page = visit
            .page(&format!("/recover?what=failed&type={chosen}&{until}"))
            .await;
        match made {
            Some(sentence) => assert!(page.contains(sentence), "{chosen}: {page}"),
            None => assert!(page.contains("There is nothing to make again"), "{page}"),
        }
        let sample = page.matches("HTTP status 400").count();
        let expected = made.map_or(0, |sentence| sentence[..1].parse().unwrap());
        assert_eq!(sample, expected, "{chosen}: {page}");
    }
    for (chosen, found) in [("", 4), ("job.*", 1), ("document.processed", 3)] {
        let page = visit
            .page(&format!("/recover?what=unmatched&type={chosen}&{until}"))
            .await;
        assert!(
            page.contains(&format!("<dd>{found}</dd>")),
            "{chosen}: {page}"
        );
    }
    receiver.on("/hook", Reply::ok());
    let fields = |what: &'static str, event_type: &'static str| {
        [
            ("what", what),
            ("type", event_type),
            ("from", "2020-01-01T00:00:00"),
            ("to", "2100-01-01T00:00:00"),
        ]
    };
    let done = visit
        .follow("/recover", &fields("failed", "document.uploaded"))
        .await;
    assert!(done.contains("1 delivery is made again."), "{done}");
    let again = "select string_agg(distinct e.event_type, ',') || count(*)
        from webhooks.redeliveries r join webhooks.event_logs e on e.id = r.event_log_id";
    assert_eq!(
        scene.db.value(again).await.unwrap().unwrap(),
        "document.uploaded1"
    );
    // What matches by now.
    let all = "update webhooks.webhook_subscriptions set subscribed_events = '[\"*\"]'";
    scene.db.execute(all).await.unwrap();
    let done = visit
        .follow("/recover", &fields("unmatched", "document.processed"))
        .await;
    assert!(done.contains("3 deliveries are made again."), "{done}");
}
