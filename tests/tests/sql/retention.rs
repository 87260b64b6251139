//! What is older than the settings for retention goes, without anybody waiting for it, and is told as gone.

mod load;

use std::time::{Duration, Instant};

use serde_json::json;
use webhooks_tests::database::Database;

use crate::support::session::Session;
use crate::support::world::{TENANT, subscribe};

const A: &str = "00000000-0000-7000-8000-000000000001";

/// A database in which both logs have partitions of so many days before today, and A gets everything.
async fn database(name: &str, days: u32) -> (Database, Session) {
    let (db, session) = crate::support::world::database(name).await;
    make_days(&session, days).await;
    subscribe(&db, json!({"id": A})).await;
    (db, session)
}

/// Partitions of so many days before today, which is as if they had been made then.
async fn make_days(session: &Session, days: u32) {
    session
        .run("drop table webhooks_private.event_logs_past")
        .await;
    // A few in each transaction: each of a table takes some locks.
    for first in (1..=days).step_by(20) {
        let last = days.min(first + 19);
        session
            .run(&format!(
                "do $$ declare parent text; begin
                     foreach parent in array array['event_logs', 'delivery_attempts'] loop
                         perform webhooks_private.make_partitions(parent, array(
                             select format('%s_%s', parent, to_char(now() at time zone 'utc' - d * interval '1 d', 'YYYYMMDD'))
                             from generate_series({first}, {last}) d), 0);
                     end loop;
                 end $$"
            ))
            .await;
    }
    session.run("select webhooks.create_partitions()").await;
}

/// The id of an event that was published so many days before now.
fn id(days: f64) -> String {
    format!(
        "overlay(webhooks.uuid_v7_floor(now() - {days} * interval '1 d')::text placing '7' from 15)::uuid"
    )
}

/// Publishes an event as if it were so many days ago.
///
/// Returns: its id.
async fn publish(session: &Session, days: f64) -> String {
    let publish = format!(
        "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data, created_at)
         values ({}, '{TENANT}', 'job.created', 'job', 'x', '{{}}', now() - {days} * interval '1 d') returning id",
        id(days)
    );
    session.text(&publish).await
}

/// Finishes everything that is outstanding, with a response, as if that had been a moment after publication.
async fn finish(session: &Session, status: &str) {
    let finish = format!(
        "with d as (delete from webhooks.delivery_queue returning *)
         insert into webhooks.delivery_attempts
             (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status, response_headers, response_body)
         select overlay(webhooks.uuid_v7_floor(webhooks.uuid_v7_time(event_log_id) + interval '1 ms')::text placing '7' from 15)::uuid, attempt + 1,
                webhooks.uuid_v7_time(event_log_id), subscription_id, event_log_id, tenant_id, '{status}', '{{}}', 'what it said' from d"
    );
    session.run(&finish).await;
}

async fn set(session: &Session, setting: &str, value: u32) {
    session
        .run(&format!(
            "select webhooks.set_setting('{setting}', {value})"
        ))
        .await;
}

/// What one call of maintain() says of a task; nothing: it says nothing.
async fn done(session: &Session, task: &str) -> String {
    let done = format!("select done from webhooks.maintain() where task = '{task}'");
    session.lines(&done).await.join(",")
}

/// Calls maintain() as a sidecar does, until it drops nothing more.
async fn drop_all(session: &Session) {
    while done(session, "drop_partitions").await == "1" {}
}

/// Days before today that have a partition: `1 2 3`.
async fn days(session: &Session, table: &str) -> String {
    let days = format!(
        "select coalesce(string_agg(d::text, ' ' order by d), '') from (
             select (now() at time zone 'utc')::date - right(c.relname, 8)::date as d
             from pg_inherits i join pg_class c on c.oid = i.inhrelid
             where i.inhparent = 'webhooks.{table}'::regclass and c.relname ~ '_[0-9]{{8}}$') p where d > 0"
    );
    session.text(&days).await
}

#[tokio::test]
async fn old_partitions_are_dropped_one_a_call() {
    let (_db, session) = database("old_partitions", 8).await;
    for days in [7.0, 5.0, 3.0, 1.0] {
        publish(&session, days).await;
    }
    finish(&session, "delivered").await;
    // Nothing is old unless somebody says so.
    assert_eq!(done(&session, "drop_partitions").await, "0");
    set(&session, "event_retention_days", 5).await;
    set(&session, "delivery_log_retention_days", 2).await;
    // A day is old when all of it is.
    let overdue = "select relation, count(*), count(held_by) from webhooks.overdue_partitions() group by 1 order by 1";
    assert_eq!(
        session.lines(overdue).await,
        ["delivery_attempts|6|0", "event_logs|3|0"]
    );
    assert_eq!(done(&session, "overdue_partitions").await, "8");
    assert_eq!(done(&session, "drop_partitions").await, "1");
    drop_all(&session).await;
    assert_eq!(done(&session, "overdue_partitions").await, "");
    assert_eq!(days(&session, "event_logs").await, "1 2 3 4 5");
    assert_eq!(days(&session, "delivery_attempts").await, "1 2");
    let left = "select (select count(*) from webhooks.event_logs), (select count(*) from webhooks.delivery_attempts)";
    assert_eq!(session.text(left).await, "3|1");
    // Nothing of it comes back.
    assert_eq!(done(&session, "create_partitions").await, "0");
}

#[tokio::test]
async fn months_of_the_audit_log_go_as_well() {
    let (_db, session) = crate::support::world::database("old_months").await;
    session
        .run(
            "do $$ begin
                 perform webhooks_private.make_partitions('audit_log', array(
                     select 'audit_log_' || to_char(date_trunc('month', now() at time zone 'utc') - m * interval '1 month', 'YYYYMMDD')
                     from generate_series(1, 4) m), 0);
             end $$",
        )
        .await;
    set(&session, "audit_retention_months", 2).await;
    drop_all(&session).await;
    let months = "select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid
                  where i.inhparent = 'webhooks.audit_log'::regclass and c.relname ~ '_[0-9]{8}$'
                    and right(c.relname, 8)::date < date_trunc('month', now() at time zone 'utc')";
    // That before the last two may still have days that are not old.
    let left: u32 = session.text(months).await.parse().unwrap();
    assert!((2..=3).contains(&left), "{left}");
}

#[tokio::test]
async fn what_an_outstanding_delivery_needs_stays_and_it_is_said_which() {
    let (_db, session) = database("held", 8).await;
    let event = publish(&session, 6.5).await;
    set(&session, "event_retention_days", 3).await;
    let delivery = format!("select id from webhooks.delivery_queue where event_log_id = '{event}'");
    let delivery = session.text(&delivery).await;
    drop_all(&session).await;
    let held = "select partition, held_by, held_since > now() - interval '1 min' and held_since <= now() from webhooks.overdue_partitions()";
    let partition =
        format!("select (tableoid::regclass)::text from webhooks.event_logs where id = '{event}'");
    let partition = session.text(&partition).await;
    let partition = partition.strip_prefix("webhooks_private.").unwrap();
    assert_eq!(
        session.lines(held).await,
        [format!("{partition}|{delivery}|t")]
    );
    // Nothing to call again for.
    assert_eq!(done(&session, "overdue_partitions").await, "");
    // Its attempts are needed as long.
    let old = format!(
        "update webhooks.delivery_queue set id = {} where id = '{delivery}'",
        id(5.0)
    );
    session.run(&old).await;
    set(&session, "delivery_log_retention_days", 3).await;
    drop_all(&session).await;
    let held = "select relation, held_by is not null from webhooks.overdue_partitions() order by 1";
    assert_eq!(
        session.lines(held).await,
        ["delivery_attempts|t", "event_logs|t"]
    );
    session.run("delete from webhooks.delivery_queue").await;
    drop_all(&session).await;
    assert_eq!(session.lines(held).await, [""; 0]);
}

/// A delivery that is made again right now is not to be seen yet, and yet it holds its event.
#[tokio::test]
async fn a_retry_that_is_not_committed_holds_its_event() {
    let (db, session) = database("uncommitted", 8).await;
    let event = publish(&session, 6.5).await;
    finish(&session, "failed").await;
    let delivery = "select delivery_id from webhooks.delivery_attempts";
    let delivery = session.text(delivery).await;
    set(&session, "event_retention_days", 6).await;
    let retrying = Session::open(&db).await;
    retrying
        .run(&format!(
            "begin; select webhooks.retry_delivery('{delivery}')"
        ))
        .await;
    let partition = format!(
        "select replace((tableoid::regclass)::text, 'webhooks_private.', '') from webhooks.event_logs where id = '{event}'"
    );
    let partition = session.text(&partition).await;
    let refusal = session
        .refused(&format!(
            "select webhooks_private.drop_partition('event_logs', '{partition}')"
        ))
        .await;
    assert_eq!(refusal.code, "55P03");
    retrying.run("commit").await;
    let dropped = format!("select webhooks_private.drop_partition('event_logs', '{partition}')");
    assert_eq!(session.text(&dropped).await, "f");
    session.run("delete from webhooks.delivery_queue").await;
    assert_eq!(session.text(&dropped).await, "t");
}

#[tokio::test]
async fn behind_a_long_reader_it_gives_up_at_once_and_nobody_waits() {
    let (db, session) = database("long_reader", 8).await;
    set(&session, "event_retention_days", 5).await;
    let reader = Session::open(&db).await;
    reader
        .run("begin; select count(*) from webhooks.event_logs")
        .await;
    for _ in 0..3 {
        let started = Instant::now();
        assert_eq!(done(&session, "drop_partitions").await, "0");
        assert!(started.elapsed() < Duration::from_secs(10));
        // As if it had not been tried.
        publish(&session, 0.0).await;
    }
    assert_eq!(done(&session, "overdue_partitions").await, "3");
    reader.run("commit").await;
    assert_eq!(done(&session, "drop_partitions").await, "1");
}

/// Ids of the caller's own lie in no partition of a day: there it is `created_at` that counts.
#[tokio::test]
async fn old_events_with_ids_of_the_callers_own_are_deleted_in_batches() {
    let (_db, session) = database("own_ids", 2).await;
    let insert = |event_type: &str, days: &str| {
        format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data, created_at)
             select gen_random_uuid(), '{TENANT}', '{event_type}', 'job', 'x', '{{}}', now() - d * interval '1 d' - interval '12 h' from generate_series({days}) d"
        )
    };
    for event_type in ["job.created", "job.failed"] {
        session.run(&insert(event_type, "1, 12")).await;
    }
    let held = "select event_log_id from webhooks.delivery_queue q join webhooks.event_logs e on e.id = q.event_log_id
                where e.created_at < now() - interval '11 d 1 h' limit 1";
    let held = session.text(held).await;
    session
        .run(&format!(
            "delete from webhooks.delivery_queue where event_log_id <> '{held}';
             update webhooks.delivery_queue set id = {}",
            id(9.0)
        ))
        .await;
    set(&session, "event_retention_days", 6).await;
    let forget = "select webhooks_private.forget_old_rows(5)";
    let mut deleted = 0;
    loop {
        let n: u32 = session.text(forget).await.parse().unwrap();
        // Of each of three partitions.
        assert!(n <= 15);
        deleted += n;
        if n == 0 {
            break;
        }
    }
    // All but the one that is needed.
    assert_eq!(deleted, 2 * 7 - 1);
    let left =
        "select count(*), min(created_at) < now() - interval '11 d' from webhooks.event_logs";
    assert_eq!(session.text(left).await, "11|t");
    session.run("delete from webhooks.delivery_queue").await;
    assert_eq!(done(&session, "forget_events").await, "1");
    assert_eq!(session.text(left).await, "10|f");
}

#[tokio::test]
async fn responses_expire_before_their_attempts() {
    let (_db, session) = database("responses", 9).await;
    for days in [8.5, 6.5, 4.5, 2.5, 0.5] {
        publish(&session, days).await;
    }
    finish(&session, "delivered").await;
    // One that is outstanding for long: what was said to it goes later.
    let late = publish(&session, 5.5).await;
    session
        .run(&format!(
            "update webhooks.delivery_queue set id = {} where event_log_id = '{late}'",
            id(5.5)
        ))
        .await;
    set(&session, "response_retention_days", 4).await;
    let expire = async || while done(&session, "expire_responses").await != "0" {};
    expire().await;
    let left = "select count(*), count(response_body), count(response_headers) from webhooks.delivery_attempts";
    assert_eq!(session.text(left).await, "5|2|2");
    let finish_late = |days: f64| {
        format!(
            "with d as (delete from webhooks.delivery_queue returning *)
             insert into webhooks.delivery_attempts
                 (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status, response_body)
             select id, 1, now() - {days} * interval '1 d', subscription_id, event_log_id, tenant_id, 'delivered', 'late' from d"
        )
    };
    session.run(&finish_late(1.0)).await;
    expire().await;
    assert_eq!(session.text(left).await, "6|3|2");
    session
        .run("update webhooks.delivery_attempts set attempted_at = now() - interval '5 d' where response_body = 'late'")
        .await;
    expire().await;
    assert_eq!(session.text(left).await, "6|2|2");
    let remembered = "select count(*) from webhooks_private.expired_responses where not is_mark";
    assert_eq!(session.text(remembered).await, "0");
}

#[tokio::test]
async fn what_is_gone_is_told_as_gone() {
    let (db, session) = database("gone", 8).await;
    let gone = publish(&session, 6.5).await;
    let kept = publish(&session, 2.5).await;
    finish(&session, "failed").await;
    set(&session, "event_retention_days", 4).await;
    drop_all(&session).await;

    let history = |arguments: &str| {
        format!(
            "select right(event_log_id::text, 12) = '000000000000', event_type, what, attempt, status
             from webhooks.event_history('{TENANT}'{arguments}) order by at"
        )
    };
    let story = [
        "t|null|published, no longer kept|null|null",
        "t|null|attempted|1|failed",
        "t|null|queued|null|null",
    ];
    let mut of_event = session
        .lines(&history(&format!(", event_id => '{gone}'")))
        .await;
    of_event.sort_unstable();
    let mut expected = story;
    expected.sort_unstable();
    assert_eq!(of_event, expected);
    let events = format!(
        "select string_agg(distinct event_log_id::text, ' ' order by event_log_id::text) from webhooks.event_history('{TENANT}', since => now() - interval '7 days')"
    );
    assert_eq!(session.text(&events).await, format!("{gone} {kept}"));
    // What was never there has no history.
    let nothing = history(", event_id => webhooks.uuid_v7()");
    assert_eq!(session.lines(&nothing).await, [""; 0]);

    let retry = format!("select webhooks.retry_failed('{A}')");
    assert_eq!(session.text(&retry).await, "1");
    let audit = "select after ->> 'deliveries', after ->> 'not_kept' from webhooks.audit_log where action = 'retried'";
    assert_eq!(session.lines(audit).await, ["1|1"]);
    let log = db.cluster().server_log();
    assert!(log.contains("deliveries whose events are no longer kept can't be made again: 1"));
}

#[tokio::test]
async fn a_key_does_not_return_an_event_that_was_dropped() {
    let (_db, session) = database("key", 8).await;
    let publish =
        format!("select webhooks.publish_event('{TENANT}', 'job.created', idempotency_key => 'k')");
    let first = session.text(&publish).await;
    assert_eq!(session.text(&publish).await, first);
    session
        .run(&format!(
            "delete from webhooks.delivery_queue;
             update webhooks.event_logs set id = {} where id = '{first}';
             update webhooks_private.idempotency_keys set event_id = (select id from webhooks.event_logs)",
            id(6.5)
        ))
        .await;
    let old = session.text("select id from webhooks.event_logs").await;
    assert_eq!(session.text(&publish).await, old);
    set(&session, "event_retention_days", 4).await;
    drop_all(&session).await;
    let second = session.text(&publish).await;
    assert_ne!(second, old);
    assert_eq!(session.text(&publish).await, second);

    // 0 keeps keys for good.
    session
        .run("update webhooks_private.idempotency_keys set created_at = '2001-01-01'")
        .await;
    set(&session, "idempotency_retention_hours", 0).await;
    assert_eq!(done(&session, "forget_idempotency_keys").await, "0");
    assert_eq!(session.text(&publish).await, second);
}
