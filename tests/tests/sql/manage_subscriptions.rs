//! Subscriptions as functions: made, changed, listed and deleted, with secrets that come in and never out.

use serde_json::{Value, json};
use webhooks_tests::database::MANAGER_ROLE;

use crate::support::session::{Session, literal};
use crate::support::world::{OTHER_TENANT, TENANT, database};

const USER: &str = "33333333-3333-4333-8333-333333333333";
const NOBODY: &str = "99999999-9999-4999-8999-999999999999";
const SECRET: &str = "whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0";

/// A subscription with secrets.
async fn create(session: &Session, tenant: &str, name: &str, more: &str) -> String {
    let create = format!(
        "select webhooks.create_subscription('{tenant}', '{name}', 'https://x.example/', '[\"job.*\"]',
             auth_type => 'signature', auth_config => '{{\"secret\": \"{SECRET}\"}}',
             webhook_headers => '{{\"x-a\": \"{SECRET}\", \"x-b\": \"b\"}}',
             template_secrets => '{{\"a\": \"{SECRET}\", \"b\": \"b\"}}'{more})"
    );
    session.text(&create).await
}

fn update(id: &str, changes: &Value) -> String {
    let changes = literal(&changes.to_string());
    format!("select * from webhooks.update_subscription('{id}', {changes})")
}

async fn row(session: &Session, id: &str) -> Value {
    let row = format!("select to_jsonb(s) from webhooks.webhook_subscriptions s where id = '{id}'");
    serde_json::from_str(&session.text(&row).await).unwrap()
}

#[tokio::test]
async fn parameters_are_stored_and_others_have_their_defaults() {
    let (_db, session) = database("create").await;
    let plain = session
        .text(&format!(
            "select webhooks.create_subscription('{TENANT}', 'plain', 'https://x.example/', '[\"*\"]')"
        ))
        .await;
    session
        .run(&format!(
            "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events)
             values ('{TENANT}', 'plain', 'https://x.example/', '[\"*\"]')"
        ))
        .await;
    let differences = format!(
        "select count(*) from webhooks.webhook_subscriptions a, webhooks.webhook_subscriptions b,
             jsonb_each(to_jsonb(a)) c where a.id = '{plain}' and b.id <> a.id
             and c.key not in ('id', 'created_at', 'updated_at') and c.value <> to_jsonb(b) -> c.key"
    );
    assert_eq!(session.text(&differences).await, "0");

    // Each parameter reaches its column, and there is one for each.
    let all = json!({
        "name": "all", "webhook_url": "https://all.example/", "subscribed_events": ["user.login"], "environment": "dev",
        "description": "d", "webhook_method": "PUT", "webhook_headers": {"a": "b"}, "auth_type": "api_key",
        "auth_config": {"api_key": "k"}, "event_filters": {"event_data": {"a": null}}, "retry_count": 1,
        "retry_delay_seconds": 2, "timeout_seconds": 4, "max_payload_size_kb": 5, "no_retry_statuses": [400, 404],
        "max_in_flight": 6, "payload_format": "envelope", "payload_template": "{{ secrets.a }}",
        "payload_content_type": "text/plain", "template_secrets": {"a": "b"}, "rate_limit_per_second": 0.5, "rate_limit_burst": 7, "ordering": "fifo",
        "breaker_failure_threshold": 8, "breaker_cooldown_seconds": 9, "endpoint_verification": "none", "is_active": false, "is_enabled": false,
        "created_by": USER, "retry_schedule": "5 s", "delivery": "poll", "expires_at": "2100-01-01T00:00:00+00:00"
    });
    let settings =
        "select jsonb_agg(s order by s) from unnest(webhooks_private.settable_columns()) s";
    let settings: Value = serde_json::from_str(&session.text(settings).await).unwrap();
    let names: Vec<_> = all.as_object().unwrap().keys().collect();
    assert_eq!(settings, json!(names));
    let arguments: Vec<_> = all
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name} => {}", literal(text)),
            Value::Array(codes) if name == "no_retry_statuses" => {
                format!("{name} => array{}", Value::from(codes.clone()))
            }
            other if other.is_array() || other.is_object() => {
                format!("{name} => {}", literal(&other.to_string()))
            }
            other => format!("{name} => {other}"),
        })
        .collect();
    let create = format!(
        "select webhooks.create_subscription('{TENANT}', {})",
        arguments.join(", ")
    );
    let id = session.text(&create).await;
    let stored = row(&session, &id).await;
    for (name, value) in all.as_object().unwrap() {
        assert_eq!(&stored[name], value, "{name}");
    }
    assert_eq!(stored["tenant_id"], TENANT);
}

#[tokio::test]
async fn created_by_is_the_applications_user() {
    let (_db, session) = database("created_by").await;
    session
        .run(&format!("set webhooks.user_id = '{USER}'"))
        .await;
    let id = create(&session, TENANT, "x", "").await;
    assert_eq!(row(&session, &id).await["created_by"], USER);
    let other = format!(", created_by => '{NOBODY}'");
    let id = create(&session, TENANT, "x", &other).await;
    assert_eq!(row(&session, &id).await["created_by"], NOBODY);
    // It stays, whoever changes the subscription.
    session.run(&update(&id, &json!({"retry_count": 1}))).await;
    assert_eq!(row(&session, &id).await["created_by"], NOBODY);
    let refusal = session
        .refused(&update(&id, &json!({"created_by": USER})))
        .await;
    assert_eq!(refusal.code, "22023", "{refusal:?}");

    session.run("set webhooks.user_id = 'alice'").await;
    let insert = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url) values ('{TENANT}', 'x', 'https://x.example/')"
    );
    let refusal = session.refused(&insert).await;
    assert_eq!(refusal.code, "22023");
    assert_eq!(refusal.message, "webhooks.user_id is \"alice\", not a UUID");
    assert!(!refusal.hint.is_empty());
    session.run("set webhooks.user_id = ''").await;
    session.run(&insert).await;
}

/// By functions and by direct DML: a null is what is there, and no secret comes out.
#[tokio::test]
async fn secrets_can_be_kept_without_being_seen() {
    let (_db, session) = database("keep").await;
    let id = create(&session, TENANT, "x", "").await;
    let keep = json!({"auth_config": {"secret": null}, "webhook_headers": {"x-a": null, "x-c": "c"},
        "template_secrets": {"a": null, "c": "c"}, "retry_count": 9});
    let seen: Value = serde_json::from_str(
        &session
            .text(&format!(
                "select to_jsonb(s) from ({}) s",
                update(&id, &keep)
            ))
            .await,
    )
    .unwrap();
    assert_eq!(seen["auth_config"], json!({"secret": null}));
    assert_eq!(seen["webhook_headers"], json!({"x-a": null, "x-c": null}));
    assert_eq!(seen["template_secrets"], json!({"a": null, "c": null}));
    assert_eq!(seen["retry_count"], 9);
    let stored = row(&session, &id).await;
    assert_eq!(stored["auth_config"], json!({"secret": SECRET}));
    assert_eq!(
        stored["webhook_headers"],
        json!({"x-a": SECRET, "x-c": "c"})
    );
    assert_eq!(stored["template_secrets"], json!({"a": SECRET, "c": "c"}));
    session
        .run("update webhooks.webhook_subscriptions set webhook_headers = '{\"x-a\": null}'")
        .await;
    assert_eq!(
        row(&session, &id).await["webhook_headers"],
        json!({"x-a": SECRET})
    );
    // A secret that is not there can't be kept; nor can one of another type.
    for (changes, named) in [
        (json!({"webhook_headers": {"x-z": null}}), "x-z"),
        (json!({"webhook_headers": {"X-A": null}}), "x-a"),
        (json!({"auth_config": {"key": null}}), "\"key\""),
        (json!({"template_secrets": {"z": null}}), "\"z\""),
        (
            json!({"auth_type": "api_key", "auth_config": {"api_key": null}}),
            "api_key",
        ),
        (
            json!({"auth_type": "api_key", "auth_config": {"secret": null}}),
            "secret",
        ),
    ] {
        let refusal = session.refused(&update(&id, &changes)).await;
        assert_eq!(refusal.code, "22023", "{changes}: {refusal:?}");
        assert!(refusal.message.contains(named), "{changes}: {refusal:?}");
        assert!(!refusal.everything.contains(SECRET), "{refusal:?}");
    }
    let create = format!(
        "select webhooks.create_subscription('{TENANT}', 'x', 'https://x.example/', '[]', auth_type => 'signature', auth_config => '{{\"secret\": null}}')"
    );
    let refusal = session.refused(&create).await;
    assert!(refusal.message.contains("\"secret\""), "{refusal:?}");

    // Which header carries a key is no secret; whatever else lies there is.
    for (auth_type, auth_config, seen) in [
        (
            "api_key",
            json!({"api_key": SECRET, "header": "X-Key"}),
            json!({"api_key": null, "header": "X-Key"}),
        ),
        ("none", Value::Null, Value::Null),
        ("none", json!({}), json!({})),
    ] {
        let changes = json!({"auth_type": auth_type, "auth_config": auth_config, "webhook_headers": {"header": SECRET}});
        session.run(&update(&id, &changes)).await;
        let get = format!("select to_jsonb(webhooks.get_subscription('{id}'))");
        let got: Value = serde_json::from_str(&session.text(&get).await).unwrap();
        assert_eq!(got["auth_config"], seen);
        assert_eq!(got["webhook_headers"], json!({"header": null}));
    }
}

#[tokio::test]
async fn listed_by_environment_and_state() {
    let (_db, session) = database("list").await;
    for (tenant, name, more) in [
        (TENANT, "b", ""),
        (TENANT, "a", ", environment => 'dev', is_active => false"),
        (TENANT, "c", ", environment => 'dev'"),
        (OTHER_TENANT, "a", ""),
    ] {
        create(&session, tenant, name, more).await;
    }
    session
        .run("update webhooks.webhook_subscriptions set is_active = null where name = 'b'")
        .await;
    for (arguments, expected) in [
        ("", "a b c a"),
        ("'dev'", "a c"),
        ("environment => 'production'", "b a"),
        ("is_active => true", "c a"),
        ("is_active => false", "a b"),
        ("'dev', true", "c"),
        ("'staging'", "null"),
    ] {
        let list = format!(
            "select string_agg(l.name, ' ') from webhooks.list_subscriptions({arguments}) l"
        );
        assert_eq!(session.text(&list).await, expected, "{arguments}");
    }
    let seen = session
        .lines("select to_jsonb(l) from webhooks.list_subscriptions() l")
        .await;
    assert!(seen.iter().all(|line| !line.contains(SECRET)), "{seen:?}");
}

#[tokio::test]
async fn calls_that_can_not_be_done_are_refused() {
    let (_db, session) = database("refusals").await;
    let id = create(&session, TENANT, "x", "").await;
    let long = "x".repeat(1000);
    for (statement, code, message) in [
        (
            update(&id, &json!({"retry_cuont": 1})),
            "22023",
            "a subscription has no setting \"retry_cuont\"",
        ),
        (
            update(&id, &json!({"id": NOBODY})),
            "22023",
            "a subscription has no setting \"id\"",
        ),
        (
            update(&id, &json!({"version": 5})),
            "22023",
            "a subscription has no setting \"version\"",
        ),
        (
            update(&id, &json!({"name": "y", "retry_count": "many"})),
            "22023",
            "invalid retry_count: \"many\"",
        ),
        (
            update(&id, &json!({"retry_count": 1_000_000_000_000_i64})),
            "22023",
            "invalid retry_count: 1000000000000",
        ),
        (
            update(&id, &json!({"is_active": 7.5})),
            "22023",
            "invalid is_active: 7.5",
        ),
        (
            update(&id, &json!({"no_retry_statuses": {"a": 1}})),
            "22023",
            "invalid no_retry_statuses: {\"a\": 1}",
        ),
        (
            update(&id, &json!({"name": long})),
            "22023",
            &format!("invalid name: \"{}", "x".repeat(99)),
        ),
        (
            update(&id, &json!({"retry_count": -1})),
            "22023",
            "invalid retry_count: -1",
        ),
        (
            update(&id, &json!({"name": null})),
            "22023",
            "invalid name: null",
        ),
        (
            update(&id, &json!(["name"])),
            "22023",
            "a subscription's settings are an object, not array",
        ),
        (
            format!("select webhooks.update_subscription('{id}', null)"),
            "22023",
            "a subscription's settings are an object, not null",
        ),
        (
            update(NOBODY, &json!({"name": "y"})),
            "42704",
            &format!("there is no subscription {NOBODY}"),
        ),
        (
            update(NOBODY, &json!({})),
            "42704",
            &format!("there is no subscription {NOBODY}"),
        ),
        (
            format!("select webhooks.delete_subscription('{NOBODY}')"),
            "42704",
            &format!("there is no subscription {NOBODY}"),
        ),
        (
            "select webhooks.get_subscription(null)".to_owned(),
            "42704",
            "there is no subscription null",
        ),
        (
            format!("select webhooks.set_subscriptions_enabled('{{{id},{NOBODY}}}', false)"),
            "42704",
            &format!("there is no subscription {NOBODY}"),
        ),
        (
            format!("select webhooks.set_subscriptions_enabled('{{{id}}}', null)"),
            "22004",
            "enabled is null",
        ),
        (
            "select webhooks.create_subscription(null, 'x', 'https://x.example/', '[]')".to_owned(),
            "22023",
            "invalid tenant_id: null",
        ),
        (
            format!(
                "select webhooks.create_subscription('{TENANT}', null, 'https://x.example/', '[]')"
            ),
            "22023",
            "invalid name: null",
        ),
        (
            format!("select webhooks.create_subscription('{TENANT}', 'x', null, '[]')"),
            "22023",
            "invalid webhook_url: null",
        ),
        (
            format!(
                "select webhooks.create_subscription('{TENANT}', 'x', 'https://x.example/', '[\"no.such\"]')"
            ),
            "22023",
            "subscribed_events names \"no.such\", which is no event type",
        ),
    ] {
        let refusal = session.refused(&statement).await;
        assert_eq!(refusal.code, code, "{statement}: {refusal:?}");
        assert_eq!(refusal.message, message, "{statement}");
        assert!(!refusal.hint.is_empty(), "{statement}");
        assert!(!refusal.everything.contains(SECRET), "{refusal:?}");
    }
    let untouched = "select version, is_enabled from webhooks.webhook_subscriptions";
    assert_eq!(session.text(untouched).await, "1|t");
}

#[tokio::test]
async fn enabled_and_disabled_together_and_deleted() {
    let (_db, session) = database("together").await;
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        ids.push(create(&session, TENANT, name, "").await);
    }
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions set is_enabled = false, disabled_reason = 'HTTP status 410' where id = '{}'",
            ids[0]
        ))
        .await;
    let set = |enabled: bool| {
        format!(
            "select webhooks.set_subscriptions_enabled('{{{},{}}}', {enabled})",
            ids[0], ids[1]
        )
    };
    let states = "select string_agg(name || ' ' || is_enabled::text || ' ' || coalesce(disabled_reason, '-') || ' ' || version, ', ' order by name)
                  from webhooks.webhook_subscriptions";
    assert_eq!(session.text(&set(false)).await, "1");
    assert_eq!(
        session.text(states).await,
        "a false HTTP status 410 2, b false - 2, c true - 1"
    );
    assert_eq!(session.text(&set(true)).await, "2");
    assert_eq!(
        session.text(states).await,
        "a true - 3, b true - 3, c true - 1"
    );
    assert_eq!(session.text(&set(true)).await, "0");
    let audit = "select string_agg(action, ' ' order by id) from webhooks.audit_log where action in ('enabled', 'disabled')";
    assert_eq!(
        session.text(audit).await,
        "disabled disabled enabled enabled"
    );

    session
        .run(&format!(
            "select webhooks.delete_subscription('{}')",
            ids[1]
        ))
        .await;
    let left = "select string_agg(name, ' ' order by name) from webhooks.webhook_subscriptions";
    assert_eq!(session.text(left).await, "a c");
}

/// Functions for managers work for the manager's tenant alone, and none of them returns a stored secret.
#[tokio::test]
async fn a_manager_manages_its_tenants_subscriptions() {
    let (db, admin) = database("manager").await;
    let other = create(&admin, OTHER_TENANT, "other", "").await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(&format!(
            "select webhooks.set_tenant('{TENANT}', for_session => true)"
        ))
        .await;
    let id = create(&manager, TENANT, "mine", "").await;
    let changes = json!({"name": "renamed", "webhook_headers": {"x-a": null}, "auth_config": {"secret": null}});
    let mut told = Vec::new();
    for statement in [
        update(&id, &changes),
        format!("select webhooks.get_subscription('{id}')"),
        "select * from webhooks.list_subscriptions()".to_owned(),
        format!("select webhooks.export_subscriptions('{TENANT}')"),
        format!("select webhooks.set_subscriptions_enabled('{{{id}}}', false)"),
        format!("select * from webhooks.copy_subscriptions('{TENANT}', 'production', 'dev')"),
        format!(
            "select * from webhooks.import_subscriptions('{TENANT}', webhooks.export_subscriptions('{TENANT}'))"
        ),
        format!(
            "select * from webhooks.import_subscriptions('{TENANT}', '[{{\"name\": \"renamed\", \"auth_config\": {{\"secret\": \"{SECRET}\"}}, \"webhook_headers\": {{\"x-a\": \"new\"}}}}]')"
        ),
        format!(
            "select * from webhooks_private.subscription_changes('{id}', '{{\"webhook_headers\": {{}}}}')"
        ),
    ] {
        let lines = manager.lines(&statement).await;
        assert!(!lines.is_empty(), "{statement}");
        told.extend(lines);
    }
    assert!(
        told.iter()
            .all(|line| !line.contains(SECRET) && !line.contains("other")),
        "{told:#?}"
    );
    manager
        .run(&format!("select webhooks.delete_subscription('{id}')"))
        .await;
    let left = "select name, environment, auth_config ->> 'secret' from webhooks.webhook_subscriptions order by name";
    assert_eq!(
        admin.lines(left).await,
        [
            format!("other|production|{SECRET}"),
            format!("renamed|dev|{SECRET}")
        ]
    );
    for statement in [
        update(&other, &changes),
        format!("select webhooks.get_subscription('{other}')"),
        format!("select webhooks.delete_subscription('{other}')"),
        format!("select webhooks.set_subscriptions_enabled('{{{other}}}', false)"),
        format!("select webhooks_private.subscription_changes('{other}', '{{}}')"),
    ] {
        let refusal = manager.refused(&statement).await;
        assert_eq!(refusal.message, format!("there is no subscription {other}"));
    }
}
