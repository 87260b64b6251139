//! A database that was used moves to another one, whatever way a DBA dumps it.

use std::process::Command;

use serde_json::json;
use webhooks_tests::PATIENCE;
use webhooks_tests::cluster::Cluster;
use webhooks_tests::database::Database;
use webhooks_tests::wait::{Seen, eventually};

use crate::isolation::matrix::qualified;
use crate::support::record::Record;
use crate::support::session::Session;
use crate::support::world::TENANT;

const USER: &str = "22222222-2222-4222-8222-222222222222";
pub const RELATIONS: [&str; 20] = [
    "event_types",
    "settings",
    "webhook_subscriptions",
    "subscription_routes",
    "event_logs",
    "idempotency_keys",
    "delivery_queue",
    "delivery_attempts",
    "webhook_delivery_logs",
    "linked_tables",
    "subscription_breakers",
    "subscription_verifications",
    "retired_secrets",
    "audit_log",
    "redeliveries",
    "subscription_templates",
    "tenant_limits",
    "tenant_purges",
    "alert_rules",
    "alert_history",
];

/// Everything that the extension has: custom and changed types, settings, secrets, events in partitions and default,
/// deliveries in every state, keys, links, and a grant of the DBA's own.
async fn used(name: &str) -> Database {
    let db = Database::fresh(name).await.unwrap();
    fill(&db).await;
    let polled = json!({"tenant_id": TENANT, "name": "polled", "delivery": "poll", "webhook_url": null, "expires_at": "2100-01-01"});
    db.subscribe(polled).await.unwrap();
    db.execute(&format!(
        "select webhooks.set_setting('operator_tenant_id', '{TENANT}');
         select webhooks.set_alert_rule('success_rate', threshold => 98.5, for_seconds => 60), webhooks.set_alert_rule('no_sidecar', false);
         insert into webhooks.alert_history (rule, severity, subject, value, threshold, unit, detail, fired_at, resolved_at)
             values ('no_sidecar', 'critical', '', 0, 1, 'sidecars', E'it''s\\n', '2026-01-02', '2026-01-03');
         insert into webhooks.tenant_purges (tenant_id, relation, partition) values ('{TENANT}', 'event_logs', 'event_logs_20261101')"
    ))
    .await
    .unwrap();
    db
}

/// Puts all that into a database, but what the oldest released version does not have.
pub async fn fill(db: &Database) {
    db.create_role("analyst", "").await.unwrap();
    let session = Session::open(db).await;
    session
        .run(&format!(
            "create table public.tenants (id uuid primary key);
             create table public.users (id uuid primary key);
             insert into public.tenants values ('{TENANT}');
             insert into public.users values ('{USER}');
             insert into webhooks.event_types (name, category, description) values
                 ('order.paid', 'order', E'it''s\\n\\ttabs and \\\\'), ('order.gone', 'order', null);
             update webhooks.event_types set description = 'ours' where name = 'job.created';
             select webhooks.set_setting('max_retry_delay_seconds', 77), webhooks.set_setting('verification_origin', 'events.example.com');
             select webhooks.set_tenant_limits('{TENANT}', 100, 10000, null);
             insert into webhooks.subscription_templates (tenant_id, name, settings, placeholders)
                 values ('{TENANT}', 'ours', '{{\"payload_template\": \"{{{{ <<x>> }}}}\"}}', '{{\"x\": \"what\"}}');
             grant usage on schema webhooks to analyst;
             grant select on webhooks.webhook_delivery_logs, webhooks.event_logs to analyst;
             grant execute on function webhooks.explain_match to analyst"
        ))
        .await;
    for columns in [
        json!({"name": "signed", "auth_type": "signature", "auth_config": {"secret": "whsec_dG9wc2VjcmV0dG9wc2VjcmV0dG9wc2VjcmV0"},
               "subscribed_events": ["order.paid", "order.gone", "job.*"], "created_by": USER}),
        json!({"name": "filtered", "webhook_headers": {"x": "y"},
               "event_filters": {"event_data": {"n": {"$gte": 2}}, "jsonpath": "$.n < 1e3 && $.t starts with \"ü\""}}),
        json!({"name": "templated", "is_active": false, "payload_template": "{\"t\": \"{{ data.t | default('') }}\\n\"}", "payload_content_type": "application/x+json"}),
        json!({"name": "secretive", "is_active": false, "payload_template": "{{ secrets.a }}", "template_secrets": {"a": "\"b\n"}}),
        json!({"name": "events", "is_active": false, "payload_format": "cloudevents"}),
        json!({"name": "off", "is_enabled": false, "disabled_reason": "HTTP status 410", "no_retry_statuses": []}),
        json!({"name": "verified", "is_active": false, "endpoint_verification": "options"}),
        json!({"name": "asked", "is_active": false, "endpoint_verification": "options", "webhook_url": "https://y.example/"}),
        json!({"name": "nulls", "is_active": null, "auth_config": null, "event_filters": null}),
    ] {
        let mut row = json!({"tenant_id": TENANT, "webhook_url": "http://x.example/"});
        let row_columns = row.as_object_mut().unwrap();
        row_columns.extend(columns.as_object().unwrap().clone());
        db.subscribe(row).await.unwrap();
    }
    let publish = "insert into webhooks.event_logs (tenant_id, user_id, event_type, event_category, event_name, event_data)
        select '{TENANT}', '{USER}', 'order.paid', 'order', 'x', jsonb_build_object('n', n, 't', E'\\u00fc \\\\ \\t') from generate_series(1, 5) n;";
    let publish = publish.replace("{TENANT}", TENANT).replace("{USER}", USER);
    // Before there are partitions, with them, and with an id of no date.
    session.run(&publish.replace("5)", "1)")).await;
    session
        .run("update webhooks.event_logs set id = webhooks.uuid_v7_floor('2020-01-01')")
        .await;
    session
        .run("update webhooks.delivery_queue set event_log_id = webhooks.uuid_v7_floor('2020-01-01')")
        .await;
    session
        .run(
            "delete from webhooks.audit_log where id <> (select min(id::text)::uuid from webhooks.audit_log);
             update webhooks.audit_log set id = webhooks.uuid_v7_floor('2020-01-01')",
        )
        .await;
    session.run("select webhooks.create_partitions(2)").await;
    session.run(&publish).await;
    let tried = "select *, row_number() over (order by id) as n from webhooks.delivery_queue
                 where next_attempt_at is null order by id limit 5";
    let record = Record::of(tried, "")
        .with(
            "status",
            "case when d.n <= 3 then 'delivered' else 'retrying' end",
        )
        .with("http_status_code", 500)
        .with("response_headers", r#"'{"a": ["b"]}'"#)
        .with("response_body", r"E'b\n\\'")
        .with("error_message", "'e'")
        .with("attempted_at_us", 1_735_787_045_678_901_i64)
        .with("duration_us", 5)
        .with("payload_hash", r"'\xff00'::bytea")
        .with("retry_after_ms", 3_600_000)
        .with("breaker", "'open'")
        .with("failing_for_ms", 1000)
        .with("probe_in_ms", 60_000);
    session
        .run(&format!(
            "select set_config('webhooks.traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', false);
             select webhooks.publish_event('{TENANT}', 'job.created', idempotency_key => 'k', ordering_key => 'o',
                 deliver_after => '2100-01-01', expires_at => '2100-01-02');
             reset webhooks.traceparent;
             select webhooks.publish_event('{TENANT}', 'order.gone');
             delete from webhooks.event_types where name = 'order.gone';
             update webhooks.webhook_subscriptions set version = version where name = 'signed';
             -- One is delivered, one is to be retried, one was tried in a partition of its own.
             {record};
             select webhooks_private.record_verifications(array_agg(jsonb_populate_record(null::webhooks_private.verification_answer,
                 jsonb_build_object('subscription_id', id, 'webhook_url', webhook_url, 'origin', 'events.example.com', 'error', 'e',
                     'state', case name when 'verified' then 'verified' else 'refused' end,
                     'allowed_rate_per_minute', case name when 'verified' then 100 end))))
             from webhooks.webhook_subscriptions where endpoint_verification = 'options';
             insert into webhooks_private.retired_secrets (subscription_id, secret)
             select id, E'it''s\\n\\t old' from webhooks.webhook_subscriptions where name = 'signed';
             update webhooks_private.subscription_breakers set throttled_since = now(), throttled_until = now() + interval '1 day', throttle_status = 429;
             -- Made again, in a month's partition and in none.
             select webhooks.retry_delivery(delivery_id) from webhooks.delivery_attempts where delivery_status = 'delivered' limit 1;
             insert into webhooks.redeliveries select webhooks.uuid_v7_floor('2020-01-01'), delivery_id, event_log_id, subscription_id, tenant_id from webhooks.redeliveries;
             select webhooks.link_tenants('public.tenants'); select webhooks.link_users('public.users')"
        ))
        .await;
}

/// All rows, and what else a restored database must share with the original.
async fn contents(db: &Database) -> Vec<String> {
    let session = Session::open(db).await;
    let mut contents = Vec::new();
    for relation in RELATIONS {
        let rows = format!(
            "select '{relation} ' || (to_jsonb(t) - case when to_jsonb(t) @> '{{\"is_builtin\": true}}' then 'created_at' else '' end)::text
             from {} t order by 1",
            qualified(relation)
        );
        let rows = session.lines(&rows).await;
        assert!(!rows.is_empty(), "{relation} is empty");
        contents.extend(rows);
    }
    for query in [
        "select 'lies in ' || tableoid::regclass || ' ' || id from webhooks.event_logs
         union all select 'lies in ' || tableoid::regclass || ' ' || delivery_id from webhooks.delivery_attempts
         union all select 'lies in ' || tableoid::regclass || ' ' || id from webhooks.audit_log
         union all select 'lies in ' || tableoid::regclass || ' ' || delivery_id from webhooks.redeliveries order by 1",
        "select 'index ' || indexdef from pg_indexes where schemaname in ('webhooks', 'webhooks_private') order by 1",
        "select 'row level security ' || relname from pg_class where relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and relrowsecurity order by 1",
        "select 'policy ' || polrelid::regclass || ' ' || polname || ' ' || polcmd::text || ' ' || pg_get_expr(polqual, polrelid) || ' ' || polroles::regrole[]::text
         from pg_policy order by 1",
        "select 'trigger ' || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal order by 1",
        "select 'wrong shard ' || id from webhooks.delivery_queue where shard <> webhooks_private.shard_of(subscription_id)",
        "select 'may ' || c.relname || ' ' || a.grantee::regrole || ' ' || a.privilege_type
         from pg_class c, aclexplode(c.relacl) a where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and a.grantee <> 0 order by 1",
        "select 'may ' || p.proname || ' ' || a.grantee::regrole || ' ' || a.privilege_type
         from pg_proc p, aclexplode(p.proacl) a where p.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) order by 1",
        "select 'may schema ' || n.nspname || ' ' || a.grantee::regrole || ' ' || a.privilege_type
         from pg_namespace n, aclexplode(n.nspacl) a where n.nspname ~ '^webhooks' order by 1",
    ] {
        contents.extend(session.lines(query).await);
    }
    contents
}

/// A restored database is the original, and works.
async fn assert_moved(original: &Database, restored: &Database) {
    let (expected, found) = (contents(original).await, contents(restored).await);
    for line in &expected {
        assert!(found.contains(line), "lost: {line}");
    }
    for line in &found {
        assert!(expected.contains(line), "new: {line}");
    }
    assert_eq!(found, expected);

    let session = Session::open(restored).await;
    // It delivers nothing before somebody says that it shall.
    assert_eq!(session.text("select webhooks.is_adopted()").await, "f");
    let outstanding = session
        .text("select count(*) from webhooks.delivery_queue")
        .await;
    assert_eq!(
        session.text("select webhooks.adopt_database('keep')").await,
        outstanding
    );
    // A receiver that agreed need not be asked again.
    let verified = "select needs_verification, is_verified, allowed_rate_per_minute
                    from webhooks_private.load_subscriptions(array(select id from webhooks.webhook_subscriptions where name = 'verified'))";
    assert_eq!(session.text(verified).await, "t|t|100");
    let foreign_keys = "select count(*) from pg_constraint where contype = 'f' and conparentid = 0";
    assert_eq!(session.text(foreign_keys).await, "0");
    assert_eq!(
        session
            .lines("select task, done from webhooks.maintain() where task in ('apply_links', 'remove_orphans')")
            .await,
        ["remove_orphans|0", "apply_links|4"]
    );
    assert_eq!(
        session.text("select webhooks.create_partitions(2)").await,
        "0"
    );
    // The key of an event before the dump publishes nothing again.
    let again = format!(
        "select webhooks.publish_event('{TENANT}', 'job.created', idempotency_key => 'k', ordering_key => 'o')
                = (select event_id from webhooks_private.idempotency_keys)"
    );
    assert_eq!(session.text(&again).await, "t");
    let publish = format!(
        "select webhooks.publish_event('{TENANT}', 'order.paid', event_data => '{{\"n\": 2, \"t\": \"ü\"}}')"
    );
    let event = session.text(&publish).await;
    let deliveries = format!(
        "select s.name from webhooks.delivery_queue q join webhooks.webhook_subscriptions s on s.id = q.subscription_id
         where q.event_log_id = '{event}' order by 1"
    );
    assert_eq!(
        session.lines(&deliveries).await,
        ["filtered", "polled", "signed"]
    );
    let partition = format!(
        "select tableoid::regclass::text ~ '[0-9]$' from webhooks.event_logs where id = '{event}'"
    );
    assert_eq!(session.text(&partition).await, "t");
    session.run("delete from public.tenants").await;
    let left = "select (select count(*) from webhooks.event_logs) + (select count(*) from webhooks.delivery_queue)
                     + (select count(*) from webhooks.delivery_attempts) + (select count(*) from webhooks.webhook_subscriptions)
                     + (select count(*) from webhooks.redeliveries)";
    assert_eq!(session.text(left).await, "0");
}

async fn empty(original: &Database) -> Database {
    let restored = Database::create_empty(original.cluster(), "restored").await;
    restored.unwrap()
}

#[tokio::test]
async fn a_dump_restores_by_psql() {
    let original = used("dump_psql").await;
    let cluster = original.cluster();
    for arguments in [&[][..], &["--column-inserts"]] {
        let dump = cluster.dump(original.name(), arguments).await.unwrap();
        let restored = empty(&original).await;
        cluster.restore(restored.name(), &dump).await.unwrap();
        assert_moved(&original, &restored).await;
    }
}

#[tokio::test]
async fn a_dump_restores_through_the_partition_root() {
    let original = used("dump_root").await;
    let cluster = original.cluster();
    let arguments = ["--load-via-partition-root"];
    let dump = cluster.dump(original.name(), &arguments).await.unwrap();
    let restored = empty(&original).await;
    cluster.restore(restored.name(), &dump).await.unwrap();
    assert_moved(&original, &restored).await;
}

#[tokio::test]
async fn a_dump_restores_by_parallel_pg_restore() {
    let original = used("dump_custom").await;
    let cluster = original.cluster();
    let archive = cluster.directory().join("dump_custom.archive");
    for root in [&[][..], &["--load-via-partition-root"]] {
        let mut pg_dump = cluster.client_program("pg_dump", original.name());
        pg_dump.args(["-Fc", "-f"]).arg(&archive).args(root);
        run(cluster, pg_dump).await;
        let restored = empty(&original).await;
        let mut pg_restore = cluster.client_program("pg_restore", restored.name());
        pg_restore
            .args(["-j", "2", "--exit-on-error"])
            .arg(&archive);
        run(cluster, pg_restore).await;
        assert_moved(&original, &restored).await;
    }
}

/// The jobs of a parallel restore wait for each other where one makes triggers of the log that another copies into,
/// however long that takes, and do not undo what the other makes.
#[tokio::test]
async fn jobs_of_a_restore_wait_for_each_other() {
    let db = Database::fresh("dump_jobs").await.unwrap();
    let [copy, limits, types, watcher] = [
        Session::open(&db).await,
        Session::open(&db).await,
        Session::open(&db).await,
        Session::open(&db).await,
    ];
    for job in [&copy, &limits, &types] {
        job.run("set check_function_bodies = off").await;
    }
    let event = format!(
        "begin; insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
         values (webhooks.uuid_v7(), '{TENANT}', 'job.created', 'job', 'x', '{{}}')"
    );
    copy.run(&event).await;
    let restored = async |job: &Session, statement: &str| {
        job.client().batch_execute(statement).await.unwrap();
    };
    let finish = async {
        watcher.wait_until_blocked(&limits).await;
        watcher.wait_until_blocked(&types).await;
        // Longer than any other session waits.
        let waiting = "select count(*) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock' and query_start < clock_timestamp() - interval '1200 ms'";
        let waited = async || Ok(Seen::done_if(watcher.text(waiting).await, |n| n == "2"));
        eventually(PATIENCE, waited).await.unwrap();
        copy.run("commit").await;
    };
    let limit = format!("insert into webhooks.tenant_limits values ('{TENANT}', 100, 1000, null)");
    tokio::join!(
        restored(&limits, &limit),
        restored(
            &types,
            "insert into webhooks_private.event_type_versions (name, version, schema) values ('job.created', '1.0', '{}')"
        ),
        finish
    );
    let triggers = watcher
        .lines("select tgname from pg_trigger where tgrelid = 'webhooks.event_logs'::regclass and tgname in ('a10_limit_events', 'a20_validate_events') order by 1")
        .await;
    assert_eq!(triggers, ["a10_limit_events", "a20_validate_events"]);
}

/// Everything belongs to the role that restores it, which has to be a superuser for no longer than that.
#[tokio::test]
async fn a_dump_restores_under_another_owner() {
    let original = used("dump_owner").await;
    let cluster = original.cluster();
    let archive = cluster.directory().join("dump_owner.archive");
    let mut pg_dump = cluster.client_program("pg_dump", original.name());
    pg_dump.args(["-Fc", "-f"]).arg(&archive);
    run(cluster, pg_dump).await;
    let restored = empty(&original).await;
    let session = Session::open(&restored).await;
    session.run("create role other_owner superuser").await;
    let mut pg_restore = cluster.client_program("pg_restore", restored.name());
    pg_restore
        .args(["--no-owner", "--role=other_owner", "--exit-on-error"])
        .arg(&archive);
    run(cluster, pg_restore).await;
    session.run("alter role other_owner nosuperuser").await;
    let others = "
        select 'extension' from pg_extension where extname = 'webhooks' and extowner <> 'other_owner'::regrole
        union all
        select n.nspname from pg_namespace n where n.nspname ~ '^webhooks' and n.nspowner <> 'other_owner'::regrole
        union all
        select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname ~ '^webhooks' and c.relowner <> 'other_owner'::regrole
        union all
        select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname ~ '^webhooks' and p.proowner <> 'other_owner'::regrole";
    assert_eq!(session.lines(others).await, [""; 0]);
    session.run("set role other_owner").await;
    let adopted = session
        .text("select webhooks.adopt_database('keep') > 0")
        .await;
    assert_eq!(adopted, "t");
    session
        .run("select webhooks.create_partitions(3); select * from webhooks.maintain()")
        .await;
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created') is not null");
    assert_eq!(session.text(&publish).await, "t");
}

/// The dump of a database that was never used has the extension, its empty partitions, and which database it is.
#[tokio::test]
async fn an_unused_database_has_no_rows_to_dump() {
    let db = Database::fresh("dump_unused").await.unwrap();
    let dump = db.cluster().dump(db.name(), &[]).await.unwrap();
    let copied = dump.split("\nCOPY ").skip(1);
    let mut copied = copied.filter(|copy| !copy.starts_with("webhooks_private.database_bindings "));
    let rows = copied.find(|copy| copy.lines().nth(1) != Some("\\."));
    assert_eq!(rows, None, "{dump}");
    assert!(dump.contains("CREATE EXTENSION"));
    let tables = dump
        .lines()
        .filter_map(|line| line.strip_prefix("CREATE TABLE "));
    for table in tables {
        let name = table.trim_end_matches(" (");
        let is_partition = name.ends_with("_past")
            || name.ends_with("_future")
            || name
                .rsplit('_')
                .next()
                .is_some_and(|day| day.len() == 8 && day.parse::<u32>().is_ok());
        assert!(
            is_partition && name.starts_with("webhooks_private."),
            "{table}"
        );
    }
}

/// Of events: where they lie, as `20261130 1` or `default 1`.
const PLACES: &str = "select string_agg(place || ' ' || n, ', ' order by place) from (
    select replace(tableoid::regclass::text, 'webhooks_private.event_logs_', '') as place, count(*) as n from webhooks.event_logs group by 1) p";

/// A dump of last week knows no partition of today. What is published until maintain() is called goes with today's.
#[tokio::test]
async fn a_dump_restores_on_another_day() {
    let original = Database::fresh("dump_old").await.unwrap();
    let cluster = original.cluster();
    let session = Session::open(&original).await;
    let drop = "select string_agg(format('drop table %s', c.oid::regclass), ';') from pg_inherits i join pg_class c on c.oid = i.inhrelid
                where i.inhparent in ('webhooks.event_logs'::regclass, 'webhooks.delivery_attempts'::regclass) and c.relname !~ '_(default|future)$'";
    let drop = session.text(drop).await;
    session.run(&drop).await;
    let old = "to_char(now() at time zone 'utc' - interval '10 d', 'YYYYMMDD')";
    session
        .run(&format!(
            "select webhooks_private.make_partitions('event_logs', array['event_logs_' || {old}], 0),
                    webhooks_private.make_partitions('event_logs', array['event_logs_past'], 0);
             insert into webhooks.event_logs (id, tenant_id, event_type, event_category, event_name, event_data)
             select id, '{TENANT}', 'job.created', 'job', 'x', '{{}}'
             from (values (webhooks.uuid_v7_floor(now() - interval '10 d')), (webhooks.uuid_v7_floor('2020-01-01'))) v (id)"
        ))
        .await;
    let old = session.text(&format!("select {old}")).await;
    let today = session
        .text("select to_char(now() at time zone 'utc', 'YYYYMMDD')")
        .await;
    let dump = cluster.dump(original.name(), &[]).await.unwrap();
    let restored = empty(&original).await;
    cluster.restore(restored.name(), &dump).await.unwrap();
    let session = Session::open(&restored).await;
    assert_eq!(session.text(PLACES).await, format!("{old} 1, past 1"));
    let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
    session.run(&publish).await;
    assert_eq!(
        session.text(PLACES).await,
        format!("{old} 1, default 1, past 1")
    );
    session.run("select * from webhooks.maintain()").await;
    assert_eq!(
        session.text(PLACES).await,
        format!("{old} 1, {today} 1, past 1")
    );
}

/// Only the rows, into a new database with partitions of its own.
#[tokio::test]
async fn a_dump_restores_rows_alone() {
    let original = used("dump_rows").await;
    let cluster = original.cluster();
    let session = Session::open(&original).await;
    let arguments = ["--data-only", "--load-via-partition-root"];
    let dump = cluster.dump(original.name(), &arguments).await.unwrap();
    let restored = Database::create(cluster, "rows_alone").await.unwrap();
    // Of its own it has nothing but what was said of its making.
    let copy = Session::open(&restored).await;
    copy.run("truncate webhooks.audit_log").await;
    let links = "create table public.tenants (id uuid primary key); create table public.users (id uuid primary key)";
    copy.run(links).await;
    cluster.restore(restored.name(), &dump).await.unwrap();
    for counts in [
        "select count(*), count(distinct id) from webhooks.event_logs",
        "select count(*) from webhooks.delivery_queue",
        "select count(*) from webhooks.delivery_attempts",
        "select count(*) from webhooks_private.event_logs_default",
    ] {
        assert_eq!(
            copy.text(counts).await,
            session.text(counts).await,
            "{counts}"
        );
    }
}

#[tokio::test]
async fn drop_extension_leaves_nothing() {
    let db = used("dropped").await;
    let session = Session::open(&db).await;
    session.run("drop extension webhooks cascade").await;
    let partitions =
        "select count(*) from pg_class where relname ~ '_([0-9]{8}|past|future|default)$'";
    assert_eq!(session.text(partitions).await, "0");
    session.run("create extension webhooks").await;
    let events = "select count(*) from webhooks.event_logs";
    assert_eq!(session.text(events).await, "0");
}

/// Events whose deliveries are done: whatever way they are restored, nothing is sent for them again.
async fn delivered(name: &str) -> Database {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    // First: rows lie in the same partitions as in a database that is restored into.
    session.run("select webhooks.create_partitions(1)").await;
    db.subscribe(json!({"tenant_id": TENANT, "webhook_url": "http://x.example/"}))
        .await
        .unwrap();
    let publish = format!(
        "select webhooks.publish_event('{TENANT}', 'job.created') from generate_series(1, 10)"
    );
    session.run(&publish).await;
    session.run("delete from webhooks.delivery_queue").await;
    db
}

/// The events, those that are queued, and those that are told to be restored.
async fn published(db: &Database) -> String {
    let session = Session::open(db).await;
    session
        .text(
            "select (select count(*) from webhooks.event_logs), (select count(*) from webhooks.delivery_queue),
                    (select coalesce(sum(events), 0) from webhooks.restored_events)",
        )
        .await
}

#[tokio::test]
async fn restores_of_any_form_publish_nothing() {
    let original = delivered("forms").await;
    let cluster = original.cluster();
    let root = "--load-via-partition-root";
    for (arguments, counted) in [
        (&[][..], "0"),
        (&["--inserts"], "0"),
        (&["--rows-per-insert=2"], "0"),
        (&["--column-inserts"], "0"),
        (&["--enable-row-security"], "0"),
        (&["--enable-row-security", "--inserts"], "0"),
        (&[root], "10"),
        (&[root, "--inserts"], "10"),
        (&[root, "--rows-per-insert=2"], "10"),
        (&[root, "--enable-row-security", "--inserts"], "10"),
    ] {
        let dump = cluster.dump(original.name(), arguments).await.unwrap();
        for single in [false, true] {
            let restored = empty(&original).await;
            let dump = if single {
                format!("begin;\n{dump}\ncommit;")
            } else {
                dump.clone()
            };
            cluster.restore(restored.name(), &dump).await.unwrap();
            let expected = format!("10|0|{counted}");
            assert_eq!(published(&restored).await, expected, "{arguments:?}");
        }
    }
}

/// Into a database that has the extension already, as a superuser and as an owner that is none.
#[tokio::test]
async fn restores_of_data_alone_publish_nothing() {
    let original = delivered("data_only").await;
    let cluster = original.cluster();
    original
        .create_role("extension_owner", "login superuser")
        .await
        .unwrap();
    let is_15 = "select current_setting('server_version_num')::integer < 160000";
    let is_15 = Session::open(&original).await.text(is_15).await == "t";
    let root = "--load-via-partition-root";
    for (arguments, counted) in [
        (&["--data-only"][..], "0"),
        (&["--data-only", "--inserts"], "0"),
        (&["--data-only", "--enable-row-security"], "0"),
        (&["--data-only", "--disable-triggers"], "0"),
        (&["--data-only", root], "10"),
        (
            &["--data-only", root, "--enable-row-security", "--inserts"],
            "10",
        ),
        (&["--data-only", root, "--disable-triggers"], "10"),
        // Some tables alone.
        (
            &[
                "--data-only",
                "-t",
                "webhooks.event_logs",
                "-t",
                "webhooks_private.event_logs*",
            ],
            "0",
        ),
    ] {
        // Asked for partitions of an extension's table by name, pg_dump 15 crashes.
        if arguments.contains(&"-t") && is_15 {
            continue;
        }
        let archive = cluster.directory().join("data_only.archive");
        let mut pg_dump = cluster.client_program("pg_dump", original.name());
        pg_dump.args(["-Fc", "-f"]).arg(&archive).args(arguments);
        run(cluster, pg_dump).await;
        for owner in ["postgres", "extension_owner"] {
            let restored = empty(&original).await;
            let session = Session::open(&restored).await;
            session.run("alter role extension_owner superuser").await;
            Session::open_as(&restored, "extension_owner")
                .await
                .run("create extension webhooks; select webhooks.create_partitions(1)")
                .await;
            session.run("alter role extension_owner nosuperuser").await;
            let mut pg_restore = cluster.client_program("pg_restore", restored.name());
            pg_restore.args(["-U", owner, "--exit-on-error", "--data-only"]);
            if arguments.contains(&"--enable-row-security") {
                pg_restore.arg("--enable-row-security");
            }
            if arguments.contains(&"--disable-triggers") {
                pg_restore.arg("--disable-triggers");
            }
            pg_restore.arg(&archive);
            run(cluster, pg_restore).await;
            let expected = format!("10|0|{counted}");
            assert_eq!(
                published(&restored).await,
                expected,
                "{owner} {arguments:?}"
            );
            // A new event is delivered. Routes are no rows of a dump: where triggers were disabled, maintain() derives them.
            let repair = "select done from webhooks.maintain() where task = 'repair_routes'";
            let repaired = arguments.contains(&"--disable-triggers");
            assert_eq!(
                session.text(repair).await,
                u8::from(repaired).to_string(),
                "{arguments:?}"
            );
            let publish = format!("select webhooks.publish_event('{TENANT}', 'job.created')");
            session.run(&publish).await;
            session
                .run(&format!(
                    "set session_replication_role = replica; {publish}"
                ))
                .await;
            let expected = if arguments.contains(&"-t") {
                "12|0"
            } else {
                "12|2"
            };
            assert_eq!(
                published(&restored).await,
                format!("{expected}|{counted}"),
                "{owner} {arguments:?}"
            );
        }
    }
}

async fn run(cluster: &Cluster, mut command: Command) {
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.unwrap().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{}: {messages}\n{}",
        output.status,
        cluster.server_log_tail(20)
    );
}
