//! `doctor()` finds what is wrong, says what follows and what to do.

use serde_json::json;
use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::Database;

use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

const FINDINGS: &str =
    "select severity || ' ' || check_name || ': ' || finding from webhooks.doctor()";

/// Findings of these checks.
async fn findings(session: &Session, checks: &[&str]) -> Vec<String> {
    let mut found = session.lines(FINDINGS).await;
    found.retain(|finding| {
        checks
            .iter()
            .any(|check| finding.contains(&format!(" {check}: ")))
    });
    found
}

#[tokio::test]
async fn finds_what_is_wrong() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let db = Database::create(&cluster, "doctor").await.unwrap();
    let session = Session::open(&db).await;
    let complete = "select count(*) from webhooks.doctor() where num_nonnulls(severity, check_name, finding, meaning, advice) < 5
        or severity not in ('error', 'warning', 'info')";
    assert_eq!(
        findings(&session, &["sidecar"]).await,
        ["error sidecar: no sidecar runs for this database"]
    );
    for check in [
        "missing partition",
        "default partition",
        "trigger",
        "privilege",
        "adoption",
        "clock",
        "secrets",
        "overdue",
    ] {
        assert_eq!(findings(&session, &[check]).await, [""; 0]);
    }

    subscribe(
        &db,
        json!({"auth_type": "api_key", "auth_config": {"api_key": "k"}, "webhook_url": "http://x.example/"}),
    )
    .await;
    session
        .run(&format!(
            "create role reckless login superuser;
             grant webhooks_manager to reckless;
             grant select on webhooks.event_types to public;
             drop table webhooks_private.event_logs_past;
             alter table webhooks.event_logs disable trigger a30_match_events;
             insert into webhooks.delivery_queue (id, subscription_id, event_log_id, tenant_id, shard)
             select webhooks.uuid_v7_floor(now() - interval '6 minutes'), id, webhooks.uuid_v7(), tenant_id, 3 from webhooks.webhook_subscriptions;
             insert into webhooks.delivery_attempts (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             values (webhooks.uuid_v7(), 1, now() - interval '1 minute', webhooks.uuid_v7(), webhooks.uuid_v7(), '{TENANT}', 'delivered'),
                    ('00000000-0000-7000-8000-000000000001', 1, now(), webhooks.uuid_v7(), webhooks.uuid_v7(), '{TENANT}', 'delivered')"
        ))
        .await;
    let found = findings(
        &session,
        &[
            "missing partition",
            "default partition",
            "trigger",
            "privilege",
            "secrets",
            "plain http",
        ],
    )
    .await;
    assert_eq!(
        found,
        [
            "error privilege: PUBLIC has SELECT on table webhooks.event_types",
            "error trigger: a30_match_events of event_logs is disabled",
            "warning default partition: delivery_attempts_default has rows of days that had no partition",
            "warning missing partition: event_logs_past does not exist",
            "warning plain http: 1 active subscriptions send to http:// addresses",
            "warning privilege: role \"reckless\" of the group webhooks_manager is not bound by row-level security",
            "info secrets: 1 subscriptions have secrets, stored as plain text",
        ]
    );
    let clock = findings(&session, &["clock"]).await;
    assert!(
        clock[0].starts_with("warning clock: attempts of the last hour began 00:01:00"),
        "{clock:?}"
    );
    let overdue = findings(&session, &["overdue"]).await;
    assert!(
        overdue[0].starts_with("warning overdue: the oldest delivery of shard 3 "),
        "{overdue:?}"
    );
    assert_eq!(session.text(complete).await, "0");

    session.run("select webhooks.release_database()").await;
    assert_eq!(findings(&session, &["adoption"]).await.len(), 1);
}
