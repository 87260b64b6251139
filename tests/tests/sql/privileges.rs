//! The rights of roles: written down in `isolation/matrix.rs`, compared with the catalogues here. A new object without an
//! entry fails.

use serde_json::json;
use webhooks_tests::cluster::{Cluster, Options};
use webhooks_tests::database::{Database, PUBLISHER_ROLE, SIDECAR_ROLE};

use crate::isolation::matrix::{FUNCTIONS, NAMES_PRIVATE, RELATIONS, ROLES, rights};
use crate::support::claim::Claim;
use crate::support::record::Record;
use crate::support::session::Session;

/// As `webhooks_sidecar`, or `PUBLIC`.
const GRANTEE: &str = "case a.grantee when 0 then 'PUBLIC' else a.grantee::regrole::text end";

/// The first databases of a cluster that get the extension at the same time both make its roles.
#[tokio::test]
async fn two_databases_that_get_the_extension_at_the_same_time_share_its_roles() {
    let cluster = Cluster::start(Options::default()).await.unwrap();
    let [one, other] = [
        Database::create_empty(&cluster, "first").await.unwrap(),
        Database::create_empty(&cluster, "first").await.unwrap(),
    ];
    let [one, other, watcher] = [
        Session::open(&one).await,
        Session::open(&other).await,
        Session::open(&one).await,
    ];
    one.run("begin; create extension webhooks").await;
    let wait_and_commit = async {
        watcher.wait_until_blocked(&other).await;
        one.run("commit").await;
    };
    tokio::join!(other.run("create extension webhooks"), wait_and_commit);
    let roles = "select count(*) from pg_roles where rolname like 'webhooks\\_%'";
    assert_eq!(other.text(roles).await, "7");
}

#[tokio::test]
async fn nothing_is_granted_but_what_is_written_here() {
    let db = Database::fresh("grants").await.unwrap();
    let session = Session::open(&db).await;
    // Objects that are made at run time grant nothing either.
    session.run("select webhooks.create_partitions(1)").await;

    let functions = format!(
        "select distinct p.proname || coalesce(' ' || string_agg(replace({GRANTEE}, 'webhooks_', ''), ' ' order by {GRANTEE}), '')
         from pg_proc p
         left join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a on a.grantee <> p.proowner
         where p.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace)
         group by p.oid, p.proname order by 1"
    );
    let expected = FUNCTIONS
        .iter()
        .map(|(name, roles, _)| format!("{name} {roles}").trim_end().to_owned());
    assert_eq!(
        session.lines(&functions).await,
        expected.collect::<Vec<_>>()
    );

    let relations = format!(
        "select format('%s %s %s', c.relname, {GRANTEE}, lower(a.privilege_type))
         from pg_class c, aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
         where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind not in ('i', 'I', 't', 'c') and a.grantee <> c.relowner
         union all
         select format('%s.%s %s %s', c.relname, t.attname, {GRANTEE}, lower(a.privilege_type))
         from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
         where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace)"
    );
    let mut found = session.lines(&relations).await;
    let mut expected: Vec<_> = RELATIONS
        .iter()
        .flat_map(|(name, _, line)| {
            rights(line).into_iter().flat_map(move |right| {
                let columns = right.columns.map(|columns| {
                    columns
                        .into_iter()
                        .map(|column| format!("{name}.{column}"))
                        .collect()
                });
                let on: Vec<String> = columns.unwrap_or_else(|| vec![(*name).to_owned()]);
                on.into_iter()
                    .map(move |on| format!("{on} webhooks_{} {}", right.role, right.privilege))
            })
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);

    let partitions = "select count(*), bool_and(relrowsecurity) from pg_class where relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and relname ~ '_[0-9]{8}$' and relkind = 'r'";
    // Eight days of each log, a month or two of redeliveries and the audit log.
    let partitions = session.text(partitions).await;
    assert!(["18|t", "20|t"].contains(&&*partitions), "{partitions}");

    // Nothing is granted by USAGE of the private schema but names: what may be done with them is above.
    // The console looks up a token, and is somebody else for the rest of the request.
    let public: Vec<_> = ROLES.iter().copied().filter(|r| *r != "console").collect();
    for (schema, roles) in [
        ("webhooks", &public[..]),
        ("webhooks_private", NAMES_PRIVATE),
    ] {
        let granted = format!(
            "select {GRANTEE} || '=' || a.privilege_type from pg_namespace n, aclexplode(n.nspacl) a
             where n.nspname = '{schema}' and a.grantee <> n.nspowner order by 1"
        );
        let expected = roles.iter().map(|role| format!("webhooks_{role}=USAGE"));
        assert_eq!(session.lines(&granted).await, expected.collect::<Vec<_>>());
    }
    let roles = "select rolname, rolcanlogin, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication
                 from pg_roles where rolname ~ '^webhooks_' order by 1";
    assert_eq!(
        session.lines(roles).await,
        [
            ("all_tenants", "t"),
            ("auditor", "t"),
            ("console", "f"),
            ("manager", "t"),
            ("monitor", "t"),
            ("publisher", "t"),
            ("sidecar", "t"),
        ]
        .map(|(role, inherits)| format!("webhooks_{role}|f|f|{inherits}|f|f|f|f"))
    );
    let memberships =
        "select m.member::regrole || ' in ' || m.roleid::regrole from pg_auth_members m
                       where m.member::regrole::text ~ '^webhooks_' order by 1";
    assert_eq!(
        session.lines(memberships).await,
        [
            "webhooks_console in webhooks_manager",
            "webhooks_console in webhooks_monitor",
            "webhooks_console in webhooks_publisher"
        ]
    );
}

#[tokio::test]
async fn the_sidecars_role_does_its_whole_job() {
    let db = Database::fresh("sidecar_role").await.unwrap();
    let tenant = db.tenant();
    let columns = json!({
        "id": "00000000-0000-7000-8000-000000000001", "tenant_id": tenant, "webhook_url": "http://x.example/",
        "auth_type": "api_key", "auth_config": {"api_key": "key"}
    });
    db.subscribe(columns).await.unwrap();
    db.publish(tenant, "job.created", json!({})).await.unwrap();
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    for statement in [
        "listen webhooks_doorbell",
        "listen webhooks_changed",
        "select * from webhooks_private.sidecar_settings()",
        "select webhooks_private.shard_count()",
        "select webhooks_private.join_sidecars()",
        "select webhooks.sidecar_count()",
        "select * from webhooks_private.balance_shards('{}')",
        "select webhooks_private.arm_doorbell('{1,2}')",
        "select webhooks_private.disarm_doorbell('{1,2}')",
        "select * from webhooks_private.promote_due('{1}')",
        "select * from webhooks.maintain()",
        "set synchronous_commit = off",
    ] {
        sidecar.run(statement).await;
    }
    let tasks = "select string_agg(task, ' ') from webhooks.maintain()";
    assert_eq!(
        sidecar.text(tasks).await,
        "roll_up forget_idempotency_keys forget_secrets forget_access_tokens forget_subscriptions \
         remove_orphans repair_routes move_deliveries expire_deliveries forget_events expire_responses apply_links create_partitions drop_partitions"
    );
    let load = "select auth_config from webhooks_private.load_subscriptions('{00000000-0000-7000-8000-000000000001}')";
    assert_eq!(sidecar.text(load).await, "{\"api_key\": \"key\"}");
    // A 410, recorded and disabling.
    let claimed = format!(
        "select delivery_id as id, subscription_id, attempt from {}",
        Claim::of_shards(&[1])
    );
    let record = Record::of(claimed, "failed")
        .with("http_status_code", 410)
        .with("error_message", "'gone'")
        .with("disable_reason", "'gone'")
        .with("breaker", "'open'")
        .with("failing_for_ms", 1000)
        .with("probe_in_ms", 1000);
    assert_eq!(sidecar.lines(&record.to_string()).await, [""; 0]);
    let done = "select is_enabled, (select delivery_status from webhooks.webhook_delivery_logs) from webhooks.webhook_subscriptions";
    assert_eq!(Session::open(&db).await.text(done).await, "f|failed");
    sidecar
        .run("select webhooks_private.release_shards('{0,1,2,3}')")
        .await;
}

#[tokio::test]
async fn secrets_are_read_by_nobody_else() {
    let db = Database::fresh("secrets").await.unwrap();
    let tenant = db.tenant();
    let columns = json!({"tenant_id": tenant, "webhook_url": "http://x.example/", "auth_type": "api_key", "auth_config": {"api_key": "key"}});
    db.subscribe(columns).await.unwrap();
    let statements = [
        "select auth_config from webhooks.webhook_subscriptions",
        "select webhook_headers from webhooks.webhook_subscriptions",
        "select template_secrets from webhooks.webhook_subscriptions",
        "select * from webhooks_private.load_subscriptions(array[webhooks.uuid_v7()])",
        "select * from webhooks.webhook_subscriptions",
        "table webhooks_private.subscription_routes",
        "table webhooks.event_logs",
        "table webhooks.delivery_attempts",
        "table webhooks.webhook_delivery_logs",
        "table webhooks_private.idempotency_keys",
        "table webhooks.audit_log",
        "copy webhooks.webhook_subscriptions to stdout",
        "update webhooks.webhook_subscriptions set webhook_url = 'http://evil.example/'",
        "delete from webhooks.delivery_queue",
        "insert into webhooks.delivery_queue (subscription_id, event_log_id, tenant_id, shard) select u, u, u, 0 from (select gen_random_uuid() u) t",
        "insert into webhooks_private.event_logs_default (tenant_id, event_type, event_category, event_name, event_data) select gen_random_uuid(), 'job.created', '', '', '{}'",
        "delete from webhooks.event_logs",
        "select webhooks.set_setting('max_retry_delay_seconds', 1)",
        "select webhooks.create_partitions()",
        "select webhooks.link_tenants('pg_class')",
        "insert into webhooks.event_types (name, category) values ('a.b', 'a')",
        "create table webhooks.mine (id integer)",
        "create table webhooks_private.mine (id integer)",
    ];
    for role in [PUBLISHER_ROLE, SIDECAR_ROLE, "stranger"] {
        let session = Session::open_as(&db, role).await;
        for statement in statements {
            if role == SIDECAR_ROLE && statement.contains("load_subscriptions") {
                continue;
            }
            let refusal = session.refused(statement).await;
            assert_eq!(refusal.code, "42501", "{role}: {statement}: {refusal:?}");
        }
    }
    let stranger = Session::open_as(&db, "stranger").await;
    let publish = format!("select webhooks.publish_event('{tenant}', 'job.created')");
    assert_eq!(stranger.refused(&publish).await.code, "42501");
    let sidecar = Session::open_as(&db, SIDECAR_ROLE).await;
    assert_eq!(sidecar.refused(&publish).await.code, "42501");
}

/// A function that was put into the private schema beforehand could be called in place of one that the extension makes.
#[tokio::test]
async fn a_private_schema_that_others_may_have_filled_is_refused() {
    let cluster = Database::fresh("roles").await.unwrap().cluster().clone();
    let db = Database::create_empty(&cluster, "private").await.unwrap();
    let admin = Session::open(&db).await;
    admin.run("create schema webhooks_private").await;
    let taken = admin.refused("create extension webhooks").await;
    assert_eq!(taken.code, "42P06", "{taken:?}");
    admin
        .run("drop schema webhooks_private; alter default privileges grant create on schemas to public")
        .await;
    let open = admin.refused("create extension webhooks").await;
    assert_eq!(open.code, "42P15", "{open:?}");
    assert!(open.message.contains("others may create"), "{open:?}");
    admin
        .run("alter default privileges revoke create on schemas from public; create extension webhooks")
        .await;
    // Nothing is left of it, although its partitions are none of the extension's.
    admin.run("drop extension webhooks").await;
    let left = "select count(*) from pg_namespace where nspname = 'webhooks_private'";
    assert_eq!(admin.text(left).await, "0");
}

/// A publisher can't lend the owner's functions objects of its own: no search_path of a caller reaches them.
#[tokio::test]
async fn a_callers_search_path_changes_nothing() {
    let db = Database::fresh("search_path").await.unwrap();
    let tenant = db.tenant();
    let columns = json!({"tenant_id": tenant, "webhook_url": "http://x.example/",
                         "event_filters": {"event_data": {"a": 1}, "jsonpath": "$.a == 1"}});
    db.subscribe(columns).await.unwrap();
    let admin = Session::open(&db).await;
    admin
        .run("create schema evil; grant all on schema evil to public")
        .await;
    let publisher = Session::open_as(&db, PUBLISHER_ROLE).await;
    publisher
        .run(&format!(
            "select webhooks.set_tenant('{tenant}', for_session => true)"
        ))
        .await;
    publisher
        .run(
            "create function evil.now() returns timestamptz language plpgsql as $$ begin raise exception 'caught'; end $$;
             create function evil.split_part(text, text, integer) returns text language plpgsql as $$ begin raise exception 'caught'; end $$;
             create function evil.try_lock_xact(integer, integer, boolean) returns boolean language plpgsql as $$ begin raise exception 'caught'; end $$;
             create function evil.jsonb_typeof(jsonb) returns text language plpgsql as $$ begin raise exception 'caught'; end $$;
             set search_path = evil, pg_catalog",
        )
        .await;
    publisher
        .run(&format!(
            "select webhooks.publish_event('{tenant}', 'job.created', event_data => '{{\"a\": 1}}')"
        ))
        .await;
    let queued = "select count(*) from webhooks.delivery_queue";
    assert_eq!(admin.text(queued).await, "1");
}
