//! Chromium looks at every page: `tests/browser/pages.py`. `chromium_actions` has what people do.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use uuid::Uuid;
use webhooks_tests::environment::{Browser, browser};
use webhooks_tests::receiver::{Receiver, Reply};
use webhooks_tests::sidecar::Sidecar;

use crate::page_list::{Ids, Page, hour_ago, of_operators};
use crate::scene::Scene;

/// Text that does harm where it is not shown as text.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

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

    let ids = Ids {
        tenant,
        test: test(&scene, &subscription).await,
        subscription,
        event: event.to_string(),
        cancelled: delivery.clone(),
        hour_ago: hour_ago(&scene).await,
        delivery,
    };
    let [link, token] = entrances(&scene, tenant).await;
    let input = json!({
        "base": format!("http://{}", scene.console.address()),
        "chromium": chromium,
        "screenshots": screenshots(),
        "sessions": [
            {"name": "customer", "link": link, "pages": shown(ids.pages())},
            {"name": "operator", "token": token, "pages": shown(of_operators())},
        ],
    });
    let faults = look("pages.py", &input, &packages).await;
    assert!(faults.is_empty(), "{faults}");
}

/// What is shown of pages: their names, paths and statuses.
fn shown(pages: Vec<Page>) -> Value {
    let pages = pages.into_iter();
    pages
        .map(|page| json!([page.name, page.path, page.status]))
        .collect()
}

/// A portal link for a customer and a token of an operator, who may do everything.
pub async fn entrances(scene: &Scene, tenant: Uuid) -> [String; 2] {
    let link = format!(
        "select webhooks.create_portal_link('{tenant}', array_agg(scope), '1 hour')
         from webhooks_private.access_scopes() where scope not like 'operator:%'"
    );
    let token = "select webhooks.create_access_token(null, array_agg(scope), '1 hour', 'operator')
        from webhooks_private.access_scopes()";
    let link = scene.db.value(&link).await.unwrap().unwrap();
    [link, scene.db.value(token).await.unwrap().unwrap()]
}

/// A test of a subscription, which has its answer.
async fn test(scene: &Scene, subscription: &str) -> String {
    let send = format!("select webhooks.test_subscription('{subscription}')");
    let id = scene.db.value(&send).await.unwrap().unwrap();
    let answered =
        format!("select count(*) from webhooks.delivery_attempts where delivery_id = '{id}'");
    scene.db.wait_value(&answered, "1").await.unwrap();
    id
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Where people look at them afterwards.
pub fn screenshots() -> String {
    let programs = webhooks_tests::environment::console_program().unwrap();
    let target = programs.ancestors().nth(2).unwrap();
    target.join("screenshots").to_string_lossy().into_owned()
}

/// Runs the browser.
///
/// Returns: what it found.
pub async fn look(script: &str, input: &Value, packages: &Path) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), input.to_string()).unwrap();
    let mut command = Command::new("python3");
    command
        .arg(root().join("tests/browser").join(script))
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
