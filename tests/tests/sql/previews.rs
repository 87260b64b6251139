//! `preview_payload()`; that what it shows is what is sent is tested where it is sent (`tests/delivery/formats.rs`).

use serde_json::{Value, json};
use webhooks_tests::database::{Database, MANAGER_ROLE};

use crate::support::session::Session;
use crate::support::world::subscribe;

const SUBSCRIPTION: &str = "00000000-0000-7000-8000-00000000000a";

async fn preview(db: &Database, arguments: &str) -> Value {
    let query = format!("select * from webhooks.preview_payload({arguments})");
    db.rows(&query).await.unwrap().remove(0)
}

#[tokio::test]
async fn of_a_made_up_event_with_the_types_example() {
    let db = Database::fresh("preview_sample").await.unwrap();
    let tenant = db.tenant();
    subscribe(&db, json!({
        "id": SUBSCRIPTION, "tenant_id": tenant, "webhook_url": "https://x.example/hook", "webhook_method": "PUT",
        "subscribed_events": ["job.*", "document.processed"], "webhook_headers": {"x-key": "hush"},
        "auth_type": "api_key", "auth_config": {"api_key": "hush", "header": "X-Api-Key"},
    })).await;
    let shown = preview(&db, &format!("'{SUBSCRIPTION}'")).await;
    assert!(!shown.to_string().contains("hush"), "{shown}");
    assert_eq!(shown["method"], "PUT");
    assert_eq!(shown["url"], "https://x.example/hook");
    let expected = json!({
        "content-type": "application/json", "x-key": "***", "x-api-key": "***", "webhook-id": "00000000-0000-7000-8000-000000000001",
        "webhook-timestamp": "...", "x-webhook-delivery-id": "...", "x-webhook-attempt": "1", "x-webhook-event-type": "document.processed",
    });
    assert_eq!(shown["headers"], expected);
    let body: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["tenant_id"], json!(tenant));
    assert_eq!(body["data"]["filename"], "invoice-2026-031.pdf");
    // Of a type that is asked for, subscribed or not.
    let shown = preview(
        &db,
        &format!("'{SUBSCRIPTION}', event_type => 'user.login'"),
    )
    .await;
    let body: Value = serde_json::from_str(shown["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["data"]["email"], "ada@example.com");

    let session = Session::open(&db).await;
    session
        .run("insert into webhooks.event_types (name, category) values ('a.plain', 'a');
              update webhooks.webhook_subscriptions set subscribed_events = '[\"a.*\"]', payload_format = 'cloudevents-binary'")
        .await;
    let shown = preview(&db, &format!("'{SUBSCRIPTION}'")).await;
    assert_eq!(shown["body"], "{}");
    assert_eq!(shown["headers"]["ce-type"], "a.plain");
    for (arguments, message) in [
        ("webhooks.uuid_v7()".to_owned(), "there is no subscription"),
        ("null".to_owned(), "there is no subscription null"),
        (
            format!("'{SUBSCRIPTION}', webhooks.uuid_v7()"),
            "there is no event ",
        ),
        (
            format!("'{SUBSCRIPTION}', event_type => 'no.such'"),
            "there is no event type \"no.such\"",
        ),
    ] {
        let refusal = session
            .refused(&format!("select webhooks.preview_payload({arguments})"))
            .await;
        assert_eq!(refusal.code, "42704", "{refusal:?}");
        assert!(refusal.message.starts_with(message), "{refusal:?}");
        assert!(!refusal.hint.is_empty(), "{refusal:?}");
    }
}

/// Every shipped type has an example, and one that a DBA changed is dumped with it.
#[tokio::test]
async fn the_standard_types_have_examples() {
    let db = Database::fresh("examples").await.unwrap();
    let session = Session::open(&db).await;
    let examples = "select count(*), count(distinct example) from webhooks.event_type_catalogue where jsonb_typeof(example) = 'object'";
    // Those of the specification, and those that the system publishes itself.
    assert_eq!(session.text(examples).await, "21|21");
    session
        .run("select webhooks.register_event_type('job.failed', example => '{}')")
        .await;
    let own = "select string_agg(name, ' ') from webhooks_private.event_type_versions where not is_builtin";
    assert_eq!(session.text(own).await, "job.failed");
}

#[tokio::test]
async fn by_a_manager_of_its_own_and_with_the_template_s_error() {
    let db = Database::fresh("preview_manager").await.unwrap();
    let tenant = db.tenant();
    subscribe(&db, json!({
        "id": SUBSCRIPTION, "tenant_id": tenant, "webhook_url": "https://x.example/hook", "subscribed_events": ["job.failed"],
        "auth_type": "signature", "auth_config": {"secret": "whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0"},
        "payload_template": "{\"text\": \"{{ data.error }}\"}",
    })).await;
    let event = db
        .publish(tenant, "job.failed", json!({"reason": "x"}))
        .await
        .unwrap();
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(&format!(
            "select webhooks.set_tenant('{tenant}', for_session => true)"
        ))
        .await;
    let query = format!(
        "select headers ->> 'webhook-signature', body from webhooks.preview_payload('{SUBSCRIPTION}')"
    );
    assert_eq!(
        manager.text(&query).await,
        r#"***|{"text": "the storage is full"}"#
    );
    let refusal = manager
        .refused(&format!(
            "select webhooks.preview_payload('{SUBSCRIPTION}', '{event}')"
        ))
        .await;
    assert_eq!(refusal.code, "22023", "{refusal:?}");
    assert_eq!(
        refusal.message,
        "invalid payload_template: with an event of type job.failed: line 1: undefined value"
    );
    assert!(refusal.hint.contains("default("), "{refusal:?}");
}
