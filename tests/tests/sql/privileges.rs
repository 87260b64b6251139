//! Who may do what: written down here, compared with the catalogues. A new object without an entry fails.

use serde_json::json;
use webhooks_tests::database::{Database, PUBLISHER_ROLE, SIDECAR_ROLE};

use crate::session::Session;

/// Functions that somebody but the owner may call.
const EXECUTE: &[&str] = &[
    "arm_doorbell webhooks_sidecar",
    "balance_shards webhooks_sidecar",
    "claim_deliveries webhooks_sidecar",
    "disarm_doorbell webhooks_sidecar",
    "join_sidecars webhooks_sidecar",
    "leave_sidecars webhooks_sidecar",
    "load_subscriptions webhooks_sidecar",
    "maintain webhooks_sidecar",
    "promote_due webhooks_sidecar",
    "publish_event webhooks_publisher",
    "record_attempts webhooks_sidecar",
    "release_shards webhooks_sidecar",
    "shard_count webhooks_sidecar",
    "sidecar_count webhooks_sidecar",
    "sidecar_settings webhooks_sidecar",
    "uuid_v7 webhooks_publisher",
];

/// All others: for the DBA, and for functions that run as the owner.
const OWNER_ONLY: &[&str] = &[
    "apply_links",
    "audit",
    "audit_change",
    "build_payload",
    "bypasses_isolation",
    "caller",
    "cancel_outstanding",
    "check_subscription",
    "check_tenant",
    "copy_subscriptions",
    "create_partitions",
    "create_subscription",
    "current_tenant",
    "delete_subscription",
    "derive_routes",
    "explain_match",
    "export_subscriptions",
    "filter_matches",
    "filter_mismatch",
    "forget_tenants",
    "generate_api_key",
    "generate_secret",
    "generate_signature",
    "get_subscription",
    "import_subscriptions",
    "insert_subscription",
    "jsonpath_matches",
    "jsonpath_objection",
    "keep_secrets",
    "lane_of",
    "link_table",
    "link_tenants",
    "link_users",
    "list_subscriptions",
    "lock_tenant",
    "match_events",
    "may_access_tenant",
    "only_changes",
    "ordered_deliveries",
    "own_event_type",
    "own_subscription",
    "redact",
    "redact_subscription",
    "refuse_change",
    "refuse_subscription",
    "refuse_tenant",
    "remove_orphans",
    "render_payload",
    "reset_breaker",
    "reset_setting",
    "ring_doorbell",
    "set_setting",
    "set_subscriptions_enabled",
    "set_tenant",
    "setting",
    "setting_definitions",
    "shard_of",
    "subscription_changes",
    "subscription_row",
    "subscription_settings",
    "unlink_tenants",
    "unlink_users",
    "update_subscription",
    "uuid_v7_floor",
    "uuid_v7_time",
    "validate_subscription",
    "verify_signature",
];

/// Relations, with what somebody but the owner may do.
const RELATIONS: &[&str] = &[
    "audit_log",
    "audit_log_default",
    "audit_log_template",
    "delivery_attempts",
    "delivery_attempts_default",
    "delivery_attempts_template",
    "delivery_queue",
    "event_logs webhooks_publisher=INSERT",
    "event_logs_default",
    "event_logs_template",
    "event_types",
    "idempotency_keys",
    "linked_tables",
    "setting_overrides",
    "settings",
    "subscription_breakers",
    "subscription_health",
    "subscription_routes",
    "webhook_delivery_logs",
    "webhook_subscriptions",
];

/// As `webhooks_sidecar`, or `PUBLIC`.
const GRANTEE: &str = "case a.grantee when 0 then 'PUBLIC' else a.grantee::regrole::text end";

#[tokio::test]
async fn nothing_is_granted_but_what_is_written_here() {
    let db = Database::fresh("grants").await.unwrap();
    let session = Session::open(&db).await;
    // What is made at run time is nobody's either.
    session.run("select webhooks.create_partitions(1)").await;

    let functions = format!(
        "select p.proname || coalesce(' ' || string_agg({GRANTEE}, ' ' order by 1), '')
         from pg_proc p
         left join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a on a.grantee <> p.proowner
         where p.pronamespace = 'webhooks'::regnamespace
         group by p.oid, p.proname order by 1"
    );
    let functions = session.lines(&functions).await;
    let (granted, owners): (Vec<_>, Vec<_>) = functions.iter().partition(|f| f.contains(' '));
    assert_eq!(granted, EXECUTE.iter().collect::<Vec<_>>());
    assert_eq!(owners, OWNER_ONLY.iter().collect::<Vec<_>>());

    let relations = format!(
        "select c.relname || coalesce(' ' || string_agg({GRANTEE} || '=' || a.privilege_type, ' ' order by 1), '')
         from pg_class c
         left join aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a on a.grantee <> c.relowner
         where c.relnamespace = 'webhooks'::regnamespace and c.relkind not in ('i', 'I', 't', 'c')
         group by c.oid, c.relname order by 1"
    );
    let relations = session.lines(&relations).await;
    let (partitions, relations): (Vec<_>, Vec<_>) = relations.into_iter().partition(|r| {
        r.trim_end_matches(|c: char| c.is_ascii_digit())
            .ends_with('_')
    });
    assert_eq!(relations, RELATIONS);
    // Two days of each log, a month or two of the audit log.
    assert!((5..=6).contains(&partitions.len()), "{partitions:?}");
    assert!(
        partitions.iter().all(|p| !p.contains(' ')),
        "{partitions:?}"
    );

    let columns = format!(
        "select attrelid::regclass || '.' || attname || ' ' || {GRANTEE} || '=' || a.privilege_type
         from pg_class c join pg_attribute on attrelid = c.oid, aclexplode(attacl) a
         where c.relnamespace = 'webhooks'::regnamespace order by 1"
    );
    assert_eq!(
        session.lines(&columns).await,
        ["webhooks.event_logs.id webhooks_publisher=SELECT"]
    );
    let schema = format!(
        "select {GRANTEE} || '=' || a.privilege_type from pg_namespace n, aclexplode(n.nspacl) a
         where n.nspname = 'webhooks' and a.grantee <> n.nspowner order by 1"
    );
    assert_eq!(
        session.lines(&schema).await,
        ["webhooks_publisher=USAGE", "webhooks_sidecar=USAGE"]
    );
    let roles = "select rolname, rolcanlogin, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication
                 from pg_roles where rolname ~ '^webhooks_' order by 1";
    assert_eq!(
        session.lines(roles).await,
        [
            "webhooks_all_tenants|f|f|t|f|f|f|f",
            "webhooks_publisher|f|f|t|f|f|f|f",
            "webhooks_sidecar|f|f|t|f|f|f|f"
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
        "select * from webhooks.sidecar_settings()",
        "select webhooks.shard_count()",
        "select webhooks.join_sidecars()",
        "select webhooks.sidecar_count()",
        "select * from webhooks.balance_shards('{}')",
        "select webhooks.arm_doorbell('{1,2}')",
        "select webhooks.disarm_doorbell('{1,2}')",
        "select * from webhooks.promote_due('{1}')",
        "select * from webhooks.maintain()",
        "set synchronous_commit = off",
    ] {
        sidecar.run(statement).await;
    }
    let tasks = "select string_agg(task, ' ') from webhooks.maintain()";
    assert_eq!(
        sidecar.text(tasks).await,
        "forget_idempotency_keys remove_orphans apply_links create_partitions"
    );
    let load = "select auth_config from webhooks.load_subscriptions('{00000000-0000-7000-8000-000000000001}')";
    assert_eq!(sidecar.text(load).await, "{\"api_key\": \"key\"}");
    // A 410, recorded and disabling.
    let record = "select count(*) from webhooks.claim_deliveries('{1}', '{null}', '{}', '{}', '{}', '{}', 10, 0, 10) c,
        webhooks.record_attempts(array[c.delivery_id], array[c.subscription_id], '{0}', '{failed}', '{410}', '{null}', '{null}', '{gone}', '{0}', '{1}', '{1}',
                                 '{null}', '{null}', '{gone}', '{open}', '{1000}', '{1000}')";
    assert_eq!(sidecar.text(record).await, "0");
    let done = "select is_enabled, (select delivery_status from webhooks.webhook_delivery_logs) from webhooks.webhook_subscriptions";
    assert_eq!(Session::open(&db).await.text(done).await, "f|failed");
    sidecar
        .run("select webhooks.release_shards('{0,1,2,3}')")
        .await;
}

#[tokio::test]
async fn secrets_are_read_by_nobody_else() {
    let db = Database::fresh("secrets").await.unwrap();
    let tenant = db.tenant();
    let columns = json!({"tenant_id": tenant, "webhook_url": "http://x.example/", "auth_type": "api_key", "auth_config": {"api_key": "key"}});
    db.subscribe(columns).await.unwrap();
    Session::open(&db)
        .await
        .run("do $$ begin if to_regrole('stranger') is null then create role stranger login; end if; end $$")
        .await;
    let statements = [
        "select auth_config from webhooks.webhook_subscriptions",
        "select webhook_headers from webhooks.webhook_subscriptions",
        "select * from webhooks.load_subscriptions(array[webhooks.uuid_v7()])",
        "select * from webhooks.webhook_subscriptions",
        "table webhooks.subscription_routes",
        "table webhooks.event_logs",
        "table webhooks.delivery_attempts",
        "table webhooks.webhook_delivery_logs",
        "table webhooks.idempotency_keys",
        "table webhooks.audit_log",
        "copy webhooks.webhook_subscriptions to stdout",
        "update webhooks.webhook_subscriptions set webhook_url = 'http://evil.example/'",
        "delete from webhooks.delivery_queue",
        "insert into webhooks.delivery_queue (subscription_id, event_log_id, tenant_id, shard) select u, u, u, 0 from (select gen_random_uuid() u) t",
        "insert into webhooks.event_logs_default (tenant_id, event_type, event_category, event_name, event_data) select gen_random_uuid(), 'job.created', '', '', '{}'",
        "delete from webhooks.event_logs",
        "select webhooks.set_setting('max_retry_delay_seconds', 1)",
        "select webhooks.create_partitions()",
        "select webhooks.link_tenants('pg_class')",
        "insert into webhooks.event_types (name, category) values ('a.b', 'a')",
        "insert into webhooks.audit_log (action, object_type, object_id, session_role, acting_role) values ('', '', '', 'x', 'x')",
        "select webhooks.audit('created', 'subscription', 'x')",
        "create table webhooks.mine (id integer)",
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
        .run(
            "create function evil.now() returns timestamptz language plpgsql as $$ begin raise exception 'caught'; end $$;
             create function evil.split_part(text, text, integer) returns text language plpgsql as $$ begin raise exception 'caught'; end $$;
             create function evil.pg_try_advisory_xact_lock_shared(integer, integer) returns boolean language plpgsql as $$ begin raise exception 'caught'; end $$;
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
