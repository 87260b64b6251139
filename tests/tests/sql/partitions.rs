use std::time::Instant;

use serde_json::json;

use crate::support::session::Session;
use crate::support::world::{TENANT, database, subscribe};

/// Tables that have partitions by the month.
const MONTHLY: u32 = 2;
/// Partitions by day from today, as parent and days: `event_logs 0 1 2`.
const PARTITIONS: &str = "
    select i.inhparent::regclass::text, string_agg((right(c.relname, 8)::date - (now() at time zone 'utc')::date)::text, ' ' order by c.relname)
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where c.relname ~ '^(event_logs|delivery_attempts)_[0-9]{8}$' group by 1 order by 1";

/// How many partitions by the month there are from today to so many days ahead.
async fn monthly(session: &Session, days: u32) -> u32 {
    let months = format!(
        "select count(distinct date_trunc('month', day)) from generate_series(
             date_trunc('day', now() at time zone 'utc'), now() at time zone 'utc' + interval '{days} d', '1 d') day"
    );
    MONTHLY * session.text(&months).await.parse::<u32>().unwrap()
}

async fn made(session: &Session, create: &str) -> u32 {
    session.text(create).await.parse().unwrap()
}

/// An id of the day so many days from today, a second after it began.
fn id(days: i32) -> String {
    format!(
        "webhooks.uuid_v7_floor(date_trunc('day', now() at time zone 'utc') at time zone 'utc' + interval '{days} d 1 s')"
    )
}

fn event(days: i32) -> String {
    format!(
        "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
         values ({}, '{TENANT}', 'job.created', 'job', 'x', '{{}}')",
        id(days)
    )
}

#[tokio::test]
async fn there_is_a_partition_a_day() {
    let (_db, session) = database("partitions").await;
    let create = |days: &str| format!("select webhooks.create_partitions({days})");
    // From the first second on.
    let week = "webhooks.delivery_attempts|0 1 2 3 4 5 6 7,webhooks.event_logs|0 1 2 3 4 5 6 7";
    assert_eq!(session.lines(PARTITIONS).await.join(","), week);
    assert_eq!(made(&session, &create("")).await, 0);
    let months = [monthly(&session, 7).await, monthly(&session, 9).await];
    let more = 4 + months[1] - months[0];
    assert_eq!(made(&session, &create("9")).await, more);
    assert_eq!(made(&session, &create("9")).await, 0);
    let more = 2 + monthly(&session, 10).await - months[1];
    session
        .run("select webhooks.set_setting('partition_days_ahead', 10)")
        .await;
    let maintain = "select done from webhooks.maintain() where task = 'create_partitions'";
    assert_eq!(made(&session, maintain).await, more);
    assert_eq!(made(&session, maintain).await, 0);

    for days in ["0", "367", "-1"] {
        let refusal = session.refused(&create(days)).await;
        assert_eq!(refusal.code, "22023");
        assert_eq!(
            refusal.message,
            format!("days_ahead is {days}, not between 1 and 366")
        );
        assert!(!refusal.hint.is_empty());
    }
    let refusal = session.refused(&create("move_rows => -1")).await;
    assert_eq!(
        (&*refusal.code, &*refusal.message),
        ("22023", "move_rows is -1")
    );
}

#[tokio::test]
async fn rows_land_in_their_day() {
    let (db, session) = database("landing").await;
    subscribe(&db, json!({})).await;
    for days in [-1, 0, 1, 2, 8] {
        session.run(&event(days)).await;
    }
    session
        .run(&format!(
            "select webhooks.publish_event('{TENANT}', 'job.created')"
        ))
        .await;
    // The last and the first microsecond of a partition, and an id that is no UUIDv7.
    session
        .run(&format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
             select id, '{TENANT}', 'job.created', 'job', 'x', '{{}}' from (values
                 (webhooks.uuid_v7_floor(date_trunc('day', now() at time zone 'utc') at time zone 'utc' + interval '1 d')),
                 ((left(webhooks.uuid_v7_floor(date_trunc('day', now() at time zone 'utc') at time zone 'utc' + interval '1 d'
                                               - interval '1 ms')::text, 14) || '7fff-bfff-ffffffffffff')::uuid),
                 ('99999999-9999-4999-8999-999999999999')) v (id)"
        ))
        .await;
    let landed = "select case when c.relname !~ '[0-9]$' then replace(c.relname, 'event_logs_', '') else (right(c.relname, 8)::date - (now() at time zone 'utc')::date)::text end,
                         count(*) from webhooks.event_logs e join pg_class c on c.oid = e.tableoid group by 1 order by 1";
    assert_eq!(
        session.lines(landed).await,
        ["0|3", "1|2", "2|1", "default|1", "future|1", "past|1"]
    );
    // Attempts go by their delivery's id.
    session
        .run(
            "insert into webhooks.delivery_attempts (delivery_id, delivery_attempt, attempted_at, subscription_id, event_log_id, tenant_id, delivery_status)
             select id, 1, now(), subscription_id, event_log_id, tenant_id, 'delivered' from webhooks.delivery_queue",
        )
        .await;
    let attempts = "select (right(tableoid::regclass::text, 8)::date - (now() at time zone 'utc')::date)::text, count(*)
                    from webhooks.delivery_attempts group by 1";
    assert_eq!(session.lines(attempts).await, ["0|9"]);
    // A look-up by id reads one partition.
    let plan = session
        .lines("explain select * from webhooks.event_logs where id = webhooks.uuid_v7_floor('2000-01-01')")
        .await
        .join("\n");
    assert!(plan.contains("event_logs_past_pkey"), "{plan}");
    assert!(!plan.contains("Append"), "{plan}");
}

#[tokio::test]
async fn partitions_have_the_templates_indexes() {
    let (_db, session) = database("indexes").await;
    let shapes = "
        select regexp_replace(c.relname, '_(default|template|past|future|[0-9]{8})$', ''),
               (select string_agg(regexp_replace(pg_get_indexdef(x.indexrelid), '^.* USING', x.indisprimary::text), '; ' order by x.indkey::text)
                from pg_index x where x.indrelid = c.oid),
               count(*)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname in ('webhooks', 'webhooks_private') and c.relkind = 'r' and c.relname ~ '_(default|template|past|future|[0-9]{8})$'
        group by 1, 2 order by 1";
    let shapes = session.lines(shapes).await;
    let counts: Vec<_> = shapes
        .iter()
        .map(|s| (s.split('|').next().unwrap(), s.rsplit('|').next().unwrap()))
        .collect();
    // Template, default and eight days, or the months, all of one shape. Of events also the past and the future.
    let months = (2 + monthly(&session, 7).await / MONTHLY).to_string();
    assert_eq!(
        counts,
        [
            ("audit_log", months.as_str()),
            ("delivery_attempts", "10"),
            ("event_logs", "12"),
            ("redeliveries", months.as_str())
        ],
        "{shapes:#?}"
    );
}

/// How many events lie where: `default 2, day 8 1`.
const PLACES: &str = "
    select string_agg(place || ' ' || n, ', ' order by place) from (
        select case when c.relname ~ '[0-9]$' then 'day ' || (right(c.relname, 8)::date - (now() at time zone 'utc')::date)
                    else replace(c.relname, 'event_logs_', '') end as place, count(*) as n
        from webhooks.event_logs e join pg_class c on c.oid = e.tableoid group by 1) p";

/// Random ids may fall into a day to come. They go with it, and everybody sees them all the time.
#[tokio::test]
async fn days_and_their_indexes_are_made_in_the_parents_tablespace() {
    let (_db, session) = database("tablespace").await;
    session.run("set allow_in_place_tablespaces = on").await;
    session
        .run("create tablespace of_event_logs location ''")
        .await;
    session
        .run("alter table webhooks.event_logs set tablespace of_event_logs; select webhooks.create_partitions(40)")
        .await;
    let lie = "select distinct left(c.relname, 10), c.relkind, coalesce(t.spcname, 'that of the database')
        from pg_class c left join pg_tablespace t on t.oid = c.reltablespace
        where c.relname ~ ('^(event_logs|delivery_attempts)_' || to_char((now() + '39 d') at time zone 'UTC', 'YYYYMMDD'))
        order by 1, 2";
    assert_eq!(
        session.lines(lie).await,
        [
            "delivery_a|i|that of the database",
            "delivery_a|r|that of the database",
            "event_logs|i|of_event_logs",
            "event_logs|r|of_event_logs"
        ]
    );
    let default = "select current_setting('default_tablespace') = ''";
    assert_eq!(session.text(default).await, "t");
}

#[tokio::test]
async fn rows_in_default_are_moved_to_their_day() {
    let (_db, session) = database("moved").await;
    session.run(&event(8)).await;
    session.run(&event(9)).await;
    session.run(&event(9).replace("1 s'", "2 s'")).await;
    assert_eq!(session.text(PLACES).await, "default 3");
    let more = monthly(&session, 9).await - monthly(&session, 7).await;
    let create = "select webhooks.create_partitions(9)";
    assert_eq!(made(&session, create).await, 4 + more);
    assert_eq!(session.text(PLACES).await, "day 8 1, day 9 2");
}

/// Where nothing called maintain() for a while, the days that went by get their rows when it is called again, and so does today.
#[tokio::test]
async fn days_without_a_partition_are_made_up_for() {
    let (db, session) = database("late").await;
    let days = "select string_agg(format('drop table webhooks_private.event_logs_%s', to_char(now() at time zone 'utc' + d * interval '1 d', 'YYYYMMDD')), ';')
                from generate_series(0, 7) d";
    let drop = session.text(days).await;
    session.run(&drop).await;
    // The first day has one: event_logs_past ends where it begins.
    session
        .run(&format!(
            "drop table webhooks_private.event_logs_past;
             do $$ begin
                 perform webhooks_private.make_partitions('event_logs', array['event_logs_' || to_char(now() at time zone 'utc' - interval '5 d', 'YYYYMMDD')], 0);
             end $$; {}; {}; {}",
            event(-2),
            event(-1),
            event(0)
        ))
        .await;
    db.publish(TENANT.parse().unwrap(), "job.created", json!({}))
        .await
        .unwrap();
    assert_eq!(session.text(PLACES).await, "default 4");
    // Too many are reported.
    session
        .run("select webhooks.create_partitions(move_rows => 1)")
        .await;
    assert_eq!(session.text(PLACES).await, "day -1 1, day -2 1, default 2");
    let log = db.cluster().server_log();
    assert!(log.contains("is not made: more than 1 rows of it lie in event_logs_default"));
    assert_eq!(
        made(
            &session,
            "select done from webhooks.maintain() where task = 'create_partitions'"
        )
        .await,
        1
    );
    assert_eq!(session.text(PLACES).await, "day -1 1, day -2 1, day 0 2");
}

/// A clock that goes wrong, or a publisher with ids of its own, keeps no day from being made.
#[tokio::test]
async fn ids_of_the_future_are_refused() {
    let (db, session) = database("future").await;
    let id = |at: &str, version: &str| {
        format!("overlay(webhooks.uuid_v7_floor({at})::text placing '{version}' from 15)::uuid")
    };
    let insert = |id: &str| {
        format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
             values ({id}, '{TENANT}', 'job.created', 'job', 'x', '{{}}')"
        )
    };
    let publisher = Session::open_as(&db, webhooks_tests::database::PUBLISHER_ROLE).await;
    publisher
        .run(&format!("set webhooks.tenant_id = '{TENANT}'"))
        .await;
    for at in ["now() + interval '30 days'", "'2060-01-01'"] {
        let id = session.text(&format!("select {}", id(at, "7"))).await;
        let insert = insert(&format!("'{id}'"));
        for publisher in [&session, &publisher] {
            let refusal = publisher.refused(&insert).await;
            assert_eq!(refusal.code, "23514");
            assert!(refusal.message.contains(&id), "{refusal:?}");
            assert!(refusal.hint.contains("check the clock"), "{refusal:?}");
        }
    }
    for (at, version) in [
        ("now() + interval '23 hours'", "7"),
        ("now() - interval '20 years'", "7"),
        ("now() + interval '30 days'", "4"),
        ("'2060-01-01'", "4"),
    ] {
        session.run(&insert(&id(at, version))).await;
    }
    let count = "select count(*) from webhooks.event_logs";
    assert_eq!(session.text(count).await, "4");
    session.run("select webhooks.create_partitions(40)").await;
    let default = "select count(*) from webhooks_private.event_logs_default";
    assert_eq!(session.text(default).await, "0");
}

/// Beside a default partition that takes long to scan, it is scanned without a lock: by the second of two calls.
#[tokio::test]
async fn beside_a_large_default_partition_it_takes_two_calls() {
    let (_db, session) = database("large_default").await;
    // Wide rows, so that they are few, of a day in a year.
    session
        .run(&format!(
            "insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
             select webhooks.uuid_v7_floor(now() + interval '300 d' + n * interval '1 ms'), '{TENANT}', 'job.created', 'job', 'x',
                    jsonb_build_object('x', (select string_agg(md5(i::text), '') from generate_series(n, n + 49) i))
             from generate_series(1, 9000) n"
        ))
        .await;
    session.run(&event(8)).await;
    let size = "select pg_relation_size('webhooks_private.event_logs_default') > 16777216";
    assert_eq!(session.text(size).await, "t");
    let tasks = "select string_agg(task || ' ' || done, ', ') from webhooks.maintain() where task in ('create_partitions', 'prepare_partitions')";
    session
        .run("select webhooks.set_setting('partition_days_ahead', 9)")
        .await;
    // The attempts' two days, and perhaps a month.
    let first = session.text(tasks).await;
    assert!(first.ends_with(", prepare_partitions 1"), "{first}");
    // Others write there meanwhile. What would go to a new partition is refused, for this moment.
    session.run(&event(200)).await;
    let refusal = session.refused(&event(9)).await;
    assert_eq!(refusal.code, "40001");
    assert!(refusal.hint.contains("again"), "{refusal:?}");
    assert!(!refusal.everything.contains(TENANT), "{refusal:?}");
    assert_eq!(session.text(tasks).await, "create_partitions 2");
    assert_eq!(session.text(tasks).await, "create_partitions 0");
    assert_eq!(session.text(PLACES).await, "day 8 1, default 9001");
    session.run(&event(9)).await;
    let left = "select webhooks_private.prepared_tables()";
    assert_eq!(session.text(left).await, "0");
}

/// Half done and not needed any more, nothing is left of it.
#[tokio::test]
async fn partitions_that_were_prepared_in_vain_are_undone() {
    let (_db, session) = database("in_vain").await;
    session
        .run(
            "select webhooks_private.prepare_default('event_logs', array['event_logs_' || to_char(now() at time zone 'utc' + interval '8 d', 'YYYYMMDD')])",
        )
        .await;
    assert_eq!(
        session
            .text("select webhooks_private.prepared_tables()")
            .await,
        "1"
    );
    assert_eq!(session.refused(&event(8)).await.code, "40001");
    session.run("select * from webhooks.maintain()").await;
    assert_eq!(
        session
            .text("select webhooks_private.prepared_tables()")
            .await,
        "0"
    );
    session.run(&event(8)).await;
}

#[tokio::test]
async fn behind_a_long_transaction_it_gives_up_and_the_rest_is_done() {
    let (db, session) = database("long_lock").await;
    // Reads the default partition, and goes on.
    let reader = Session::open(&db).await;
    reader
        .run("begin; select count(*) from webhooks.event_logs")
        .await;
    let started = Instant::now();
    let create = "select webhooks.create_partitions(8)";
    let others = 1 + monthly(&session, 8).await - monthly(&session, 7).await;
    assert_eq!(made(&session, create).await, others);
    assert!(started.elapsed().as_secs() < 20);
    let days = "webhooks.delivery_attempts|0 1 2 3 4 5 6 7 8,webhooks.event_logs|0 1 2 3 4 5 6 7";
    assert_eq!(session.lines(PARTITIONS).await.join(","), days);
    let log = db.cluster().server_log();
    let warning =
        "partitions of event_logs can't be made now: canceling statement due to lock timeout";
    assert!(log.contains(warning));
    reader.run("commit").await;
    assert_eq!(made(&session, create).await, 1);
}

/// A table of months that somebody reads for long is waited for once, not once for each of its days.
#[tokio::test]
async fn a_reader_of_a_month_delays_the_days_but_once() {
    let (db, session) = database("long_audit").await;
    let reader = Session::open(&db).await;
    reader
        .run("begin; select count(*) from webhooks.audit_log")
        .await;
    let started = Instant::now();
    let create = "select webhooks.create_partitions(100)";
    // Days of two tables, months of one.
    let months = (monthly(&session, 100).await - monthly(&session, 7).await) / MONTHLY;
    assert_eq!(made(&session, create).await, 2 * 93 + months);
    assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    reader.run("commit").await;
    assert_eq!(made(&session, create).await, months);
}

/// Should today have no partition, it comes when publishers are under way to the default one: they wait, and are not refused.
#[tokio::test]
async fn the_partition_of_today_refuses_no_publisher() {
    let (db, maintainer) = database("today").await;
    let (early, late) = (Session::open(&db).await, Session::open(&db).await);
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
    let create = "select webhooks.create_partitions(1)";
    let drop = maintainer
        .text("select format('drop table webhooks_private.event_logs_%s', to_char(now() at time zone 'utc', 'YYYYMMDD'))")
        .await;
    maintainer.run(&drop).await;
    // More than one try: on a busy machine the maintainer may have given up before the others have come.
    for _ in 0..10 {
        early.run(&format!("begin; {publish}")).await;
        let mut create = std::pin::pin!(maintainer.client().query_one(create, &[]));
        let given_up = tokio::select! {
            created = &mut create => Some(created),
            () = early.wait_until_blocked(&maintainer) => None,
        };
        if let Some(created) = given_up {
            assert_eq!(created.unwrap().get::<_, i32>(0), 0, "nobody waited");
            early.run("rollback").await;
            continue;
        }
        let (created, event) = tokio::join!(create, async {
            let let_go = async {
                early.wait_until_blocked(&late).await;
                early.run("rollback").await;
                std::future::pending().await
            };
            let event = tokio::select! {
                event = late.text(&publish) => event,
                never = let_go => never,
            };
            early.run("rollback").await;
            event
        });
        if created.unwrap().get::<_, i32>(0) == 0 {
            continue;
        }
        let partition = format!(
            "select tableoid::regclass::text ~ '[0-9]$' from webhooks.event_logs where id = '{event}'"
        );
        assert_eq!(late.text(&partition).await, "t");
        return;
    }
    panic!("create_partitions gave up ten times");
}

/// Publishers in the middle of their transaction do not keep the partitions of the coming days from being made.
#[tokio::test]
async fn it_does_not_wait_for_publishers() {
    let (db, session) = database("busy").await;
    let more = 2 + monthly(&session, 8).await - monthly(&session, 7).await;
    let publisher = Session::open(&db).await;
    publisher
        .run(&format!(
            "begin; select webhooks.publish_event('{TENANT}', 'job.created')"
        ))
        .await;
    let create = "select webhooks.create_partitions(8)";
    assert_eq!(made(&session, create).await, more);
    publisher.run("commit").await;
}
