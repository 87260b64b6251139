//! A copy of a database delivers nothing until somebody says what becomes of what is outstanding.

use webhooks_tests::database::{Database, MANAGER_ROLE, SIDECAR_ROLE};

use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::TENANT;

const SUBSCRIPTION: &str = "00000000-0000-7000-8000-0000000000a1";
const IS_ADOPTED: &str = "select webhooks.is_adopted()";
const OUTSTANDING: &str = "select count(*) from webhooks.delivery_queue";

/// With deliveries in every state that waits: ready, scheduled, to be retried, in a lane, and a test.
async fn production(name: &str) -> Database {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    session
        .run(&format!(
            "insert into webhooks.webhook_subscriptions (id, tenant_id, name, webhook_url, subscribed_events) values
                 ('{SUBSCRIPTION}', '{TENANT}', 'a', 'https://customer.example/', '[\"*\"]');
             insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events, ordering) values
                 ('{TENANT}', 'b', 'https://customer.example/', '[\"*\"]', 'fifo');
             select webhooks.publish_event('{TENANT}', 'job.created');
             select webhooks.publish_event('{TENANT}', 'job.created', deliver_after => '2100-01-01');
             update webhooks.delivery_queue set attempt = 2, next_attempt_at = '2100-01-01' where next_attempt_at is null and lane is null;
             select webhooks.publish_event('{TENANT}', 'job.created');
             select webhooks.test_subscription('{SUBSCRIPTION}')"
        ))
        .await;
    assert_eq!(session.text(OUTSTANDING).await, "7");
    db
}

/// All that a sidecar needs to deliver, and tests, which would wait in vain.
async fn assert_delivers_nothing(db: &Database) {
    let sidecar = Session::open_as(db, SIDECAR_ROLE).await;
    for call in [
        "select webhooks_private.join_sidecars()".to_owned(),
        "select * from webhooks_private.balance_shards('{}')".to_owned(),
        format!("select * from webhooks_private.load_subscriptions('{{{SUBSCRIPTION}}}')"),
    ] {
        let refusal = sidecar.refused(&call).await;
        assert_eq!(refusal.code, "WHCPY", "{call}: {refusal:?}");
        assert!(refusal.message.contains(db.name()), "{refusal:?}");
        for way in ["cancel", "keep"] {
            let hint = format!("webhooks.adopt_database(outstanding => '{way}')");
            assert!(refusal.hint.contains(&hint), "{refusal:?}");
        }
    }
    let manager = Session::open_as(db, MANAGER_ROLE).await;
    manager
        .run(&format!("select webhooks.set_tenant('{TENANT}', true)"))
        .await;
    let test = format!("select webhooks.test_subscription('{SUBSCRIPTION}')");
    assert_eq!(manager.refused(&test).await.code, "WHCPY");
}

async fn assert_delivers(db: &Database) {
    let sidecar = Session::open_as(db, SIDECAR_ROLE).await;
    sidecar.run("select webhooks_private.join_sidecars()").await;
    let owned = "select cardinality(acquired) from webhooks_private.balance_shards('{}')";
    assert_eq!(sidecar.text(owned).await, "16");
    let load = format!(
        "select webhook_url from webhooks_private.load_subscriptions('{{{SUBSCRIPTION}}}')"
    );
    assert_eq!(sidecar.text(&load).await, "https://customer.example/");
}

#[tokio::test]
async fn a_copy_cancels_what_is_outstanding() {
    let db = production("copied").await;
    let copy = db.copy().await.unwrap();
    assert_delivers_nothing(&copy).await;
    let session = Session::open(&copy).await;
    // Applications work as ever.
    let publish = format!("select count(webhooks.publish_event('{TENANT}', 'job.created'))");
    assert_eq!(session.text(&publish).await, "1");
    session.run("select webhooks.maintain()").await;
    assert_eq!(session.text(OUTSTANDING).await, "9");
    assert_eq!(
        session
            .text("select webhooks.adopt_database(outstanding => 'cancel')")
            .await,
        "9"
    );
    assert_eq!(session.text(OUTSTANDING).await, "0");
    // Their log says so, and attempts go on from those that were made.
    let log =
        "select delivery_attempt, is_test, error_message, count(*) from webhooks.delivery_attempts
               where delivery_status = 'cancelled' group by 1, 2, 3 order by 1, 2";
    assert_eq!(
        session.lines(log).await,
        [
            "1|t|cancelled: the database is a copy|1",
            "1|null|cancelled: the database is a copy|7",
            "3|null|cancelled: the database is a copy|1"
        ]
    );
    let audited = "select object_type, object_id, before -> 0 ->> 'database_name', after ->> 'outstanding', after ->> 'deliveries'
                   from webhooks.audit_log where action = 'adopted'";
    assert_eq!(
        session.text(audited).await,
        format!("database|{}|{}|cancel|9", copy.name(), db.name())
    );
    assert_delivers(&copy).await;
    // The original does not mind.
    let original = Session::open(&db).await;
    assert_eq!(original.text(OUTSTANDING).await, "7");
    assert_delivers(&db).await;
}

#[tokio::test]
async fn a_copy_takes_the_originals_place() {
    let db = production("replaced").await;
    let copy = db.copy().await.unwrap();
    assert_delivers_nothing(&copy).await;
    let session = Session::open(&copy).await;
    // Of a dump that is being restored, the subscriptions may come after the deliveries: they wait for them.
    session
        .run(&format!(
            "insert into webhooks.delivery_queue (subscription_id, event_log_id, tenant_id, shard)
             values (webhooks.uuid_v7(), webhooks.uuid_v7(), '{TENANT}', 0)"
        ))
        .await;
    session.run("select webhooks.maintain()").await;
    assert_eq!(session.text(OUTSTANDING).await, "8");
    let keep = "select webhooks.adopt_database('keep')";
    assert_eq!(session.text(keep).await, "8");
    session.run("select webhooks.maintain()").await;
    assert_eq!(session.text(OUTSTANDING).await, "7");
    assert_delivers(&copy).await;
}

/// Of a database that was restored to the past: what the original had until the disaster is cancelled.
#[tokio::test]
async fn what_is_due_later_is_kept() {
    let db = production("due").await;
    let copy = db.copy().await.unwrap();
    let session = Session::open(&copy).await;
    for wrong in [
        "'keep', due_before => now()",
        "'cancel', due_before => 'infinity'",
        "'cancel', due_before => now() + interval '1 hour'",
    ] {
        let adopt = format!("select webhooks.adopt_database({wrong})");
        let refusal = session.refused(&adopt).await;
        assert_eq!(refusal.code, "22023", "{refusal:?}");
        assert!(refusal.message.contains("due_before is "), "{refusal:?}");
    }
    assert_eq!(session.text(OUTSTANDING).await, "7");
    let adopt = "select webhooks.adopt_database('cancel', due_before => now())";
    assert_eq!(session.text(adopt).await, "4");
    let due = "select distinct next_attempt_at::date from webhooks.delivery_queue";
    assert_eq!(session.text(OUTSTANDING).await, "3");
    assert_eq!(session.lines(due).await, ["2100-01-01"]);
    let cancelled = "select distinct error_message from webhooks.delivery_attempts where delivery_status = 'cancelled'";
    assert_eq!(
        session.lines(cancelled).await,
        ["cancelled: due before the database was restored"]
    );
    let audited = "select after - 'due_before', after ? 'due_before' from webhooks.audit_log where action = 'adopted'";
    assert_eq!(
        session.text(audited).await,
        r#"{"deliveries": 4, "outstanding": "cancel"}|t"#
    );
    assert_delivers(&copy).await;
}

/// What the original did after the time that the copy is of.
#[tokio::test]
async fn attempts_of_the_original_are_taken_over() {
    let db = production("original").await;
    let copy = db.copy().await.unwrap();
    let original = Session::open(&db).await;
    // Of two that are ready one is delivered; the other fails twice, and waits for the third attempt.
    let ready = "from webhooks.delivery_queue where next_attempt_at is null and lane is null and shard < 16 order by id limit 1";
    let another = "from webhooks.delivery_queue where next_attempt_at is null and lane is not null order by id limit 1";
    for (delivery, attempt, status) in [
        (ready, 0, "delivered"),
        (another, 0, "retrying"),
        (another, 1, "retrying"),
    ] {
        let record = Record::of(format!("select * {delivery}"), status)
            .with("attempt", attempt)
            .with("http_status_code", 200)
            .with("attempted_at_us", 0)
            .with("retry_after_ms", 3_600_000);
        original
            .run(&format!(
                "{record}; update webhooks.delivery_queue set next_attempt_at = null where attempt = 1"
            ))
            .await;
    }
    let attempts = "select jsonb_agg(a order by a.delivery_id, a.delivery_attempt) from webhooks.delivery_attempts a";
    let attempts = original.text(attempts).await;

    let session = Session::open(&copy).await;
    session
        .run(&format!(
            "create temp table lost (like webhooks.delivery_attempts);
             insert into lost select * from jsonb_populate_recordset(null::lost, '{attempts}')"
        ))
        .await;
    let reconcile = "select webhooks.reconcile_after_restore('lost')";
    assert_eq!(session.text(reconcile).await, "2");
    assert_eq!(session.text(OUTSTANDING).await, "6");
    assert_eq!(
        session
            .text("select jsonb_agg(a order by a.delivery_id, a.delivery_attempt) from webhooks.delivery_attempts a")
            .await,
        attempts
    );
    let waiting = "select attempt, next_attempt_at = (select max(next_retry_at) from lost)
        from webhooks.delivery_queue where lane is not null and attempt > 0";
    assert_eq!(session.text(waiting).await, "2|t");
    // What is known already changes nothing.
    assert_eq!(session.text(reconcile).await, "0");
    let refusal = session
        .refused("select webhooks.reconcile_after_restore(null)")
        .await;
    assert_eq!(refusal.code, "22004", "{refusal:?}");

    assert_eq!(
        session.text("select webhooks.adopt_database('keep')").await,
        "6"
    );
    let refusal = session.refused(reconcile).await;
    assert_eq!(refusal.code, "55000", "{refusal:?}");
    assert!(
        refusal.hint.contains("webhooks.release_database()"),
        "{refusal:?}"
    );
    let audited = "select string_agg(after ->> 'deliveries', ' ' order by id) from webhooks.audit_log where action = 'reconciled'";
    assert_eq!(session.text(audited).await, "2 0");
    assert_delivers(&copy).await;
}

#[tokio::test]
async fn the_operator_has_to_say_which() {
    let db = production("undecided").await;
    let copy = db.copy().await.unwrap();
    let session = Session::open(&copy).await;
    for wrong in ["null", "'delete'", "''", "'KEEP'"] {
        let adopt = format!("select webhooks.adopt_database({wrong})");
        let refusal = session.refused(&adopt).await;
        assert_eq!(refusal.code, "22023", "{refusal:?}");
        assert!(
            refusal.message.starts_with("outstanding is "),
            "{refusal:?}"
        );
        assert!(refusal.hint.contains("'cancel'") && refusal.hint.contains("'keep'"));
    }
    assert_eq!(
        session
            .refused("select webhooks.adopt_database()")
            .await
            .code,
        "42883"
    );
    assert_delivers_nothing(&copy).await;

    // In the original it is a mistake, and cancels nothing.
    let original = Session::open(&db).await;
    for way in ["cancel", "keep"] {
        let adopt = format!("select webhooks.adopt_database('{way}')");
        let refusal = original.refused(&adopt).await;
        assert_eq!(refusal.code, "55000", "{refusal:?}");
    }
    assert_eq!(original.text(OUTSTANDING).await, "7");
}

/// Databases are made of templates that have the extension, for tests above all.
#[tokio::test]
async fn a_copy_with_nobody_to_deliver_to_adopts_itself() {
    let db = Database::fresh("template").await.unwrap();
    let copy = db.copy().await.unwrap();
    let session = Session::open(&copy).await;
    assert_eq!(session.text(IS_ADOPTED).await, "f");
    let sidecar = Session::open_as(&copy, SIDECAR_ROLE).await;
    sidecar.run("select webhooks_private.join_sidecars()").await;
    sidecar
        .run("select webhooks_private.balance_shards('{}')")
        .await;
    assert_eq!(session.text(IS_ADOPTED).await, "t");
}

#[tokio::test]
async fn copies_are_other_databases_and_renamed_ones_are_not() {
    let db = production("identity").await;
    let session = Session::open(&db).await;
    assert_eq!(session.text(IS_ADOPTED).await, "t");
    drop(session);
    // Another name is not another database.
    let admin = db.cluster().connect("postgres", "postgres").await.unwrap();
    let renamed = format!("{}_renamed", db.name());
    let rename = format!("alter database {} rename to {renamed}", db.name());
    let gone = format!(
        "select pg_terminate_backend(pid, 10000) from pg_stat_activity where datname = '{}'",
        db.name()
    );
    admin.batch_execute(&gone).await.unwrap();
    admin.batch_execute(&rename).await.unwrap();
    let db = Database::existing(db.cluster(), &renamed);
    let session = Session::open(&db).await;
    assert_eq!(session.text(IS_ADOPTED).await, "t");
    assert_delivers(&db).await;
    // Another server is, though the database has the same oid there.
    session
        .run("begin; update webhooks_private.database_bindings set system_identifier = system_identifier + 1")
        .await;
    assert_eq!(session.text(IS_ADOPTED).await, "f");
    // A row that was left out of a dump does not make it this database.
    session
        .run("rollback; begin; delete from webhooks_private.database_bindings")
        .await;
    assert_eq!(session.text(IS_ADOPTED).await, "f");
    // A dump of it that comes back to it: its own row once more.
    session
        .run("rollback; begin; insert into webhooks_private.database_bindings select * from webhooks_private.database_bindings")
        .await;
    assert_eq!(session.text(IS_ADOPTED).await, "t");
    session.run("rollback").await;
}

/// A copy of the files, which looks the same.
#[tokio::test]
async fn a_released_database_delivers_nothing() {
    let db = production("released").await;
    let session = Session::open(&db).await;
    session.run("select webhooks.release_database()").await;
    assert_delivers_nothing(&db).await;
    assert_eq!(
        session
            .text("select webhooks.adopt_database('cancel')")
            .await,
        "7"
    );
    assert_delivers(&db).await;
    let audited = "select string_agg(action, ' ' order by id) from webhooks.audit_log where object_type = 'database'";
    assert_eq!(session.text(audited).await, "released adopted");
}

/// A dump's own row comes before its subscriptions, which --disable-triggers may bring unnoticed.
#[tokio::test]
async fn a_restore_is_not_adopted_halfway() {
    let db = Database::fresh("halfway").await.unwrap();
    let session = Session::open(&db).await;
    session
        .run("insert into webhooks_private.database_bindings values (1, 1, 'production')")
        .await;
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    let refusal = sidecar
        .refused("select webhooks_private.join_sidecars()")
        .await;
    assert_eq!(refusal.code, "WHCPY", "{refusal:?}");
    session
        .run(&format!(
            "alter table webhooks.webhook_subscriptions disable trigger all;
             insert into webhooks.webhook_subscriptions (id, tenant_id, name, webhook_url, subscribed_events)
             values ('{SUBSCRIPTION}', '{TENANT}', 'a', 'https://customer.example/', '[\"*\"]');
             alter table webhooks.webhook_subscriptions enable trigger all"
        ))
        .await;
    assert_delivers_nothing(&db).await;
}

/// A migration, run with the settings of a dump.
#[tokio::test]
async fn subscribing_by_function_is_no_restore() {
    let db = Database::fresh("migration").await.unwrap();
    let session = Session::open(&db).await;
    session.run("set check_function_bodies = off").await;
    for subscribe in [
        format!(
            "select webhooks.create_subscription('{TENANT}', 'a', 'https://customer.example/', '[\"*\"]')"
        ),
        format!(
            "select webhooks.import_subscriptions('{TENANT}', '[{{\"name\": \"b\", \"webhook_url\": \"https://customer.example/\", \"subscribed_events\": [\"*\"]}}]', dry_run => false)"
        ),
    ] {
        session.run(&subscribe).await;
        assert_eq!(session.text(IS_ADOPTED).await, "t", "{subscribe}");
    }
    // An INSERT may be one: once is enough.
    let insert = format!(
        "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, subscribed_events)
         values ('{TENANT}', 'c', 'https://customer.example/', '[\"*\"]')"
    );
    session.run(&insert).await;
    session.run(&insert).await;
    let bindings = "select count(*), webhooks.is_adopted() from webhooks_private.database_bindings";
    assert_eq!(session.text(bindings).await, "2|f");
    let log = db.cluster().server_log();
    let warned = log
        .lines()
        .filter(|line| line.contains(db.name()) && line.contains("subscriptions are restored"));
    assert_eq!(warned.count(), 1);
}

/// Of a restore into a database where sidecars run, what they could deliver comes last: the subscriptions.
#[tokio::test]
async fn restored_subscriptions_are_not_delivered_to_by_a_sidecar_that_is_there() {
    let db = Database::fresh("restored_live").await.unwrap();
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    sidecar.run("select webhooks_private.join_sidecars()").await;
    sidecar
        .run("select webhooks_private.balance_shards('{}')")
        .await;
    let session = Session::open(&db).await;
    let insert = format!(
        "insert into webhooks.webhook_subscriptions (id, tenant_id, name, webhook_url, subscribed_events)
         values ('{SUBSCRIPTION}', '{TENANT}', 'a', 'https://customer.example/', '[\"*\"]')"
    );
    session.run("set check_function_bodies = off").await;
    session.run(&insert).await;
    session.run("reset check_function_bodies").await;
    let ended = format!("select pg_terminate_backend({}, 10000)", sidecar.pid());
    assert_eq!(session.text(&ended).await, "t");
    assert_delivers_nothing(&db).await;
    // A new subscription changes nothing.
    session
        .run("select webhooks.adopt_database('cancel'); delete from webhooks.webhook_subscriptions")
        .await;
    session.run(&insert).await;
    assert_delivers(&db).await;
}

#[tokio::test]
async fn waiting_in_a_copy_says_why_nothing_comes() {
    let db = production("waiting").await;
    let copy = db.copy().await.unwrap();
    let session = Session::open(&copy).await;
    let waited = session
        .text("select is_final, status from webhooks.wait_for_delivery((select id from webhooks.delivery_queue where attempt = 0 limit 1), '0 s')")
        .await;
    assert_eq!(waited, "f|pending");
    let log = copy.cluster().server_log();
    let warned = log.lines().any(|line| {
        line.contains(copy.name()) && line.contains("nothing is delivered from this database")
    });
    assert!(warned);
}

/// A copy has what the original has revoked since.
#[tokio::test]
async fn access_to_the_original_is_not_access_to_its_copy() {
    for (way, left) in [("cancel", "null"), ("keep", "token")] {
        let db = production(&format!("adopted_access_{way}")).await;
        let session = Session::open(&db).await;
        session
            .run(&format!(
                "select webhooks.create_access_token('{TENANT}', '{{events:read}}', '1 day', 'x');
                 select webhooks.create_portal_link('{TENANT}', '{{events:read}}');
                 select webhooks.release_database();
                 select webhooks.adopt_database(outstanding => '{way}')"
            ))
            .await;
        let kinds = "select string_agg(kind, ' ') from webhooks_private.access_tokens";
        assert_eq!(session.text(kinds).await, left, "{way}");
    }
}
