//! Schedules of retries as subscriptions have them.

use serde_json::json;

use crate::support::world::{TENANT, database, subscribe};

#[tokio::test]
async fn a_schedule_is_a_name_or_a_list() {
    let (db, session) = database("retry_schedules").await;
    for (n, (schedule, delays)) in [
        ("standard-webhooks", "{5,300,1800,7200,18000,36000,36000}"),
        ("5 s, 5 min, 2 h, 1 d", "{5,300,7200,86400}"),
        ("0,5,300", "{0,5,300}"),
        ("[5, 300]", "{5,300}"),
        ("[\n  \"5 s\",\r\n\t300\n]", "{5,300}"),
        ("{\"10 seconds\",3minutes}", "{10,180}"),
        ("7 days", "{604800}"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("s{n}");
        let id = subscribe(
            &db,
            json!({"name": name, "webhook_url": "https://x.example/", "retry_schedule": schedule}),
        )
        .await;
        let loaded =
            format!("select retry_delays from webhooks_private.load_subscriptions('{{{id}}}')");
        assert_eq!(session.text(&loaded).await, delays, "{schedule}");
    }
    let none = subscribe(
        &db,
        json!({"name": "none", "webhook_url": "https://x.example/"}),
    )
    .await;
    let loaded = format!(
        "select retry_count, retry_delay_seconds, retry_delays from webhooks_private.load_subscriptions('{{{none}}}')"
    );
    assert_eq!(session.text(&loaded).await, "3|60|null");
    for schedule in [
        "",
        " ",
        "standard",
        "Standard-Webhooks-2",
        "5 s,",
        ",5 s",
        "-5 s",
        "5.5 s",
        "1 month",
        "5\n0",
        "1 week",
        "8 d",
        "604801",
        "99999999999999999999",
        "5 s; drop table x",
        &vec!["1 s"; 101].join(","),
    ] {
        let update = format!(
            "update webhooks.webhook_subscriptions set retry_schedule = '{schedule}' where id = '{none}'"
        );
        let refusal = session.refused(&update).await;
        assert_eq!(refusal.code, "22023", "{schedule}: {refusal:?}");
        assert!(
            refusal.message.starts_with("invalid retry_schedule: "),
            "{refusal:?}"
        );
        assert!(refusal.hint.contains("standard-webhooks"), "{refusal:?}");
    }
    let hundred = vec!["1 s"; 100].join(",");
    let update = format!(
        "update webhooks.webhook_subscriptions set retry_schedule = '{hundred}' where id = '{none}'"
    );
    session.run(&update).await;
}

#[tokio::test]
async fn functions_that_make_or_move_subscriptions_take_schedules() {
    let (_db, session) = database("retry_schedules_moved").await;
    let create = format!(
        "select webhooks.create_subscription('{TENANT}', 'a', 'https://x.example/', '[\"*\"]', retry_schedule => '5 s, 2 h')"
    );
    let id = session.text(&create).await;
    let schedules = "select string_agg(environment || ' ' || coalesce(retry_schedule, '-'), ', ' order by environment) from webhooks.subscription_settings";
    assert_eq!(session.text(schedules).await, "production 5 s, 2 h");
    let copy =
        format!("select action from webhooks.copy_subscriptions('{TENANT}', 'production', 'dev')");
    session.run(&copy).await;
    assert_eq!(
        session.text(schedules).await,
        "dev 5 s, 2 h, production 5 s, 2 h"
    );
    let import = format!(
        "select string_agg(action, ' ') from webhooks.import_subscriptions('{TENANT}', webhooks.export_subscriptions('{TENANT}'))"
    );
    assert_eq!(session.text(&import).await, "unchanged unchanged");
    let update = format!(
        "select retry_schedule from webhooks.update_subscription('{id}', '{{\"retry_schedule\": \"standard-webhooks\"}}')"
    );
    assert_eq!(session.text(&update).await, "standard-webhooks");
    let audited = "select before ->> 'retry_schedule', after ->> 'retry_schedule' from webhooks.audit_log order by id desc limit 1";
    assert_eq!(session.text(audited).await, "5 s, 2 h|standard-webhooks");
    let template = format!(
        "insert into webhooks.subscription_templates (tenant_id, name, settings)
         values ('{TENANT}', 'patient', '{{\"retry_schedule\": \"standard-webhooks\"}}')"
    );
    session.run(&template).await;
    let made = format!(
        "select webhooks.create_subscription_from_template('{TENANT}', 'patient', '{{\"webhook_url\": \"https://x.example/\", \"subscribed_events\": [\"*\"]}}')"
    );
    let made = session.text(&made).await;
    let made = format!("select retry_schedule from webhooks.get_subscription('{made}')");
    assert_eq!(session.text(&made).await, "standard-webhooks");
}
