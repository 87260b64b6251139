//! The overview: numbers lead to the rows behind them, and what needs attention can be acted upon.

use serde_json::json;

use crate::scene::{ALL_SCOPES, Scene};
use crate::visit::Visit;

#[tokio::test]
async fn an_overview_leads_to_what_it_counts_and_to_what_needs_attention() {
    let scene = Scene::set("page_overview").await;
    let tenant = scene.db.tenant();
    let columns = |name: &str| json!({"tenant_id": tenant, "name": name, "webhook_url": "https://hooks.acme.test/secret"});
    let open = scene.db.subscribe(columns("Billing <b>")).await.unwrap();
    let gone = scene.db.subscribe(columns("Legacy CRM")).await.unwrap();
    scene
        .db
        .execute(&format!(
            "insert into webhooks_private.subscription_breakers
                 (subscription_id, state, since, probe_at, failing_since, last_error)
             values ('{open}', 'open', now(), now() + interval '1 hour', now() - interval '1 hour', 'HTTP status 503');
             update webhooks.webhook_subscriptions set is_enabled = false, disabled_reason = 'HTTP status 410'
             where id = '{gone}'"
        ))
        .await
        .unwrap();
    let published = scene.db.publish(tenant, "job.created", json!({}));
    published.await.unwrap();

    let mut customer = Visit::of_manager(&scene, tenant).await;
    let page = customer.page("").await;
    let deliveries = format!("href=\"/t/{tenant}/deliveries?status=");
    for part in [
        &format!("{deliveries}delivered\""),
        &format!("{deliveries}pending%2Cretrying\""),
        "failing endpoints</dt><dd><a href=\"#attention\">2</a>",
        "circuit breaker open",
        "Billing &lt;b&gt;",
        "hooks.acme.test",
        "disabled: HTTP status 410",
        "Probe now",
        "Enable",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for part in ["/operator/", "secret", "<b>"] {
        assert!(!page.contains(part), "{part}: {page}");
    }
    let done = customer
        .follow(&format!("/subscriptions/{open}/reset-breaker"), &[])
        .await;
    assert!(done.contains("The circuit breaker is closed"), "{done}");
    let page = customer.page("").await;
    assert!(!page.contains("Probe now"), "{page}");

    // Nobody has evaluated alerts here, which is one.
    let scopes = format!("{ALL_SCOPES},operator:read");
    let token = scene.client(None, &scopes).await.token;
    let mut operator = Visit::with(&scene, tenant, &token).await;
    let page = operator.page("").await;
    for part in [
        "alerts</dt><dd><a href=\"/operator/alerts\">1</a>",
        "not_evaluated",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    // Who may not see deliveries has numbers without links.
    let mut metrics = Visit::begin(&scene, tenant, "metrics:read").await;
    let page = metrics.page("").await;
    assert!(!page.contains("/deliveries"), "{page}");
    assert!(!page.contains("Billing"), "{page}");
}
