//! No cached plan, no missing or misleading statistics may make the hot paths read a table from end to end.
//!
//! The server counts the rows that were really read, in `pg_stat_xact_user_tables`.

use serde_json::json;
use webhooks_tests::database::{Database, MANAGER_ROLE};

use crate::support::claim::Claim;
use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::{TENANT, database, publish_many, subscribe, subscription_id};

const QUEUED: u32 = 20_000;

async fn subscribe_as(db: &Database, end: &str) {
    subscribe(db, json!({"id": subscription_id(end)})).await;
}

fn claim() -> Claim {
    Claim::of_all_shards()
        .with("per_subscription", 20)
        .with("max_rows", 500)
}

fn count(claim: &Claim) -> String {
    format!("select count(*) from {claim}")
}

/// Runs a statement that must have this value.
///
/// Returns: for a table, how often it was read from end to end and how many rows were fetched by index.
async fn reads(session: &Session, statement: &str, value: &str, table: &str) -> (u64, u64) {
    let counts = format!(
        "select coalesce(seq_scan, 0), coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables
         where schemaname in ('webhooks', 'webhooks_private') and relname = '{table}'"
    );
    let counts = async || -> [u64; 2] {
        let counts = session.text(&counts).await;
        let (seq_scans, fetched) = counts.split_once('|').unwrap();
        [seq_scans, fetched].map(|n| n.parse().unwrap())
    };
    session.run("begin").await;
    // Counts of earlier transactions may still be there.
    let before = counts().await;
    assert_eq!(session.text(statement).await, value);
    let after = counts().await;
    session.run("commit").await;
    (after[0] - before[0], after[1] - before[1])
}

/// Records the 500 oldest, but as a prepared statement of the sidecar's would: the ids come from outside.
async fn oldest(session: &Session) -> String {
    let ids = "select array_agg(id) from (select id from webhooks.delivery_queue order by id limit 500) q";
    let ids = session.text(ids).await;
    record(&format!("unnest('{ids}'::uuid[])"))
}

/// Records deliveries with these ids, whatever they are in the queue.
fn record(ids: &str) -> String {
    let deliveries = format!("select {ids} as id, null::uuid as subscription_id, 0 as attempt");
    let record = Record::of(deliveries, "delivered").with("http_status_code", 200);
    format!("select count(*) from ({record}) late")
}

/// Claims and records with a queue of 20,000, in a session that has worked before.
async fn assert_queue_is_read_by_index(session: &Session) {
    let queued = "select count(*) from webhooks.delivery_queue";
    assert!(session.text(queued).await.parse::<u32>().unwrap() >= QUEUED);
    let shards = "array(select s::smallint from generate_series(0, 15) s)";
    for round in 0..8 {
        let (seq_scans, fetched) = reads(session, &count(&claim()), "20", "delivery_queue").await;
        assert_eq!(seq_scans, 0, "claim, round {round}");
        assert!(fetched < 200, "claim fetched {fetched}, round {round}");

        let record = oldest(session).await;
        let (seq_scans, fetched) = reads(session, &record, "0", "delivery_queue").await;
        assert_eq!(seq_scans, 0, "record, round {round}");
        assert!(fetched < 2000, "record fetched {fetched}, round {round}");

        let promote =
            format!("select cardinality(delivery_ids) from webhooks_private.promote_due({shards})");
        let (seq_scans, _) = reads(session, &promote, "0", "delivery_queue").await;
        assert_eq!(seq_scans, 0, "promote, round {round}");
        let orphans = "select webhooks_private.remove_orphans()";
        let (seq_scans, fetched) = reads(session, orphans, "0", "delivery_queue").await;
        assert_eq!(seq_scans, 0, "remove_orphans, round {round}");
        assert!(fetched < 200, "remove_orphans fetched {fetched}");
    }
    // A backlog that waits for retries, some of it due.
    session
        .run(
            "update webhooks.delivery_queue set next_attempt_at = now() + interval '1 h';
             update webhooks.delivery_queue set next_attempt_at = now() - interval '1 h'
             where id in (select id from webhooks.delivery_queue order by md5(id::text) limit 160)",
        )
        .await;
    for round in 0..8 {
        let promote = format!(
            "select cardinality(delivery_ids) from webhooks_private.promote_due({shards}, 20)"
        );
        let (seq_scans, fetched) = reads(session, &promote, "20", "delivery_queue").await;
        assert_eq!(seq_scans, 0, "promote, round {round}");
        assert!(fetched < 1000, "promote fetched {fetched}, round {round}");
    }
    // Nothing due is found without reading what is not.
    let promote =
        format!("select cardinality(delivery_ids) from webhooks_private.promote_due({shards})");
    let (_, fetched) = reads(session, &promote, "0", "delivery_queue").await;
    assert!(fetched < 100, "promote fetched {fetched} to find nothing");
}

/// Whatever a session may have cached while there was nothing.
async fn work_on_nothing(session: &Session) {
    for _ in 0..7 {
        session.run(&count(&claim())).await;
        let none = record("unnest(array(select gen_random_uuid() from generate_series(1, 500)))");
        session.run(&none).await;
        session
            .run("select * from webhooks_private.promote_due('{0,1,2}'); select webhooks_private.remove_orphans()")
            .await;
    }
}

#[tokio::test]
async fn the_queue_was_never_analysed() {
    let (db, session) = database("never_analysed").await;
    subscribe_as(&db, "1").await;
    work_on_nothing(&session).await;
    publish_many(&db, "job.created", QUEUED + 5000).await;
    assert_queue_is_read_by_index(&session).await;
}

#[tokio::test]
async fn the_queue_was_analysed_when_empty() {
    let (db, session) = database("analysed_empty").await;
    subscribe_as(&db, "1").await;
    session
        .run("vacuum analyze webhooks.delivery_queue; ")
        .await;
    session
        .run("analyze webhooks.webhook_subscriptions; analyze webhooks.event_logs; analyze webhooks_private.subscription_routes")
        .await;
    work_on_nothing(&session).await;
    publish_many(&db, "job.created", QUEUED + 5000).await;
    assert_queue_is_read_by_index(&session).await;
}

/// Where nearly all rows are one subscription's, the order by id of the primary key looks as good as that of the
/// claim's own index. It is not: whatever came later, for others, lies behind all of the backlog.
#[tokio::test]
async fn the_queue_was_analysed_when_one_subscription_had_all_of_it() {
    let (db, session) = database("analysed_backlog").await;
    subscribe_as(&db, "10").await;
    publish_many(&db, "job.created", QUEUED).await;
    session.run("vacuum analyze webhooks.delivery_queue").await;
    session
        .run("update webhooks.webhook_subscriptions set subscribed_events = '[\"document.*\"]'")
        .await;
    subscribe_as(&db, "20").await;
    subscribe(
        &db,
        json!({"id": subscription_id("30"), "ordering": "fifo"}),
    )
    .await;
    publish_many(&db, "job.created", 5).await;
    for round in 0..8 {
        let (seq_scans, fetched) = reads(&session, &count(&claim()), "30", "delivery_queue").await;
        assert_eq!(seq_scans, 0, "round {round}");
        assert!(fetched < 200, "claim fetched {fetched}, round {round}");
    }
}

/// The same of a lane: fresh deliveries are looked up in theirs, not among all earlier ones.
#[tokio::test]
async fn the_queue_was_analysed_when_one_lane_had_all_of_it() {
    let (db, session) = database("analysed_lane").await;
    let fifo = |end: &str, events: &str| json!({"id": subscription_id(end), "ordering": "fifo", "subscribed_events": [events]});
    subscribe(&db, fifo("10", "job.*")).await;
    publish_many(&db, "job.created", QUEUED).await;
    // Not among the newest.
    session
        .run(
            "update webhooks.delivery_queue q
             set id = overlay(q.id::text placing left(webhooks.uuid_v7_floor(now() - interval '1 h')::text, 13) from 1)::uuid",
        )
        .await;
    session
        .run("vacuum full analyze webhooks.delivery_queue")
        .await;
    for end in ["20", "30"] {
        subscribe(&db, fifo(end, "document.*")).await;
    }
    publish_many(&db, "document.uploaded", 5).await;
    let newest = claim()
        .with(
            "known_subscriptions",
            format_args!("'{{{}}}'", subscription_id("10")),
        )
        .with("per_subscription", 1)
        .with("max_fresh", 32)
        .with("max_rows", 1);
    for round in 0..8 {
        // As if just published.
        session
            .run("update webhooks.delivery_queue set id = webhooks.uuid_v7() where subscription_id <> '00000000-0000-7000-8000-000000000010'")
            .await;
        let (seq_scans, fetched) = reads(&session, &count(&newest), "3", "delivery_queue").await;
        assert_eq!(seq_scans, 0, "round {round}");
        assert!(fetched < 500, "claim fetched {fetched}, round {round}");
    }
}

/// While a transaction keeps dead rows from being removed, a lane begins with many of them, and most lanes are nothing else.
#[tokio::test]
async fn dead_rows_of_lanes_are_gone_over_once() {
    let (db, session) = database("dead_lanes").await;
    let holder = Session::open(&db).await;
    for end in ["10", "20"] {
        subscribe(&db, json!({"id": subscription_id(end), "ordering": "fifo"})).await;
    }
    holder
        .run("begin isolation level repeatable read; select count(*) from webhooks.delivery_queue")
        .await;
    // Of one all are in one lane, of the other in 40.
    session
        .run(&format!(
            "insert into webhooks.delivery_queue (subscription_id, event_log_id, tenant_id, shard, lane)
             select s.id, gen_random_uuid(), '{TENANT}', 0, case right(s.id::text, 2) when '10' then 7 else (n % 40 - 20) * 400000000000000000 end
             from generate_series(1, 2000) n, webhooks.webhook_subscriptions s;
             delete from webhooks.delivery_queue
             where id <> all (array(select id from webhooks.delivery_queue where lane = 7 order by id desc limit 10)) and lane <> 0"
        ))
        .await;
    for (end, live) in [("10", 10), ("20", 20)] {
        let only = Claim::of_shards(&[0])
            .with("per_subscription", 20)
            .with("max_rows", 500)
            .with(
                "only_subscriptions",
                format_args!("'{{{}}}'", subscription_id(end)),
            )
            .with("after_ids", "'{null}'");
        let only = count(&only);
        // Where it begins is left to chance.
        for _ in 0..8 {
            let before = entries_read(&session, "delivery_queue_ordered").await;
            assert_eq!(session.text(&only).await, live.to_string());
            let read = entries_read(&session, "delivery_queue_ordered").await - before;
            assert!((1_900..2_200).contains(&read), "{end}: {read} entries read");
        }
    }
    holder.run("rollback").await;
}

/// Entries of an index that were read so far, also of dead rows.
async fn entries_read(session: &Session, index: &str) -> u64 {
    session.run("select pg_stat_force_next_flush()").await;
    let read = format!(
        "select idx_tup_read from pg_stat_user_indexes where schemaname in ('webhooks', 'webhooks_private') and indexrelname = '{index}'"
    );
    session.text(&read).await.parse().unwrap()
}

#[tokio::test]
async fn subscriptions_are_loaded_by_index_however_many_there_are() {
    let (db, session) = database("load_plan").await;
    subscribe_as(&db, "1").await;
    let load = "select count(*) from webhooks_private.load_subscriptions(array(
        select id from webhooks.webhook_subscriptions order by id limit 40))";
    let check = async |loaded: &str, when: &str| {
        for round in 0..8 {
            for table in ["subscription_breakers", "subscription_verifications"] {
                let (seq_scans, _) = reads(&session, load, loaded, table).await;
                assert_eq!(seq_scans, 0, "{table}, {when}, round {round}");
            }
            let ids = "select array_agg(id) from (select id from webhooks.webhook_subscriptions order by id limit 40) s";
            let ids = session.text(ids).await;
            let load = format!("select count(*) from webhooks_private.load_subscriptions('{ids}')");
            let table = "webhook_subscriptions";
            let (seq_scans, fetched) = reads(&session, &load, loaded, table).await;
            assert_eq!(seq_scans, 0, "{when}, round {round}");
            assert!(fetched <= 40, "fetched {fetched}, {when}");
        }
    };
    check("1", "one").await;
    // Of a table this small the planner would rather read all, and a session keep that plan.
    session.run("analyze webhooks.webhook_subscriptions").await;
    check("1", "one, analysed").await;
    session
        .run(
            "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events)
             select gen_random_uuid(), 'x', 'http://x.example/', '[\"*\"]' from generate_series(1, 5000)",
        )
        .await;
    check("40", "thousands").await;
    session.run("analyze webhooks.webhook_subscriptions").await;
    check("40", "thousands, analysed").await;
}

#[tokio::test]
async fn a_known_key_is_looked_up_however_many_there_are() {
    let (_db, session) = database("keys_plan").await;
    let publish = format!(
        "select 1 from webhooks.publish_event('{TENANT}', 'job.created', idempotency_key => 'k')"
    );
    session
        .run(&format!(
            "{publish}; analyze webhooks_private.idempotency_keys"
        ))
        .await;
    for more in ["0", "10000"] {
        session
            .run(&format!(
                "insert into webhooks_private.idempotency_keys (tenant_id, idempotency_key, event_id)
                 select '{TENANT}', n, webhooks.uuid_v7() from generate_series(1, {more}) n"
            ))
            .await;
        for round in 0..8 {
            let (seq_scans, fetched) = reads(&session, &publish, "1", "idempotency_keys").await;
            assert_eq!(seq_scans, 0, "{more} more keys, round {round}");
            assert!(fetched < 10, "fetched {fetched} with {more} more keys");
        }
    }
}

#[tokio::test]
async fn publishing_looks_up_its_routes_however_many_there_are() {
    let (db, session) = database("routes_plan").await;
    // Its plans are its own, not made within publish_event().
    let importer = Session::open(&db).await;
    let publish = format!("select 1 from webhooks.publish_event('{TENANT}', 'job.created')");
    subscribe_as(&db, "1").await;
    let bulk = format!(
        "with e as (insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
         select '{TENANT}', 'job.created', 'job', 'x', '{{}}' from generate_series(1, 100) returning id) select count(*) from e"
    );
    let check = async |when: &str| {
        for round in 0..8 {
            for table in ["subscription_routes", "event_types"] {
                let (seq_scans, fetched) = reads(&session, &publish, "1", table).await;
                assert_eq!(seq_scans, 0, "{table}, {when}, round {round}");
                assert!(fetched <= 10, "{table} fetched {fetched}, {when}");
            }
            let (seq_scans, fetched) = reads(&importer, &bulk, "100", "subscription_routes").await;
            assert_eq!(seq_scans, 0, "bulk, {when}, round {round}");
            assert!(fetched <= 1000, "bulk fetched {fetched}, {when}");
        }
    };
    check("1 route").await;
    // Of a table this small the planner would rather read all, and a session keep that plan.
    session
        .run("analyze webhooks_private.subscription_routes")
        .await;
    check("1 route, analysed").await;
    session
        .run(
            "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events)
             select gen_random_uuid(), 'x', 'http://x.example/', '[\"job.created\", \"user.*\"]' from generate_series(1, 5000)",
        )
        .await;
    let routes = "select count(*) from webhooks_private.subscription_routes";
    assert_eq!(session.text(routes).await, "10001");
    check("10,001 routes").await;
    session
        .run("analyze webhooks_private.subscription_routes")
        .await;
    check("10,001 routes, analysed").await;
}

/// The questions to the log in docs/how-to/find-a-delivery.md, however long it is, and whether row-level security adds its
/// own to them or not.
#[tokio::test]
async fn the_log_is_read_by_index() {
    let (db, session) = database("log_plan").await;
    subscribe_as(&db, "1").await;
    session
        .run(
            "select webhooks.create_partitions(2);
             insert into webhooks.delivery_attempts
                 (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             select webhooks.uuid_v7(), 1, now(), ('00000000-0000-7000-8000-' || lpad(to_hex(n % 200), 12, '0'))::uuid,
                    webhooks.uuid_v7(), case n % 200 when 1 then '11111111-1111-4111-8111-111111111111' else webhooks.uuid_v7() end, 'delivered'
             from generate_series(1, 20000) n",
        )
        .await;
    publish_many(&db, "job.created", 20).await;
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    session
        .run("analyze webhooks.delivery_attempts; analyze webhooks.delivery_queue; analyze webhooks.webhook_subscriptions")
        .await;
    let partition = "select tableoid::regclass::text from webhooks.delivery_attempts limit 1";
    let partition = session
        .text(partition)
        .await
        .replace("webhooks_private.", "");
    let queued = "select min(id::text) from webhooks.delivery_queue";
    let (queued, logged) = (
        session.text(queued).await,
        session
            .text(&format!("select min(delivery_id::text) from webhooks.delivery_attempts where tenant_id = '{TENANT}'"))
            .await,
    );
    let view = "select count(*) from webhooks.webhook_delivery_logs where";
    let one = "'00000000-0000-7000-8000-000000000001'";
    let recent = "id > webhooks.uuid_v7_floor(now() - interval '1 hour')";
    let event = format!(
        "select min(event_log_id::text) from webhooks.delivery_attempts where subscription_id = {one}"
    );
    let event = session.text(&event).await;
    let of_an_event = format!(
        "{view} event_log_id = '{event}'
         and subscription_id = any (array(select id from webhooks.webhook_subscriptions where tenant_id = '{TENANT}')) and {recent}"
    );
    let by_time = format!(
        "select count(*) from webhooks.delivery_attempts where subscription_id = {one} and attempted_at > now() - interval '1 hour'"
    );
    for (query, value) in [
        (format!("{view} id = '{queued}'"), "1"),
        (format!("{view} id = '{logged}'"), "1"),
        (
            format!("{view} subscription_id = {one} and {recent}"),
            "120",
        ),
        (of_an_event, "1"),
        (by_time, "100"),
    ] {
        for session in [&session, &manager] {
            let (seq_scans, fetched) = reads(session, &query, value, &partition).await;
            assert_eq!(seq_scans, 0, "{query}");
            assert!(fetched <= 300, "{fetched} fetched: {query}");
        }
    }
    // In the queue as well. (A subscription's rows there are among what is outstanding.)
    session
        .run("insert into webhooks.delivery_queue (subscription_id, event_log_id, tenant_id, shard)
              select u, u, u, 0 from (select webhooks.uuid_v7() u from generate_series(1, 20000)) t; analyze webhooks.delivery_queue")
        .await;
    for id in [queued, logged] {
        let found = format!("{view} id = '{id}'");
        for session in [&session, &manager] {
            let (seq_scans, _) = reads(session, &found, "1", "delivery_queue").await;
            assert_eq!(seq_scans, 0);
        }
    }
}

/// A tenant's own events are found among everybody's: what row-level security adds is a condition like any other.
#[tokio::test]
async fn a_tenants_events_are_found_by_index() {
    let (db, session) = database("tenant_plan").await;
    session
        .run(
            "select webhooks.create_partitions(2);
             insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data)
             select gen_random_uuid(), 'job.created', 'job', 'x', '{}' from generate_series(1, 20000)",
        )
        .await;
    publish_many(&db, "job.created", 30).await;
    session.run("analyze webhooks.event_logs").await;
    let partition = "select tableoid::regclass::text from webhooks.event_logs limit 1";
    let partition = session
        .text(partition)
        .await
        .replace("webhooks_private.", "");
    let manager = Session::open_as(&db, MANAGER_ROLE).await;
    manager
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    for (query, value) in [
        ("select count(*) from webhooks.event_logs", "30"),
        (
            "select count(*) from (select from webhooks.event_logs order by created_at desc limit 20) e",
            "20",
        ),
        (
            "select count(*) from webhooks.event_logs where created_at > now() - interval '1 hour' and event_data ->> 'n' = '7'",
            "1",
        ),
    ] {
        let (seq_scans, fetched) = reads(&manager, query, value, &partition).await;
        assert_eq!(seq_scans, 0, "{query}");
        assert!(fetched <= 30, "{fetched} fetched: {query}");
    }
}
