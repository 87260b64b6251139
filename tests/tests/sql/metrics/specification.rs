//! `delivery_metrics()` and `failed_deliveries()` say what the specification's own queries say of these relations.

use serde_json::json;

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, World, subscription_id};

/// The queries of its `get_delivery_metrics()`, and what it does with their results. Python rounds halves to even.
fn metrics(tenant: &str, days: u32) -> String {
    let deliveries = format!(
        "from webhooks.webhook_delivery_logs l join webhooks.webhook_subscriptions s on s.id = l.subscription_id
         where s.tenant_id = '{tenant}' and l.attempted_at >= now() - interval '{days} days'"
    );
    format!(
        "with total as (select count(l.id) as n {deliveries}),
              successful as (select count(l.id) as n {deliveries} and l.delivery_status = 'delivered'),
              average as (select coalesce(avg(extract(epoch from l.delivered_at - l.attempted_at)), 0) as s {deliveries} and l.delivery_status = 'delivered'),
              rate as (select case when t.n > 0 then s.n * 100.0 / t.n else 0 end as r from total t, successful s)
         select t.n, s.n, t.n - s.n,
                -- Of numeric, halves are rounded up. These differ where that is not to an even digit.
                round(r.r, 2) - case when r.r * 100 % 1 = 0.5 and trunc(r.r * 100) % 2 = 0 then 0.01 else 0 end,
                round(a.s, 2) - case when a.s * 100 % 1 = 0.5 and trunc(a.s * 100) % 2 = 0 then 0.01 else 0 end
         from total t, successful s, average a, rate r"
    )
}

/// The query of its `get_failed_deliveries()`.
fn failed(tenant: &str, limit: u32) -> String {
    format!(
        "select l.id, s.name, e.event_type, l.attempted_at, l.error_message, l.http_status_code
         from webhooks.webhook_delivery_logs l join webhooks.webhook_subscriptions s on s.id = l.subscription_id
         left join webhooks.event_logs e on e.id = l.event_log_id
         where s.tenant_id = '{tenant}' and l.delivery_status = 'failed'
         order by l.attempted_at desc, l.id desc limit {limit}"
    )
}

async fn assert_same(session: &Session, when: &str) {
    for tenant in [TENANT, OTHER_TENANT] {
        for days in [1, 2, 7, 30] {
            session.run("begin").await;
            let expected = session.text(&metrics(tenant, days)).await;
            let found = session
                .text(&format!(
                    "select * from webhooks.delivery_metrics('{tenant}', {days})"
                ))
                .await;
            session.run("commit").await;
            assert_eq!(found, expected, "{when}, {tenant}, {days} days");
        }
        for limit in [1, 3, 100] {
            let expected = session.lines(&failed(tenant, limit)).await;
            let found = session
                .lines(&format!(
                    "select * from webhooks.failed_deliveries('{tenant}', {limit})"
                ))
                .await;
            assert_eq!(found, expected, "{when}, {tenant}, {limit}");
        }
    }
}

#[tokio::test]
async fn numbers_are_those_of_the_specifications_queries() {
    let world = World::new("specification").await;
    let session = &world.session;
    let (a, b, gone) = (
        subscription_id("a0"),
        subscription_id("b0"),
        subscription_id("c0"),
    );
    for id in [&a, &b, &gone] {
        world.subscribe(id, json!({})).await;
    }
    assert_same(session, "before the first delivery").await;

    // A past of forty days, an attempt every seven hours and some: on no hour, and on some hours' edges.
    session
        .run(&format!(
            "insert into webhooks.delivery_attempts
                 (delivery_id, delivery_attempt, attempted_at, delivered_at, duration_us, subscription_id, event_log_id, tenant_id,
                  delivery_status, http_status_code, error_message, is_test)
             select overlay(webhooks.uuid_v7_floor(t)::text placing lpad(to_hex(n), 12, '0') from 25)::uuid, 1 + n % 2, t,
                    case when n % 5 > 1 then t + n * interval '1.237 ms' end, n * 1237,
                    (array['{a}', '{b}', '{gone}']::uuid[])[1 + n % 3], webhooks.uuid_v7(), '{TENANT}',
                    (array['failed', 'expired', 'delivered', 'delivered', 'delivered'])[1 + n % 5], 200 + n,
                    case when n % 5 < 2 then 'HTTP status ' || n end, case when n % 11 = 0 then true end
             from generate_series(1, 140) n,
                  lateral (select case when n % 4 = 0 then date_trunc('hour', now()) else now() end - n * interval '7:01:03' as t) v"
        ))
        .await;
    assert_same(session, "nothing rolled up").await;

    // One is half an hour older than a week when it is counted, and others are edges of windows.
    session.run("select webhooks_private.roll_up('0 s')").await;
    assert_same(session, "all rolled up").await;

    // Outstanding: never attempted, to be retried since just now, and since long ago.
    for _ in 0..9 {
        world.publish("").await;
    }
    let some = |condition: &str| {
        format!(
            "select * from webhooks.delivery_queue where {condition} and next_attempt_at is null"
        )
    };
    let retry = |condition: &str| {
        Record::of(some(condition), "retrying").with("retry_after_ms", "60000::bigint")
    };
    session
        .run(&retry(&format!("subscription_id = '{a}'")).to_string())
        .await;
    session
        .run(
            &Record::of(some(&format!("subscription_id = '{b}'")), "failed")
                .with("http_status_code", 500)
                .with("error_message", "'HTTP status 500'::text")
                .to_string(),
        )
        .await;
    session
        .run(&format!(
            "insert into webhooks.delivery_queue (id, subscription_id, event_log_id, tenant_id, shard, attempt, next_attempt_at)
             select webhooks.uuid_v7_floor(now() - interval '3 days') , '{a}', webhooks.uuid_v7(), '{TENANT}', 0, 1, now() + interval '1 h';
             insert into webhooks.delivery_attempts (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             select id, 1, now() - interval '3 days', subscription_id, event_log_id, tenant_id, 'retrying'
             from webhooks.delivery_queue where attempt = 1 and next_attempt_at > now() + interval '30 min'"
        ))
        .await;
    // (Made by hand, with an id of the past: as if it had been there when it was rolled up.)
    session
        .run(
            "insert into webhooks_private.rollup_outstanding select id, 0 from webhooks.delivery_queue
             where next_attempt_at > now() + interval '30 min'",
        )
        .await;
    assert_same(session, "with outstanding deliveries").await;
    session.run("select webhooks_private.roll_up('0 s')").await;
    assert_same(session, "with outstanding deliveries rolled up").await;

    session
        .run(&format!(
            "delete from webhooks.webhook_subscriptions where id = '{gone}'"
        ))
        .await;
    assert_same(session, "without a deleted subscription").await;
}

#[tokio::test]
async fn rates_are_rounded_as_python_does() {
    let world = World::new("rounding").await;
    let session = &world.session;
    for (value, rounded) in [
        ("3.125", "3.12"),
        ("3.135", "3.14"),
        ("66.6666666", "66.67"),
        ("0.005", "0.00"),
        ("100", "100.00"),
    ] {
        let round = format!("select webhooks_private.round_half_even({value})");
        assert_eq!(session.text(&round).await, rounded, "{value}");
    }
}

#[tokio::test]
async fn impossible_questions_are_refused() {
    let world = World::new("questions").await;
    for (question, complaint) in [
        (
            "select * from webhooks.delivery_metrics('{}', 0)",
            "days is 0, not between 1 and 3650",
        ),
        (
            "select * from webhooks.failed_deliveries('{}', 0)",
            "max_rows is 0, not between 1 and 10000",
        ),
        (
            "select * from webhooks.event_volume('{}', '1 month')",
            "bucket is 1 mon",
        ),
        (
            "select * from webhooks.event_volume('{}', '90 minutes')",
            "bucket is 01:30:00",
        ),
        (
            "select * from webhooks.delivery_latency('{}', 'infinity')",
            "since is infinity",
        ),
        (
            "select * from webhooks.slo_report(null)",
            "days is null, not between 1 and 3650",
        ),
        (
            "select * from webhooks.adoption_report(null)",
            "since is null",
        ),
    ] {
        let refusal = world.session.refused(&question.replace("{}", TENANT)).await;
        assert_eq!(
            (refusal.code.as_str(), refusal.message.as_str()),
            ("22023", complaint),
            "{question}"
        );
        assert!(!refusal.hint.is_empty(), "{question}");
    }
}
