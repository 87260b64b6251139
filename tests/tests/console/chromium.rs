//! Chromium looks at every page: `tests/browser/pages.py`.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use webhooks_tests::environment::{Browser, browser};
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::scene::Scene;

/// Text that does harm where it is not shown as text.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

const OF_A_TENANT: [(&str, &str); 8] = [
    ("overview", ""),
    ("subscriptions", "/subscriptions"),
    ("new-subscription", "/subscriptions/new"),
    ("events", "/events"),
    ("deliveries", "/deliveries"),
    ("recover", "/recover"),
    ("event-types", "/event-types"),
    ("templates", "/templates"),
];
const OF_OPERATORS: [(&str, &str); 6] = [
    ("tenants", "/operator/tenants"),
    ("queue", "/operator/queue"),
    ("sidecars", "/operator/sidecars"),
    ("alerts", "/operator/alerts"),
    ("doctor", "/operator/doctor"),
    ("settings", "/operator/settings"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_is_usable_by_everybody() {
    let Some(Browser { chromium, packages }) = browser() else {
        eprintln!(
            "no Chromium on this machine: install it (Debian: apt-get install chromium) to look at the pages"
        );
        return;
    };
    let scene = Scene::set("browser").await;
    let tenant = scene.db.tenant();
    let receiver = Receiver::start().unwrap();
    receiver.on("/ok", Reply::ok());
    receiver.on("/failing", Reply::status(503).body(HOSTILE));
    let _sidecar = Sidecar::start(&scene.db).await.unwrap();
    let manager = scene.manager(tenant).await;
    let subscription = manager.subscribe("Billing", &receiver.url("/ok")).await;
    manager.subscribe(HOSTILE, &receiver.url("/failing")).await;
    let mut event = None;
    for n in 0..30 {
        let data = json!({"n": n, "note": HOSTILE});
        event = Some(scene.db.publish(tenant, "job.created", data).await.unwrap());
    }
    let event = event.unwrap();
    // Until its circuit breaker opens, the other one has some, too.
    let delivered =
        "select count(*) from webhooks.delivery_attempts where delivery_status = 'delivered'";
    scene.db.wait_value(delivered, "30").await.unwrap();
    let delivery =
        "select id from webhooks.webhook_delivery_logs where delivery_status = 'retrying' limit 1";
    let is_there = format!("select exists ({delivery})");
    scene.db.wait_value(&is_there, "true").await.unwrap();
    let delivery = scene.db.value(delivery).await.unwrap().unwrap();

    let of_tenant = |path: &str| format!("/t/{tenant}{path}");
    let mut pages: Vec<Value> = OF_A_TENANT
        .iter()
        .map(|(name, path)| json!([name, of_tenant(path)]))
        .collect();
    for (name, path) in [
        ("subscription", format!("/subscriptions/{subscription}")),
        ("event", format!("/events/{event}")),
        ("delivery", format!("/deliveries/{delivery}")),
        ("audit", "/audit".to_owned()),
    ] {
        pages.push(json!([name, of_tenant(&path)]));
    }
    let link = format!(
        "select webhooks.create_portal_link('{tenant}', array_agg(scope), '1 hour')
         from webhooks_private.access_scopes() where scope not like 'operator:%'"
    );
    let token = "select webhooks.create_access_token(null, array_agg(scope), '1 hour', 'operator')
        from webhooks_private.access_scopes()";
    let input = json!({
        "base": format!("http://{}", scene.console.address()),
        "chromium": chromium,
        "screenshots": screenshots(),
        "sessions": [
            {"name": "customer", "link": scene.db.value(&link).await.unwrap(), "pages": pages},
            {"name": "operator", "token": scene.db.value(token).await.unwrap(), "pages": OF_OPERATORS},
        ],
    });
    let faults = look(&input, &packages).await;
    assert!(faults.is_empty(), "{faults}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where people look at them afterwards.
fn screenshots() -> String {
    let programs = webhooks_tests::environment::console_program().unwrap();
    let target = programs.ancestors().nth(2).unwrap();
    target.join("screenshots").to_string_lossy().into_owned()
}

/// Runs the browser.
///
/// Returns: what it found.
async fn look(input: &Value, packages: &Path) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input.to_string()).unwrap();
    let mut command = Command::new("python3");
    command
        .arg(root().join("tests/browser/pages.py"))
        .arg(file.path())
        .env("PYTHONPATH", packages)
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let found = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || !found.is_empty(), "{errors}");
    found
}
