//! Values of a subscription's columns, and their effects.

mod invalid;

use serde_json::{Value, json};

use crate::support::listener::Listener;
use crate::support::session::{Session, literal};
use crate::support::world::{TENANT, database, publish_many};

const SECRET: &str = "whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0";
const ROUTES: &str = "select pattern, environment, filters, filter_jsonpath from webhooks_private.subscription_routes order by pattern";

/// A valid subscription with a secret in it, but for these columns.
fn insert(columns: &Value) -> String {
    let mut row = json!({
        "tenant_id": TENANT, "name": "it", "webhook_url": "https://x.example/", "auth_type": "signature",
        "auth_config": {"secret": SECRET}, "webhook_headers": {"x-key": SECRET}
    });
    let row_columns = row.as_object_mut().unwrap();
    row_columns.extend(columns.as_object().unwrap().clone());
    let names: Vec<_> = row_columns.keys().cloned().collect();
    let names = names.join(", ");
    let row = literal(&row.to_string());
    format!(
        "insert into webhooks.webhook_subscriptions ({names}) select {names}
         from jsonb_populate_record(null::webhooks.webhook_subscriptions, {row})"
    )
}

#[tokio::test]
async fn values_that_the_specification_allows_are_taken() {
    let (_db, session) = database("valid").await;
    for columns in [
        json!({}),
        json!({"auth_type": null, "auth_config": null, "webhook_headers": null, "template_secrets": null, "webhook_method": null,
               "event_filters": null, "retry_count": null, "retry_delay_seconds": null, "timeout_seconds": null,
               "max_payload_size_kb": null, "is_active": null, "is_enabled": null}),
        json!({"retry_count": 0, "retry_delay_seconds": 0, "timeout_seconds": 1, "max_payload_size_kb": 1, "max_in_flight": 1}),
        json!({"retry_count": 100, "retry_delay_seconds": 86400, "timeout_seconds": 300, "max_payload_size_kb": 65536, "max_in_flight": 1000}),
        json!({"no_retry_statuses": []}),
        json!({"no_retry_statuses": [300, 599]}),
        json!({"webhook_url": "http://[2001:db8::1]:8080/a?b=c", "webhook_method": "PUT"}),
        json!({"auth_type": "api_key", "auth_config": {"api_key": "k", "header": "X-Api-Key"}}),
        json!({"subscribed_events": ["*", "job.*", "user.login"]}),
        json!({"subscribed_events": [], "event_filters": {"jsonpath": "$.\"$x\" == \"$y\" || $.a like_regex \"\\\"$\""}}),
    ] {
        session.run(&insert(&columns)).await;
    }
}

#[tokio::test]
async fn a_sidecar_loads_nulls_as_their_defaults() {
    let (_db, session) = database("load").await;
    let nulls = json!({
        "auth_type": null, "auth_config": null, "webhook_headers": null, "template_secrets": null, "webhook_method": null, "retry_count": null,
        "retry_delay_seconds": null, "timeout_seconds": null, "max_payload_size_kb": null
    });
    for columns in [
        json!({"auth_type": "none", "auth_config": {}, "webhook_headers": {}, "template_secrets": {}}),
        nulls,
    ] {
        session.run(&insert(&columns)).await;
    }
    let load = "select distinct version, webhook_url, webhook_method, webhook_headers, auth_type, auth_config, template_secrets, retry_count,
            retry_delay_seconds, timeout_seconds, max_payload_size_kb, no_retry_statuses, max_in_flight
        from webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions union select webhooks.uuid_v7()))";
    assert_eq!(
        session.lines(load).await,
        ["1|https://x.example/|POST|{}|none|{}|{}|3|60|30|1024|{410}|20"]
    );
}

#[tokio::test]
async fn versions_times_and_reasons_are_kept() {
    let (db, session) = database("versions").await;
    session.run(&insert(&json!({}))).await;
    session
        .run("update webhooks.webhook_subscriptions set updated_at = '2000-01-01', created_at = '2000-01-01'")
        .await;
    let mut sidecar = Listener::on(&db, "webhooks_changed").await;
    let state =
        "select version, updated_at = (select now()), created_at, is_enabled, disabled_reason
                 from webhooks.webhook_subscriptions";
    let id = session
        .text("select id from webhooks.webhook_subscriptions")
        .await;
    for (set, expected) in [
        ("name = name", "3|t|2000-01-01 00:00:00+00|t|null"),
        // Whatever a client writes there.
        (
            "version = 100, updated_at = '2001-01-01'",
            "4|t|2000-01-01 00:00:00+00|t|null",
        ),
        (
            "is_enabled = false, disabled_reason = 'HTTP status 410'",
            "5|t|2000-01-01 00:00:00+00|f|HTTP status 410",
        ),
        (
            "retry_count = 5",
            "6|t|2000-01-01 00:00:00+00|f|HTTP status 410",
        ),
        ("is_enabled = true", "7|t|2000-01-01 00:00:00+00|t|null"),
        (
            "is_enabled = false, disabled_reason = 'by hand'",
            "8|t|2000-01-01 00:00:00+00|f|by hand",
        ),
    ] {
        session
            .run(&format!(
                "begin; update webhooks.webhook_subscriptions set {set}"
            ))
            .await;
        assert_eq!(session.text(state).await, expected, "{set}");
        session.run("commit").await;
        // Sidecars drop what they hold of it.
        assert_eq!(sidecar.heard("webhooks_changed").await, [id.as_str()]);
    }
    for change in ["id = webhooks.uuid_v7()", "tenant_id = webhooks.uuid_v7()"] {
        let refusal = session
            .refused(&format!(
                "update webhooks.webhook_subscriptions set {change}"
            ))
            .await;
        assert_eq!(refusal.code, "22023");
        assert_eq!(
            refusal.message,
            format!("id and tenant_id of subscription {id} can't change")
        );
    }
    session
        .run("delete from webhooks.webhook_subscriptions")
        .await;
    assert_eq!(sidecar.heard("webhooks_changed").await, [id.as_str()]);
}

#[tokio::test]
async fn routes_follow_every_change() {
    let (_db, session) = database("routes").await;
    let events = json!(["user.login", "job.*", "job.created", "user.login"]);
    let columns = json!({"subscribed_events": events, "event_filters": {"resource_type": "r", "jsonpath": "$.a"}});
    session.run(&insert(&columns)).await;
    let filtered = |pattern: &str, environment: &str| {
        format!("{pattern}|{environment}|{{\"resource_type\": \"r\"}}|$.\"a\"")
    };
    let both = [
        filtered("job.*", "production"),
        filtered("user.login", "production"),
    ];
    assert_eq!(session.lines(ROUTES).await, both);
    for (set, expected) in [
        ("is_active = false", vec![]),
        ("is_enabled = null", vec![]),
        ("is_active = true", vec![]),
        ("is_enabled = true", both.to_vec()),
        (
            "environment = 'dev'",
            vec![filtered("job.*", "dev"), filtered("user.login", "dev")],
        ),
        (
            "event_filters = '{\"jsonpath\": \"$.b\"}'",
            vec![
                "job.*|dev|null|$.\"b\"".into(),
                "user.login|dev|null|$.\"b\"".into(),
            ],
        ),
        (
            "event_filters = null",
            vec![
                "job.*|dev|null|null".into(),
                "user.login|dev|null|null".into(),
            ],
        ),
        (
            "subscribed_events = '[\"job.created\", \"*\", \"job.*\"]'",
            vec!["*|dev|null|null".into()],
        ),
        ("subscribed_events = '[]'", vec![]),
        (
            "subscribed_events = '[\"job.created\", \"job.failed\"]'",
            vec![
                "job.created|dev|null|null".into(),
                "job.failed|dev|null|null".into(),
            ],
        ),
    ] {
        session
            .run(&format!("update webhooks.webhook_subscriptions set {set}"))
            .await;
        assert_eq!(session.lines(ROUTES).await, expected, "{set}");
    }
    session
        .run("begin; delete from webhooks.webhook_subscriptions; rollback")
        .await;
    assert_eq!(session.lines(ROUTES).await.len(), 2);
    session
        .run("delete from webhooks.webhook_subscriptions")
        .await;
    assert!(session.lines(ROUTES).await.is_empty());
}

/// A type may leave the catalogue while subscriptions name it: they can still be changed, but not to name it anew.
#[tokio::test]
async fn a_subscription_outlives_its_type() {
    let (_db, session) = database("type_left").await;
    session
        .run("insert into webhooks.event_types (name, category) values ('order.paid', 'order')")
        .await;
    let columns = json!({"subscribed_events": ["order.paid"]});
    session.run(&insert(&columns)).await;
    session
        .run("delete from webhooks.event_types where name = 'order.paid'")
        .await;
    session
        .run("update webhooks.webhook_subscriptions set is_active = false, name = 'x', retry_count = 1")
        .await;
    let refusal = session.refused(&insert(&columns)).await;
    assert!(refusal.message.contains("\"order.paid\""), "{refusal:?}");
    let widen = "update webhooks.webhook_subscriptions set subscribed_events = '[\"order.paid\", \"job.*\"]'";
    assert!(session.refused(widen).await.message.contains("order.paid"));
}

#[tokio::test]
async fn deleting_cancels_what_is_outstanding_and_keeps_the_log() {
    let (db, session) = database("deleting").await;
    for id in ["01", "11"] {
        let id = format!("00000000-0000-7000-8000-0000000000{id}");
        let columns = json!({"id": id, "subscribed_events": ["*"]});
        session.run(&insert(&columns)).await;
    }
    publish_many(&db, "job.created", 3).await;
    session
        .run(
            "insert into webhooks.delivery_attempts (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             select id, 1, now(), subscription_id, event_log_id, tenant_id, 'delivered' from webhooks.delivery_queue
             where id in (select min(id::text)::uuid from webhooks.delivery_queue group by subscription_id);
             delete from webhooks.delivery_queue where id in (select delivery_id from webhooks.delivery_attempts);
             update webhooks.delivery_queue set next_attempt_at = now() + interval '1 h'
             where id in (select max(id::text)::uuid from webhooks.delivery_queue group by subscription_id);
             delete from webhooks.webhook_subscriptions where id = '00000000-0000-7000-8000-000000000001'",
        )
        .await;
    let deliveries = "select right(subscription_id::text, 2), delivery_status, count(*) from webhooks.webhook_delivery_logs
                      group by 1, 2 order by 1, 2";
    assert_eq!(
        session.lines(deliveries).await,
        ["01|delivered|1", "11|delivered|1", "11|pending|2"]
    );
}

/// A publisher that matched the subscription while it was being deleted leaves deliveries to nobody.
#[tokio::test]
async fn deliveries_to_nobody_are_removed_by_maintain() {
    let (db, session) = database("orphans").await;
    let ids =
        ["01", "02", "11", "f1"].map(|end| format!("00000000-0000-7000-8000-0000000000{end}"));
    for id in &ids {
        let columns = json!({"id": id, "subscribed_events": ["*"]});
        session.run(&insert(&columns)).await;
    }
    let publisher = Session::open(&db).await;
    publisher
        .run(&format!(
            "begin; select webhooks.publish_event('{TENANT}', 'job.created'), webhooks.publish_event('{TENANT}', 'job.failed')"
        ))
        .await;
    let delete = format!(
        "delete from webhooks.webhook_subscriptions where id in ('{}', '{}')",
        ids[0], ids[3]
    );
    session.run(&delete).await;
    publisher.run("commit").await;
    let queued = "select right(subscription_id::text, 2), count(*) from webhooks.delivery_queue group by 1 order by 1";
    assert_eq!(
        session.lines(queued).await,
        ["01|2", "02|2", "11|2", "f1|2"]
    );
    let maintain = "select done from webhooks.maintain() where task = 'remove_orphans'";
    assert_eq!(session.text(maintain).await, "4");
    assert_eq!(session.lines(queued).await, ["02|2", "11|2"]);
    assert_eq!(session.text(maintain).await, "0");
}
