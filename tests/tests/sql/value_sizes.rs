//! Values that people write are bounded: every text, array and object that others' deliveries could have to wait for.

use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::session::{Refusal, Session};
use crate::support::world::{TENANT, subscribe};

async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    session.run("set statement_timeout = '10s'").await;
    (db, session)
}

fn assert_too_large(refusal: &Refusal, column: &str, statement: &str) {
    assert_eq!(refusal.code, "22023", "{statement}: {}", refusal.message);
    assert!(
        refusal
            .message
            .starts_with(&format!("{column} is too large: ")),
        "{statement}: {}",
        refusal.message
    );
    assert!(refusal.hint.starts_with("It takes at most "), "{statement}");
    assert!(
        refusal.everything.len() < 2000 && !refusal.everything.contains("hush"),
        "{statement}: the error shows the value"
    );
}

const HUGE: &str = "repeat('hush', 1000000)";

/// An object that is small as it is stored and 131 MB as text.
const DIGITS: &str = "('{\"a\": [' || repeat('1e131071,', 999) || '1e131071]}')::jsonb";

/// Column and value of a subscription, by INSERT, UPDATE and the functions.
#[tokio::test]
async fn a_subscriptions_values_are_bounded() {
    let (db, session) = database("subscription_sizes").await;
    let id = subscribe(&db, json!({})).await;
    let object = format!("jsonb_build_object('secret', {HUGE})");
    let many = "(select jsonb_agg('job.created'::text) from generate_series(1, 200000))".to_owned();
    let statuses = "array_fill(500, array[1000000])".to_owned();
    let huge = HUGE.to_owned();
    let digits = DIGITS.to_owned();
    for (column, value) in [
        ("description", &huge),
        ("webhook_url", &format!("'http://x.example/' || {huge}")),
        ("disabled_reason", &huge),
        ("payload_template", &huge),
        ("webhook_headers", &object),
        ("webhook_headers", &digits),
        ("auth_config", &object),
        ("auth_config", &digits),
        ("template_secrets", &object),
        ("template_secrets", &digits),
        ("event_filters", &object),
        ("event_filters", &digits),
        (
            "event_filters",
            &format!("jsonb_build_object('event_data', {digits})"),
        ),
        ("subscribed_events", &many),
        (
            "subscribed_events",
            &"(select jsonb_agg('job.created'::text) from generate_series(1, 1001))".to_owned(),
        ),
        ("no_retry_statuses", &statuses),
        (
            "no_retry_statuses",
            &"array_fill(500, array[301])".to_owned(),
        ),
    ] {
        let url = if column == "webhook_url" {
            String::new()
        } else {
            ", webhook_url".to_owned()
        };
        let insert = format!(
            "insert into webhooks.webhook_subscriptions (tenant_id, name, {column}{url}) select '{TENANT}', 'x', {value}{}",
            if url.is_empty() {
                ""
            } else {
                ", 'http://x.example/'"
            }
        );
        let update = format!(
            "update webhooks.webhook_subscriptions set {column} = {value} where id = '{id}'"
        );
        for statement in [&insert, &update] {
            assert_too_large(&session.refused(statement).await, column, statement);
        }
        if column != "disabled_reason" {
            let update = format!(
                "select webhooks.update_subscription('{id}', jsonb_build_object('{column}', {value}))"
            );
            assert_too_large(&session.refused(&update).await, column, &update);
        }
    }
    // A thousand of one type are one.
    session
        .run(&format!(
            "update webhooks.webhook_subscriptions
             set subscribed_events = (select jsonb_agg('job.created'::text) from generate_series(1, 1000)),
                 no_retry_statuses = array_fill(500, array[300]), description = repeat('x', 10000)
             where id = '{id}'"
        ))
        .await;
    let routes = "select count(*) from webhooks_private.subscription_routes";
    assert_eq!(session.text(routes).await, "1");
    // Long, but not too large to be read: the setting itself is refused.
    let secret = format!(
        "update webhooks.webhook_subscriptions set auth_type = 'signature',
             auth_config = jsonb_build_object('secret', repeat('hush', 1025)) where id = '{id}'"
    );
    let refusal = session.refused(&secret).await;
    assert!(refusal.message.contains("4096 at most"), "{refusal:?}");
    assert!(!refusal.everything.contains("hushhush"));
}

/// A value that was accepted once stays, also over a restore; its subscription can be disabled, and the value made smaller.
#[tokio::test]
async fn larger_values_that_are_there_stay() {
    let (db, session) = database("old_sizes").await;
    let id = subscribe(&db, json!({})).await;
    let enlarge = format!(
        "update webhooks.webhook_subscriptions set description = repeat('x', 10001),
             subscribed_events = (select jsonb_agg('job.created'::text) from generate_series(1, 1001)) where id = '{id}'"
    );
    session.refused(&enlarge).await;
    session
        .run(&format!(
            "set check_function_bodies = off; {enlarge}; set check_function_bodies = on"
        ))
        .await;
    session
        .run("update webhooks.webhook_subscriptions set is_enabled = false; update webhooks.webhook_subscriptions set retry_count = 1")
        .await;
    let refusal = session
        .refused("update webhooks.webhook_subscriptions set description = description || 'y'")
        .await;
    assert_eq!(refusal.message, "description is too large: 10002 bytes");
    assert_eq!(refusal.hint, "It takes at most 10000 bytes.");
    session
        .run("update webhooks.webhook_subscriptions set description = 'x', subscribed_events = '[\"*\"]'")
        .await;
}

#[tokio::test]
async fn types_and_templates_are_bounded() {
    let (_db, session) = database("type_sizes").await;
    for (column, statement) in [
        (
            "description",
            format!("select webhooks.register_event_type('a.b', description => {HUGE})"),
        ),
        (
            "schema",
            format!(
                "select webhooks.register_event_type('a.b', schema => json_build_object('description', {HUGE}))"
            ),
        ),
        (
            "example",
            format!("select webhooks.register_event_type('a.b', example => to_jsonb({HUGE}))"),
        ),
        (
            "example",
            format!("select webhooks.register_event_type('job.created', example => {DIGITS})"),
        ),
        (
            "deprecation",
            format!("select webhooks.deprecate_event_type('job.created', {HUGE})"),
        ),
        (
            "description",
            format!(
                "update webhooks.event_types set description = {HUGE} where name = 'job.failed'"
            ),
        ),
        (
            "description",
            format!(
                "insert into webhooks.subscription_templates (tenant_id, name, settings, description) values ('{TENANT}', 'x', '{{}}', {HUGE})"
            ),
        ),
        (
            "settings",
            format!(
                "insert into webhooks.subscription_templates (tenant_id, name, settings) values ('{TENANT}', 'x', jsonb_build_object('description', {HUGE}))"
            ),
        ),
        (
            "settings",
            format!(
                "insert into webhooks.subscription_templates (tenant_id, name, settings) values ('{TENANT}', 'x', jsonb_build_object('event_filters', {DIGITS}))"
            ),
        ),
        (
            "placeholders",
            format!(
                "insert into webhooks.subscription_templates (tenant_id, name, settings, placeholders) values ('{TENANT}', 'x', '{{}}', jsonb_build_object('a', {HUGE}))"
            ),
        ),
    ] {
        assert_too_large(&session.refused(&statement).await, column, &statement);
    }
}

#[tokio::test]
async fn arguments_are_bounded() {
    let (_db, session) = database("argument_sizes").await;
    for (name, statement) in [
        (
            "ids",
            format!(
                "select webhooks.set_subscriptions_enabled(array_fill('{TENANT}'::uuid, array[10001]), true)"
            ),
        ),
        (
            "subscriptions",
            format!(
                "select webhooks.import_subscriptions('{TENANT}', (select jsonb_agg('{{}}'::jsonb) from generate_series(1, 10001)))"
            ),
        ),
        (
            "event_types",
            format!(
                "select webhooks.replay_events('{TENANT}', now(), now(), array_fill('*'::text, array[1001]))"
            ),
        ),
        (
            "event_types",
            format!(
                "select webhooks.event_history('{TENANT}', event_types => array_fill('*'::text, array[1001]))"
            ),
        ),
        (
            "statuses",
            format!(
                "select webhooks.list_deliveries('{TENANT}', statuses => array_fill('failed'::text, array[1001]))"
            ),
        ),
    ] {
        assert_too_large(&session.refused(&statement).await, name, &statement);
    }
    // Errors that repeat what was given do not repeat all of it.
    for statement in [
        format!("select webhooks.set_setting({HUGE}, 1)"),
        format!("select webhooks.set_setting('endpoint_verification', {HUGE})"),
        format!("select webhooks.create_subscription_from_template('{TENANT}', {HUGE})"),
        format!("select webhooks.list_deliveries('{TENANT}', statuses => array[{HUGE}])"),
    ] {
        let refusal = session.refused(&statement).await;
        assert!(refusal.everything.len() < 2000, "{statement}");
    }
}

/// Sidecars get no value that is larger than one could be that is written.
#[tokio::test]
async fn sidecars_load_nothing_that_is_too_large() {
    let (db, session) = database("load_sizes").await;
    for name in ["bad", "good"] {
        subscribe(
            &db,
            json!({"name": name, "webhook_url": format!("http://{name}.example/")}),
        )
        .await;
    }
    let object = format!("jsonb_build_object('secret', {HUGE})");
    for (column, value) in [
        ("webhook_url", HUGE),
        ("payload_template", HUGE),
        ("webhook_headers", &object),
        ("auth_config", DIGITS),
        ("template_secrets", &object),
        ("no_retry_statuses", "array_fill(500, array[1000000])"),
    ] {
        session
            .run(&format!(
                "begin; set local session_replication_role = replica;
                 update webhooks.webhook_subscriptions set {column} = {value} where name = 'bad'"
            ))
            .await;
        let loaded = session
            .lines(
                "select l.problem, octet_length(l::text) < 1000, l.webhook_url
                 from webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions)) l order by 1",
            )
            .await;
        assert_eq!(
            loaded,
            [
                format!("{column} is too large|t|"),
                "null|t|http://good.example/".to_owned()
            ]
        );
        session.run("rollback").await;
    }
}
