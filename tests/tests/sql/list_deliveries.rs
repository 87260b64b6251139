//! Deliveries of a tenant, by time and status: `list_deliveries()`, and the view that it reads.

use serde_json::json;
use webhooks_tests::database::{Database, MANAGER_ROLE};

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{OTHER_TENANT, TENANT, World, subscription_id};

/// Deliveries to subscription 1, one of each status, and a pending one to subscription 2; the newest comes last.
async fn world(name: &str) -> World {
    let world = World::new(name).await;
    let session = &world.session;
    session.run("select webhooks.create_partitions(1)").await;
    world.subscribe(&subscription_id("1"), json!({})).await;
    for status in ["delivered", "failed", "expired", "cancelled", "retrying"] {
        let event = world.publish("").await;
        let deliveries =
            format!("select * from webhooks.delivery_queue where event_log_id = '{event}'");
        let record = Record::of(deliveries, status)
            .with("http_status_code", 503)
            .with("retry_after_ms", "3600000::bigint");
        session.run(&record.to_string()).await;
    }
    world.subscribe(&subscription_id("2"), json!({})).await;
    world.publish("").await;
    world
}

/// Receiver and status of each delivery, with what a retry shows of the last attempt and the next one.
async fn list(session: &Session, arguments: &str) -> Vec<String> {
    let list = format!(
        "select concat_ws(' ', right(l.subscription_id::text, 1), l.delivery_status, l.delivery_attempt, l.http_status_code,
                          case when l.next_retry_at > now() then 'later' end)
         from webhooks.list_deliveries('{TENANT}'{arguments}) with ordinality l
         order by l.ordinality"
    );
    session.lines(&list).await
}

async fn manager(db: &Database, tenant: &str) -> Session {
    let manager = Session::open_as(db, MANAGER_ROLE).await;
    let set = format!("set webhooks.tenant_id = '{tenant}'");
    manager.run(&set).await;
    manager
}

#[tokio::test]
async fn all_or_those_of_a_status_or_a_subscription() {
    let world = world("list_deliveries").await;
    let all = [
        "2 pending 1",
        "1 pending 1",
        "1 retrying 1 503 later",
        "1 cancelled 1 503",
        "1 expired 1 503",
        "1 failed 1 503",
        "1 delivered 1 503",
    ];
    for session in [&world.session, &manager(&world.db, TENANT).await] {
        // One event, two deliveries: which of them was made first is not said.
        let mut listed = list(session, "").await;
        listed[..2].sort_by(|a, b| b.cmp(a));
        assert_eq!(listed, all);
        let subscription = format!(", subscription_id => '{}'", subscription_id("1"));
        assert_eq!(list(session, &subscription).await, all[1..]);
        let statuses = ", statuses => '{failed,retrying}'";
        assert_eq!(list(session, statuses).await, [all[2], all[5]]);
        let one = format!("{statuses}, max_rows => 1");
        assert_eq!(list(session, &one).await, [all[2]]);
        let in_view = format!(
            "select count(*) from webhooks.webhook_delivery_logs v
             full join webhooks.list_deliveries('{TENANT}') l using (id)
             where to_jsonb(v) is distinct from to_jsonb(l)"
        );
        assert_eq!(session.text(&in_view).await, "0");
    }
    let other = manager(&world.db, OTHER_TENANT).await;
    assert!(list(&other, "").await.is_empty());
}

#[tokio::test]
async fn a_period_of_several_days() {
    let world = World::new("list_periods").await;
    world.subscribe(&subscription_id("1"), json!({})).await;
    world
        .session
        .run(&format!(
            "insert into webhooks.delivery_attempts
                 (delivery_id, delivery_attempt, http_status_code, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             select webhooks.uuid_v7_floor(t), 1, n, t, '{}', webhooks.uuid_v7_floor(t), '{TENANT}', 'delivered'
             from unnest(array['2026-03-01 00:00Z', '2026-03-01 23:59:59.999Z', '2026-03-02 00:00Z', '2026-03-04 12:00Z']::timestamptz[])
                 with ordinality t (t, n)",
            subscription_id("1")
        ))
        .await;
    let (first, second, third, fourth) = (
        "1 delivered 1 1",
        "1 delivered 1 2",
        "1 delivered 1 3",
        "1 delivered 1 4",
    );
    for (since, until, listed) in [
        (
            "2026-03-01 00:00Z",
            "2026-03-05 00:00Z",
            &[fourth, third, second, first][..],
        ),
        (
            "2026-03-01 00:00Z",
            "2026-03-04 12:00Z",
            &[third, second, first],
        ),
        ("2026-03-01 00:00Z", "2026-03-02 00:00Z", &[second, first]),
        (
            "2026-03-01 12:00Z",
            "2026-03-02 00:00:01Z",
            &[third, second],
        ),
        ("2026-03-04 12:00Z", "2026-03-04 12:00Z", &[]),
    ] {
        let period = format!(", '{since}', '{until}'");
        assert_eq!(list(&world.session, &period).await, listed, "{period}");
    }
    let newest = ", '2026-03-01 00:00Z', '2026-03-05 00:00Z', max_rows => 2";
    assert_eq!(list(&world.session, newest).await, [fourth, third]);
}

#[tokio::test]
async fn impossible_arguments_are_refused() {
    let world = World::new("list_refused").await;
    for (arguments, message) in [
        (", null", "since or until is null"),
        (", until => null", "since or until is null"),
        (
            ", '-infinity'",
            "from -infinity until infinity is longer than 366 days",
        ),
        (", now() - interval '367 days'", "is longer than 366 days"),
        (", statuses => '{delivered,sent}'", "statuses has \"sent\""),
        (", statuses => '{null}'", "statuses has null"),
        (", max_rows => 0", "max_rows is 0"),
        (", max_rows => null", "max_rows is null"),
        (", max_rows => 10001", "max_rows is 10001"),
    ] {
        let list = format!("select count(*) from webhooks.list_deliveries('{TENANT}'{arguments})");
        let refusal = world.session.refused(&list).await;
        assert!(refusal.message.contains(message), "{}", refusal.message);
        assert!(!refusal.hint.is_empty());
    }
}

/// Beside a tenant with many deliveries, one with few does not read them; also what was to a subscription that is no more
/// is listed.
#[tokio::test]
async fn few_deliveries_beside_many_of_another_tenant() {
    let world = World::new("list_few").await;
    let session = &world.session;
    session.run("select webhooks.create_partitions(1)").await;
    let (ours, gone, theirs) = (
        subscription_id("1"),
        subscription_id("2"),
        subscription_id("3"),
    );
    for id in [&ours, &gone] {
        world.subscribe(id, json!({})).await;
    }
    let event = world.publish("").await;
    let record = Record::of(
        format!("select * from webhooks.delivery_queue where event_log_id = '{event}'"),
        "delivered",
    );
    session.run(&record.to_string()).await;
    session
        .run(&format!(
            "delete from webhooks.webhook_subscriptions where id = '{gone}';
             insert into webhooks.delivery_attempts
                 (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             select webhooks.uuid_v7(), 1, now(), '{theirs}', '{event}', '{OTHER_TENANT}', 'delivered' from generate_series(1, 5000);
             analyze webhooks.delivery_attempts"
        ))
        .await;
    let manager = manager(&world.db, TENANT).await;
    manager.run("begin").await;
    let mut listed = list(&manager, "").await;
    listed.sort();
    assert_eq!(listed, ["1 delivered 1", "2 delivered 1"]);
    let read = "select sum(seq_tup_read + idx_tup_fetch) < 500 from pg_stat_xact_all_tables where relname like 'delivery_attempts%'";
    assert_eq!(manager.text(read).await, "t");
    manager.run("commit").await;
    let of_gone = format!(", subscription_id => '{gone}'");
    assert_eq!(list(&manager, &of_gone).await, ["2 delivered 1"]);
}
