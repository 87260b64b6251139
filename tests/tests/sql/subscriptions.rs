use serde_json::{Value, json};
use webhooks_tests::database::Database;

use crate::listener::Listener;
use crate::session::{Session, literal};

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const SECRET: &str = "whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0";
const ROUTES: &str = "select pattern, environment, filters, filter_jsonpath from webhooks.subscription_routes order by pattern";

async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    (db, session)
}

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

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(SECRET), |inner, _| json!({"a": inner}))
}

#[tokio::test]
async fn an_invalid_setting_is_named_and_no_secret_is_shown() {
    let (_db, session) = database("invalid").await;
    session.run(&insert(&json!({}))).await;
    let none = |columns: Value| {
        let mut all = json!({"auth_type": "none", "auth_config": {}});
        all.as_object_mut()
            .unwrap()
            .extend(columns.as_object().unwrap().clone());
        all
    };
    let cases = [
        (json!({"tenant_id": null}), "tenant_id: null"),
        (json!({"id": null}), "id: null"),
        (json!({"name": null}), "name: null"),
        (json!({"webhook_url": null}), "webhook_url: null"),
        (json!({"webhook_url": "ftp://x.example/"}), "webhook_url"),
        (json!({"webhook_url": "x.example"}), "webhook_url"),
        (json!({"webhook_url": ""}), "webhook_url"),
        (
            json!({"webhook_url": format!("https://u:{SECRET}@x.example/")}),
            "webhook_url",
        ),
        (
            json!({"webhook_url": format!("https://x.example/{SECRET}#f")}),
            "webhook_url",
        ),
        (
            json!({"webhook_url": format!("https://x.example/{SECRET} ")}),
            "webhook_url",
        ),
        (json!({"environment": "prod"}), "environment: prod"),
        (json!({"environment": null}), "environment: null"),
        (json!({"webhook_method": "GET"}), "webhook_method: GET"),
        (json!({"webhook_headers": [1]}), "webhook_headers"),
        (
            json!({"webhook_headers": {"Host": SECRET}}),
            "header host is reserved",
        ),
        (
            json!({"webhook_headers": {"Webhook-Id": SECRET}}),
            "header webhook-id is reserved",
        ),
        (json!({"webhook_headers": {"a b": SECRET}}), "\"a b\""),
        (
            json!({"webhook_headers": {"a": format!("{SECRET}\r\nx: y")}}),
            "header a",
        ),
        (
            json!({"webhook_headers": {"a": {"secret": SECRET}}}),
            "header a",
        ),
        (json!({"webhook_headers": nested(200)}), "webhook_headers"),
        (json!({"auth_type": "oauth"}), "oauth"),
        (json!({"auth_type": "basic"}), "\"basic\""),
        (json!({"auth_type": "none"}), "auth_config key \"secret\""),
        (
            json!({"auth_type": "api_key"}),
            "auth_config key \"secret\"",
        ),
        (
            json!({"auth_type": "api_key", "auth_config": {"api_key": format!(" {SECRET}")}}),
            "api_key",
        ),
        (
            json!({"auth_type": "api_key", "auth_config": {"api_key": SECRET, "header": "host"}}),
            "header host",
        ),
        (
            json!({"auth_type": "api_key", "auth_config": {"api_key": SECRET, "header": "X-Key"}}),
            "x-key",
        ),
        (
            json!({"auth_type": "api_key", "auth_config": {}}),
            "\"api_key\"",
        ),
        (json!({"auth_config": {}}), "\"secret\""),
        (json!({"auth_config": {"secret": ""}}), "\"secret\""),
        (json!({"auth_config": {"secret": [SECRET]}}), "\"secret\""),
        (
            json!({"auth_config": {"secret": SECRET, "x": SECRET}}),
            "key \"x\"",
        ),
        (json!({"auth_config": SECRET}), "auth_config"),
        (json!({"auth_config": nested(200)}), "auth_config"),
        (
            json!({"subscribed_events": null}),
            "subscribed_events is null",
        ),
        (
            json!({"subscribed_events": "job.created"}),
            "\"job.created\"",
        ),
        (
            json!({"subscribed_events": {"job.created": true}}),
            "{\"job.created\": true}",
        ),
        (
            json!({"subscribed_events": ["job.created", "no.such"]}),
            "\"no.such\"",
        ),
        (json!({"subscribed_events": ["nothing.*"]}), "\"nothing.*\""),
        (json!({"subscribed_events": ["job*"]}), "\"job*\""),
        (
            json!({"subscribed_events": ["job.created.*"]}),
            "\"job.created.*\"",
        ),
        (json!({"subscribed_events": ["*.created"]}), "\"*.created\""),
        (
            json!({"subscribed_events": ["Job.created"]}),
            "\"Job.created\"",
        ),
        (json!({"subscribed_events": [""]}), "\"\""),
        (json!({"subscribed_events": [null]}), "null"),
        (json!({"subscribed_events": [1]}), "\"1\""),
        (json!({"subscribed_events": [["*"]]}), "[\"*\"]"),
        (json!({"event_filters": []}), "event_filters"),
        (
            json!({"event_filters": {"status": "final"}}),
            "unknown key \"status\"",
        ),
        (
            json!({"event_filters": {"resource_type": 5}}),
            "resource_type",
        ),
        (
            json!({"event_filters": {"resource_id": "five"}}),
            "\"five\"",
        ),
        (
            json!({"event_filters": {"event_data": ["a"]}}),
            "event_data",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"$regex": "x"}}}}),
            "\"$regex\"",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"$in": 5}}}}),
            "$in",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"$gt": true}}}}),
            "$gt",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"$gt": 1, "b": 2}}}}),
            "\"b\"",
        ),
        (
            json!({"event_filters": {"event_data": {"a": {"b": {"$gt": 1}}}}}),
            "$gt",
        ),
        (
            json!({"event_filters": {"event_data": {"a": nested(20)}}}),
            "event_filters",
        ),
        (json!({"event_filters": nested(200)}), "event_filters"),
        (json!({"event_filters": {"jsonpath": 5}}), "jsonpath"),
        (json!({"event_filters": {"jsonpath": ""}}), "jsonpath \"\""),
        (json!({"event_filters": {"jsonpath": "$.a >"}}), "$.a >"),
        (
            json!({"event_filters": {"jsonpath": "$.a like_regex \"(\""}}),
            "parentheses",
        ),
        (
            json!({"event_filters": {"jsonpath": "$.a like_regex \"a\" flag \"x\""}}),
            "flag",
        ),
        (
            json!({"event_filters": {"jsonpath": "$.a > 1e400000"}}),
            "1e400000",
        ),
        (
            json!({"event_filters": {"jsonpath": "$.a == $limit"}}),
            "no variables",
        ),
        (
            json!({"event_filters": {"jsonpath": "$.a ? (@ starts with $\"x y\")"}}),
            "no variables",
        ),
        (json!({"retry_count": -1}), "retry_count: -1"),
        (json!({"retry_count": 101}), "retry_count: 101"),
        (
            json!({"retry_delay_seconds": -1}),
            "retry_delay_seconds: -1",
        ),
        (
            json!({"retry_delay_seconds": 86401}),
            "retry_delay_seconds: 86401",
        ),
        (json!({"timeout_seconds": 0}), "timeout_seconds: 0"),
        (json!({"timeout_seconds": 301}), "timeout_seconds: 301"),
        (json!({"max_payload_size_kb": 0}), "max_payload_size_kb: 0"),
        (
            json!({"max_payload_size_kb": 65537}),
            "max_payload_size_kb: 65537",
        ),
        (json!({"max_in_flight": 0}), "max_in_flight: 0"),
        (json!({"max_in_flight": null}), "max_in_flight: null"),
        (
            json!({"no_retry_statuses": [410, 200]}),
            "no_retry_statuses: {410,200}",
        ),
        (
            json!({"no_retry_statuses": [600]}),
            "no_retry_statuses: {600}",
        ),
        (
            json!({"no_retry_statuses": [null]}),
            "no_retry_statuses: {NULL}",
        ),
        (
            json!({"no_retry_statuses": null}),
            "no_retry_statuses: null",
        ),
        (none(json!({"retry_count": -1})), "retry_count: -1"),
    ];
    for (columns, named) in &cases {
        let update: Vec<_> = columns.as_object().unwrap().keys().cloned().collect();
        let update = update.join(", ");
        let row = literal(&columns.to_string());
        let update = format!(
            "update webhooks.webhook_subscriptions s set ({update}) =
             (select {update} from jsonb_populate_record(s, {row}))"
        );
        // Not `update` alone: an id that changes is refused for that already.
        let statements = [insert(columns), update];
        let applicable = if columns.get("id").is_some() { 1 } else { 2 };
        for sql in &statements[..applicable] {
            let refusal = session.refused(sql).await;
            assert_eq!(refusal.code, "22023", "{columns}: {refusal:?}");
            assert!(refusal.message.contains(named), "{columns}: {refusal:?}");
            assert!(!refusal.hint.is_empty(), "{columns}: {refusal:?}");
            assert!(
                !refusal.everything.contains(SECRET),
                "{columns}: {refusal:?}"
            );
            assert!(refusal.everything.len() < 3000, "{columns}: {refusal:?}");
        }
    }
    let left = "select count(*), max(version) from webhooks.webhook_subscriptions";
    assert_eq!(session.text(left).await, "1|1");
}

/// The trigger repeats the table's constraints: one that it forgets would show the row.
#[tokio::test]
async fn every_constraint_has_a_refusal_of_its_own() {
    let (_db, session) = database("constraints").await;
    let constraints = "select conname from pg_constraint where conrelid = 'webhooks.webhook_subscriptions'::regclass
                       and contype = 'c' order by conname";
    let named = [
        "webhook_subscriptions_auth_type_check",
        "webhook_subscriptions_environment_check",
        "webhook_subscriptions_max_in_flight_check",
        "webhook_subscriptions_method_check",
        "webhook_subscriptions_no_retry_check",
        "webhook_subscriptions_payload_size_check",
        "webhook_subscriptions_retry_count_check",
        "webhook_subscriptions_retry_delay_check",
        "webhook_subscriptions_timeout_check",
    ];
    assert_eq!(session.lines(constraints).await, named);
    let not_null = "select string_agg(attname, ' ' order by attname) from pg_attribute
                    where attrelid = 'webhooks.webhook_subscriptions'::regclass and attnum > 0 and attnotnull";
    assert_eq!(
        session.text(not_null).await,
        "environment id max_in_flight name no_retry_statuses subscribed_events tenant_id version webhook_url"
    );
}

#[tokio::test]
async fn what_the_specification_allows_is_taken() {
    let (_db, session) = database("valid").await;
    for columns in [
        json!({}),
        json!({"auth_type": null, "auth_config": null, "webhook_headers": null, "webhook_method": null,
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
    let tenant = TENANT.parse().unwrap();
    db.publish_many(tenant, "job.created", 3).await.unwrap();
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
