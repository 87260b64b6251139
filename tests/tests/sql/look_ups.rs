//! Look-ups open the partitions of the time in question, and not all that there are: each one that is opened costs
//! locks, of which a server has 64 a connection by default, and time to plan.

use std::fmt::Write as _;

use serde_json::json;
use webhooks_tests::database::{Database, MANAGER_ROLE};

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

const SUBSCRIPTION: &str = "00000000-0000-7000-8000-000000000001";
/// Of tables and indexes, for a look-up within one day: its partition, its neighbours, and those of ids of no day.
const MOST_LOCKS: u32 = 110;

/// Partitions of the last two months, as if the extension had been there.
const TWO_MONTHS: &str = "
    drop table webhooks_private.event_logs_past;
    do $$
    begin
        perform webhooks_private.make_partitions(t.parent, array(
            select t.parent || '_' || to_char(d, 'YYYYMMDD')
            from generate_series(now() at time zone 'utc' - interval '60 d', now() at time zone 'utc' - interval '1 d', '1 d') d), 0)
        from webhooks_private.partitioned_tables() t where t.span = 'day';
        perform webhooks_private.make_partitions(t.parent, array(
            select t.parent || '_' || to_char(d, 'YYYYMMDD')
            from generate_series(date_trunc('month', now() at time zone 'utc') - interval '2 months',
                                 date_trunc('month', now() at time zone 'utc') - interval '1 month', '1 month') d), 0)
        from webhooks_private.partitioned_tables() t where t.span = 'month';
    end $$;
    select webhooks.create_partitions()";

#[tokio::test]
async fn look_ups_open_few_partitions() {
    let db = Database::fresh("look_ups").await.unwrap();
    let session = Session::open(&db).await;
    session.run(TWO_MONTHS).await;
    let partitions =
        "select count(*) > 60 from pg_inherits where inhparent = 'webhooks.event_logs'::regclass";
    assert_eq!(session.text(partitions).await, "t");
    subscribe(&db, json!({"id": SUBSCRIPTION})).await;
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
    session
        .run(&format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data, created_at)
             select webhooks.uuid_v7_floor(t), '{TENANT}', 'job.created', 'job', 'x', '{{}}', t from (values (now() - interval '50 d')) v (t)"
        ))
        .await;
    let event = session.text(&publish).await;
    session.run(&publish).await;
    let deliveries =
        format!("select * from webhooks.delivery_queue where event_log_id = '{event}'");
    let failed = Record::of(deliveries, "failed").with("http_status_code", 500);
    session.run(&failed.to_string()).await;
    let delivery = session
        .text("select delivery_id from webhooks.delivery_attempts")
        .await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;

    let hour = "now() - interval '1 hour'";
    // A constant, as "now() - ..." is not.
    let recent = session.text(&format!("select {hour}")).await;
    let recent = format!(
        "count(*) from webhooks.webhook_delivery_logs where id > webhooks.uuid_v7_floor('{recent}')"
    );
    let look_ups = [
        (
            "2",
            format!("count(distinct event_log_id) from webhooks.event_history('{TENANT}')"),
        ),
        (
            "1",
            format!(
                "count(distinct event_log_id) from webhooks.event_history('{TENANT}', '{event}')"
            ),
        ),
        (
            "2",
            format!(
                "count(distinct event_log_id) from webhooks.event_history('{TENANT}', since => {hour})"
            ),
        ),
        (
            "0",
            format!(
                "count(*) from webhooks.event_history('{TENANT}', resource_type => 'x', resource_id => '{TENANT}')"
            ),
        ),
        (
            "0",
            format!("count(*) from webhooks.unmatched_events('{TENANT}', {hour})"),
        ),
        (
            "1",
            format!("count(*) from webhooks_private.event_deliveries('{TENANT}', '{{{event}}}')"),
        ),
        (
            "1",
            format!(
                "deliveries from webhooks.replay_events('{TENANT}', {hour}, now(), dry_run => true)"
            ),
        ),
        (
            "1",
            format!("deliveries from webhooks.replay_events('{TENANT}', {hour}, now())"),
        ),
        (
            "1",
            format!("webhooks.retry_failed('{SUBSCRIPTION}', {hour}, dry_run => true)"),
        ),
        (
            "1",
            format!("webhooks.retry_failed('{SUBSCRIPTION}', {hour})"),
        ),
        ("1", format!("count(webhooks.retry_delivery('{delivery}'))")),
        (
            "1",
            format!("count(*) from webhooks.preview_payload('{SUBSCRIPTION}', '{event}')"),
        ),
        (
            "1",
            format!("count(webhooks.build_payload('{event}', '{SUBSCRIPTION}'))"),
        ),
        (
            "1",
            format!("count(*) from webhooks.wait_for_delivery('{delivery}')"),
        ),
        (
            "1",
            format!("count(*) from webhooks.webhook_delivery_logs where id = '{delivery}'"),
        ),
        ("3", recent.clone()),
        (
            "3",
            recent.replace("webhook_delivery_logs", "delivery_states"),
        ),
        ("1", format!("{recent} and delivery_status = 'failed'")),
        ("0", format!("{recent} and delivered_at is not null")),
        ("3", format!("{recent} and tenant_id = '{TENANT}'")),
        (
            "3",
            format!("count(*) from webhooks.list_deliveries('{TENANT}')"),
        ),
        (
            "1",
            format!(
                "count(*) from webhooks.list_deliveries('{TENANT}', {hour}, statuses => '{{failed}}')"
            ),
        ),
        (
            "0",
            format!(
                "count(*) from webhooks.list_deliveries('{TENANT}', now() - interval '7 days', subscription_id => '{TENANT}')"
            ),
        ),
        (
            "2",
            format!("count(*) from webhooks.list_events('{TENANT}', {hour})"),
        ),
        (
            "1",
            format!(
                "count(*) from webhooks.list_events('{TENANT}', now() - interval '60 days', max_events => 1)"
            ),
        ),
        (
            "1",
            format!("count(*) from webhooks.list_events('{TENANT}', event_id => '{event}')"),
        ),
        (
            "1",
            format!(
                "count(*) from webhooks.list_audit_log('{TENANT}', {hour}, object_type => 'subscription')"
            ),
        ),
        (
            "1",
            format!("count(*) from webhooks.event_logs where id = '{event}'"),
        ),
        (
            "1",
            format!("total_deliveries from webhooks.delivery_metrics('{TENANT}')"),
        ),
        (
            "1",
            format!("count(*) from webhooks.failed_deliveries('{TENANT}')"),
        ),
        (
            "2",
            format!("sum(events) from webhooks.event_volume('{TENANT}', since => {hour})"),
        ),
        (
            "0",
            format!("count(*) from webhooks.delivery_latency('{TENANT}')"),
        ),
        (
            "1",
            format!("count(*) from webhooks.endpoint_health('{TENANT}')"),
        ),
        ("2", format!("webhooks.cancel_deliveries('{SUBSCRIPTION}')")),
    ];
    session.run("select webhooks_private.roll_up('0 s')").await;
    let mut opened = String::new();
    for (value, look_up) in look_ups {
        // More than once: plans are not kept that know no time.
        for _ in 0..7 {
            manager.run("begin").await;
            assert_eq!(
                manager.text(&format!("select {look_up}")).await,
                value,
                "{look_up}"
            );
            let locks = "select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'relation'";
            let locks: u32 = manager.text(locks).await.parse().unwrap();
            manager.run("rollback").await;
            if locks > MOST_LOCKS {
                writeln!(opened, "{locks}: {look_up}").unwrap();
            }
        }
    }
    assert!(opened.is_empty(), "{opened}");
}

/// An application that makes its own, random ids sees all of its events nevertheless.
#[tokio::test]
async fn random_ids_hide_nothing() {
    let db = Database::fresh("random_ids").await.unwrap();
    let session = Session::open(&db).await;
    session
        .run(&format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
             select gen_random_uuid(), '{TENANT}', 'job.created', 'job', 'x', '{{}}' from generate_series(1, 500);
             -- By chance of a day ahead.
             insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
             values (overlay(webhooks.uuid_v7_floor(now() + interval '5 d')::text placing '4' from 15)::uuid, '{TENANT}', 'job.created', 'job', 'x', '{{}}')"
        ))
        .await;
    for count in [
        "select count(*) from webhooks.unmatched_events('{}', now() - interval '1 min', max_events => 1000)",
        "select count(distinct event_log_id) from webhooks.event_history('{}', max_events => 1000)",
        "select count(*) from webhooks.list_events('{}', max_events => 1000)",
        "select events from webhooks.replay_events('{}', now() - interval '1 min', now(), dry_run => true)",
    ] {
        let count = count.replace("{}", TENANT);
        assert_eq!(session.text(&count).await, "501", "{count}");
    }
}
