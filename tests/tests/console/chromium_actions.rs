//! What people do with pages, by clicks in Chromium: `tests/browser/actions.py`. As an operator and as a customer of the
//! portal.

use serde_json::json;
use webhooks_tests::environment::{Browser, browser};
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::chromium::{entrances, look, screenshots};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_do_by_clicks_what_the_specification_lists() {
    let Some(Browser { chromium, packages }) = browser() else {
        eprintln!("no Chromium on this machine: install it to click through the pages");
        return;
    };
    let scene = Scene::set("browser_actions").await;
    let tenant = scene.db.tenant();
    let receiver = Receiver::start().unwrap();
    receiver.on("/clicked", Reply::ok());
    receiver.on("/refuses", Reply::status(400));
    receiver.on("/fails", Reply::status(503));
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let subscribe = |name: &str, path: &str, retries: i32| {
        let columns = json!({
            "tenant_id": tenant, "name": name, "webhook_url": receiver.url(path), "subscribed_events": ["job.created"],
            "retry_count": retries, "retry_delay_seconds": 3600
        });
        scene.db.subscribe(columns)
    };
    let subscription = subscribe("Refuses", "/refuses", 0).await.unwrap();
    subscribe("Fails", "/fails", 5).await.unwrap();
    let mut event = None;
    for n in 0..2 {
        let data = json!({"n": n});
        event = Some(scene.db.publish(tenant, "job.created", data).await.unwrap());
    }
    let ended = "select count(*) from webhooks.webhook_delivery_logs where delivery_status in ('failed', 'retrying')";
    scene.db.wait_value(ended, "4").await.unwrap();
    let failed = "select string_agg(id::text, ',') from webhooks.webhook_delivery_logs where delivery_status = 'failed'";
    let failed = scene.db.value(failed).await.unwrap().unwrap();
    let [first, second] = failed.split_once(',').map(|(a, b)| [a, b]).unwrap();
    let [link, token] = entrances(&scene, tenant).await;
    let input = json!({
        "base": format!("http://{}", scene.console.address()),
        "chromium": chromium,
        "screenshots": screenshots(),
        "tenant": tenant,
        "receiver": receiver.url("/clicked"),
        "event": event,
        "subscription": subscription,
        "sessions": [
            {"name": "customer", "link": link, "delivery": first},
            {"name": "operator", "token": token, "delivery": second},
        ],
    });
    let faults = look("actions.py", &input, &packages).await;
    assert!(faults.is_empty(), "{faults}");
    // The example was changed before it was sent.
    let sent = receiver.requests();
    for who in ["customer subscription", "operator subscription"] {
        let data = format!("\"clicked\":\"{who}\"");
        let is_sent = sent.iter().any(|request| {
            let body = String::from_utf8_lossy(&request.body).replace(": ", ":");
            body.contains(&data)
        });
        assert!(is_sent, "{who}: {sent:?}");
    }
    let left = "select count(*) from webhooks.webhook_subscriptions where name like 'Clicked%'";
    assert_eq!(scene.db.value(left).await.unwrap().unwrap(), "0");
}
