use std::time::Instant;

use serde_json::json;
use webhooks_tests::database::Database;

use crate::session::Session;

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
/// Tables that have partitions by the month.
const MONTHLY: u32 = 2;
/// Partitions by day from today, as parent and days: `event_logs 0 1 2`.
const PARTITIONS: &str = "
    select i.inhparent::regclass::text, string_agg((right(c.relname, 8)::date - (now() at time zone 'utc')::date)::text, ' ' order by c.relname)
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where c.relname ~ '^(event_logs|delivery_attempts)_[0-9]{8}$' group by 1 order by 1";

async fn database(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    (db, session)
}

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
    let months = [
        monthly(&session, 2).await,
        monthly(&session, 7).await,
        monthly(&session, 8).await,
    ];
    assert_eq!(made(&session, &create("2")).await, 6 + months[0]);
    let days = "webhooks.delivery_attempts|0 1 2,webhooks.event_logs|0 1 2";
    assert_eq!(session.lines(PARTITIONS).await.join(","), days);
    assert_eq!(made(&session, &create("2")).await, 0);
    // The setting's: 7.
    let more = 10 + months[1] - months[0];
    assert_eq!(made(&session, &create("")).await, more);
    session
        .run("select webhooks.set_setting('partition_days_ahead', 8)")
        .await;
    let maintain = "select done from webhooks.maintain() where task = 'create_partitions'";
    let more = 2 + months[2] - months[1];
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
}

#[tokio::test]
async fn rows_land_in_their_day() {
    let (db, session) = database("landing").await;
    let columns = json!({"tenant_id": TENANT, "webhook_url": "http://x.example/"});
    db.subscribe(columns).await.unwrap();
    session.run("select webhooks.create_partitions(2)").await;
    for days in [-1, 0, 1, 2, 3] {
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
    let landed = "select case when c.relname ~ 'default' then 'default' else (right(c.relname, 8)::date - (now() at time zone 'utc')::date)::text end,
                         count(*) from webhooks.event_logs e join pg_class c on c.oid = e.tableoid group by 1 order by 1";
    assert_eq!(
        session.lines(landed).await,
        ["0|3", "1|2", "2|1", "default|3"]
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
    assert!(plan.contains("event_logs_default_pkey"), "{plan}");
    assert!(!plan.contains("Append"), "{plan}");
}

#[tokio::test]
async fn partitions_have_the_templates_indexes() {
    let (_db, session) = database("indexes").await;
    session.run("select webhooks.create_partitions(1)").await;
    let shapes = "
        select regexp_replace(c.relname, '_(default|template|[0-9]{8})$', ''),
               (select string_agg(regexp_replace(pg_get_indexdef(x.indexrelid), '^.* USING', x.indisprimary::text), '; ' order by x.indkey::text)
                from pg_index x where x.indrelid = c.oid),
               count(*)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'webhooks' and c.relkind = 'r' and c.relname ~ '_(default|template|[0-9]{8})$'
        group by 1, 2 order by 1";
    let shapes = session.lines(shapes).await;
    let counts: Vec<_> = shapes
        .iter()
        .map(|s| (s.split('|').next().unwrap(), s.rsplit('|').next().unwrap()))
        .collect();
    // Template, default and two days, or the months, all of one shape.
    let months = (2 + monthly(&session, 1).await / MONTHLY).to_string();
    assert_eq!(
        counts,
        [
            ("audit_log", months.as_str()),
            ("delivery_attempts", "4"),
            ("event_logs", "4"),
            ("redeliveries", months.as_str())
        ],
        "{shapes:#?}"
    );
}

#[tokio::test]
async fn a_day_with_rows_in_default_stays_there() {
    let (_db, session) = database("in_default").await;
    session.run(&event(1)).await;
    let create = "select webhooks.create_partitions(2)";
    let months = monthly(&session, 2).await;
    assert_eq!(made(&session, create).await, 5 + months);
    let days = "webhooks.delivery_attempts|0 1 2,webhooks.event_logs|0 2";
    assert_eq!(session.lines(PARTITIONS).await.join(","), days);
    session.run(&event(1).replace("1 s'", "2 s'")).await;
    let default = "select count(*) from webhooks.event_logs_default";
    assert_eq!(session.text(default).await, "2");
    // Once the rows are gone, the day gets its partition.
    session.run("delete from webhooks.event_logs").await;
    assert_eq!(made(&session, create).await, 1);
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
    let refusal = session
        .refused("select webhooks.create_partitions(1)")
        .await;
    assert_eq!(refusal.code, "55P03");
    assert!(started.elapsed().as_secs() < 20);
    assert!(session.lines(PARTITIONS).await.is_empty());

    session
        .run(&format!(
            "insert into webhooks.idempotency_keys values ('{TENANT}', 'k', webhooks.uuid_v7(), '2000-01-01')"
        ))
        .await;
    assert_eq!(
        session
            .lines("select task, done from webhooks.maintain()")
            .await,
        [
            "forget_idempotency_keys|1",
            "remove_orphans|0",
            "repair_routes|0",
            "apply_links|0"
        ]
    );
    let log = db.cluster().server_log();
    let warning =
        "maintenance task create_partitions failed: canceling statement due to lock timeout";
    assert!(log.contains(warning));

    reader.run("commit").await;
    assert_eq!(
        session
            .lines("select task, done > 0 from webhooks.maintain()")
            .await[4],
        "create_partitions|t"
    );
}

/// A table of months that somebody reads for long is waited for once, not once for each of its days.
#[tokio::test]
async fn who_reads_a_month_delays_the_days_but_once() {
    let (db, session) = database("long_audit").await;
    let reader = Session::open(&db).await;
    reader
        .run("begin; select count(*) from webhooks.audit_log")
        .await;
    let started = Instant::now();
    let create = "select webhooks.create_partitions(7)";
    // Days of two tables, months of one.
    let expected = 2 * 8 + monthly(&session, 7).await / MONTHLY;
    assert_eq!(made(&session, create).await, expected);
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    reader.run("commit").await;
    assert_eq!(
        made(&session, create).await,
        monthly(&session, 7).await / MONTHLY
    );
}

/// The first partition of today comes when publishers are under way to the default one: they wait, and are not refused.
#[tokio::test]
async fn the_partition_of_today_refuses_no_publisher() {
    let (db, maintainer) = database("today").await;
    let (early, late) = (Session::open(&db).await, Session::open(&db).await);
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
    let create = "select webhooks.create_partitions(1)";
    // More than one try: on a busy machine the maintainer may have given up before the others have come.
    for _ in 0..10 {
        early.run(&format!("begin; {publish}")).await;
        let create = maintainer.client().query_one(create, &[]);
        let (created, event, ()) = tokio::join!(
            create,
            async {
                early.wait_until_blocked(&maintainer).await;
                late.text(&publish).await
            },
            async {
                early.wait_until_blocked(&late).await;
                early.run("rollback").await;
            }
        );
        let Ok(created) = created else {
            late.run("delete from webhooks.event_logs").await;
            continue;
        };
        let made: u32 = created.get::<_, i32>(0).try_into().unwrap();
        assert_eq!(made, 4 + monthly(&late, 1).await);
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
    session.run("select webhooks.create_partitions(1)").await;
    let more = 2 + monthly(&session, 2).await - monthly(&session, 1).await;
    let publisher = Session::open(&db).await;
    publisher
        .run(&format!(
            "begin; select webhooks.publish_event('{TENANT}', 'job.created')"
        ))
        .await;
    let create = "select webhooks.create_partitions(2)";
    assert_eq!(made(&session, create).await, more);
    publisher.run("commit").await;
}
