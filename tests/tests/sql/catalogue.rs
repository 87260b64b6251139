//! Rules that the catalogues prove for the whole schema.

use std::path::Path;

use webhooks_tests::database::Database;

use crate::golden::assert_golden;
use crate::isolation::matrix::PUBLIC;
use crate::support::session::Session;

/// Functions that run as the extension's owner. Each addition deserves a thought about the roles that may call it, and the arguments.
const SECURITY_DEFINER: &[&str] = &[
    "acknowledge_deliveries",
    "adopt_database",
    "adopt_if_empty",
    "adoption_report",
    "arm_doorbell",
    "audit_change",
    "balance_shards",
    "blockers",
    "cancel_deliveries",
    "cancel_delivery",
    "cancel_outstanding",
    "changed_subscriptions",
    "check_adopted",
    "check_event_type_sizes",
    "check_event_type_version_sizes",
    "check_subscription_sizes",
    "check_subscription_template_sizes",
    "claim_deliveries",
    "close_session",
    "copy_subscriptions",
    "create_access_token",
    "create_partitions",
    "create_portal_link",
    "delete_subscription",
    "delete_subscription_template",
    "delivery_latency",
    "delivery_metrics",
    "delivery_volume",
    "derive_routes",
    "disarm_doorbell",
    "doctor",
    "endpoint_health",
    "evaluate_alerts",
    "event_of_key",
    "event_volume",
    "failed_deliveries",
    "forget_tenants",
    "grant_all_tenants",
    "is_adopted",
    "is_too_large",
    "join_sidecars",
    "leave_sidecars",
    "limit_events",
    "limit_subscriptions",
    "list_access_tokens",
    "list_audit_log",
    "list_tenants",
    "listed_subscriptions",
    "load_subscriptions",
    "lock_tenant",
    "locked_deliveries",
    "maintain",
    "match_events",
    "note_token_uses",
    "notice_deprecation",
    "observe_queue",
    "open_access",
    "open_jwt",
    "open_session",
    "overdue_partitions",
    "poll_deliveries",
    "promote_due",
    "publish_event",
    "purge_tenant",
    "queue_status",
    "record_attempts",
    "record_verifications",
    "redact_event",
    "redacted_auth_config",
    "redacted_headers",
    "redacted_template_secrets",
    "redeem_link",
    "refuse_future_id",
    "release_database",
    "release_restored",
    "release_shards",
    "replay_event",
    "replay_event_set",
    "replay_events",
    "reset_breaker",
    "retry_delivery",
    "retry_failed",
    "revoke_access_token",
    "revoke_all_tenants",
    "session_access",
    "set_tenant_limits",
    "sidecar_count",
    "sidecar_settings",
    "slo_report",
    "snapshot_resource",
    "subscription_changes",
    "subscription_deliveries",
    "subscription_messages",
    "sync_limit_trigger",
    "sync_resource_trigger",
    "sync_validation_trigger",
    "tenant_usage",
    "test_subscription",
    "validate_events",
    "validate_subscription",
    "verify_subscription",
];

/// The objects that belong to the extension: not the partitions that its script and create_partitions() make.
const IS_MEMBER: &str = "exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')";

/// Tables that pg_dump needs not look into: always empty, or derived from others.
const NOT_DUMPED: &[&str] = &[
    "redeliveries_template",
    "audit_log_template",
    "delivery_attempts_template",
    "event_logs_template",
    "subscription_routes",
    // No cursor from before acknowledges what is handed out after.
    "poll_batches",
    // Of memory that another server has not.
    "meters_handle",
    // Of what this database, and no other, was found to be like.
    "alert_evaluation",
    "alert_states",
    "maintenance_tasks",
    // The history of this database's rows.
    "restored_events",
    // How far something has come that is quickly found out anew.
    "expired_responses",
];

async fn session(name: &str) -> (Database, Session) {
    let db = Database::fresh(name).await.unwrap();
    let session = Session::open(&db).await;
    (db, session)
}

#[tokio::test]
async fn everything_has_a_comment() {
    let (_db, session) = session("comments").await;
    // Partitions made later have their template's.
    session.run("select webhooks.create_partitions(1)").await;
    let bare = "
        select 'relation ' || c.relname from pg_class c
        where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'S', 'f') and c.relname !~ '_[0-9]{8}$'
          and obj_description(c.oid, 'pg_class') is null
        union all
        select 'column ' || c.relname || '.' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped
          and col_description(c.oid, a.attnum) is null
        union all
        select 'function ' || p.oid::regprocedure from pg_proc p
        where p.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and obj_description(p.oid, 'pg_proc') is null
        union all
        select 'type ' || t.typname from pg_type t
        where t.typnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and t.typelem = 0 and obj_description(t.oid, 'pg_type') is null
          and not exists (select from pg_class c where c.oid = t.typrelid and c.relkind <> 'c')
        union all
        select 'schema ' || n.nspname from pg_namespace n
        where n.nspname in ('webhooks', 'webhooks_private') and obj_description(n.oid, 'pg_namespace') is null
        order by 1";
    assert_eq!(session.lines(bare).await, [""; 0]);
}

/// `\df webhooks.*` and `\d webhooks.*` are tables of contents: parts of the extension that people do not use are elsewhere.
#[tokio::test]
async fn the_schema_webhooks_has_what_people_use() {
    let (_db, session) = session("contents").await;
    let found = "
        select p.proname from pg_proc p where 'webhooks'::regnamespace = p.pronamespace
        union
        select c.relname from pg_class c where 'webhooks'::regnamespace = c.relnamespace and c.relkind not in ('i', 'I', 't', 'c')
        order by 1";
    assert_eq!(session.lines(found).await, PUBLIC);
}

#[tokio::test]
async fn no_function_depends_on_its_callers_search_path() {
    let (_db, session) = session("search_paths").await;
    let open = "
        select p.oid::regprocedure from pg_proc p join pg_language l on l.oid = p.prolang
        where p.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and l.lanname <> 'c' and p.prokind <> 'a' and p.prosqlbody is null
          and 'search_path=pg_catalog, pg_temp' <> all (coalesce(p.proconfig, '{}'))";
    assert_eq!(session.lines(open).await, [""; 0]);
    // Not even by a body that is parsed once: what it calls may not be.
    let definers = "
        select proname, bool_and('search_path=pg_catalog, pg_temp' = any (coalesce(proconfig, '{}'))) from pg_proc
        where pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and prosecdef group by proname order by proname";
    let expected: Vec<_> = SECURITY_DEFINER.iter().map(|f| format!("{f}|t")).collect();
    assert_eq!(session.lines(definers).await, expected);
    // The caller's rights are the view's.
    let views = "select relname, reloptions from pg_class where relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and relkind = 'v' order by 1";
    for view in session.lines(views).await {
        assert!(view.contains("security_invoker=true"), "{view}");
    }
}

#[tokio::test]
async fn every_table_with_rows_is_dumped() {
    let (_db, session) = session("dumped").await;
    let tables = format!(
        "select c.relname, e.condition from pg_class c
        left join (select unnest(extconfig) as oid, unnest(extcondition) as condition from pg_extension where extname = 'webhooks') e on e.oid = c.oid
        where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind in ('r', 'S', 'm') and {IS_MEMBER} order by 1"
    );
    for table in session.lines(&tables).await {
        let (name, condition) = table.split_once('|').unwrap();
        let expected = match name {
            name if NOT_DUMPED.contains(&name) => "null",
            "event_types" | "event_type_versions" => "where not is_builtin",
            // Nobody is logged in to a copy.
            "access_tokens" => "where kind = 'token'",
            _ => "",
        };
        assert_eq!(condition, expected, "{name}");
    }
    // Of a partitioned parent pg_dump has nothing to dump.
    let all = "select count(*) from unnest((select extconfig from pg_extension where extname = 'webhooks'))";
    assert_eq!(session.text(all).await, "27");
}

#[tokio::test]
async fn only_functions_that_write_lock_notify_or_draw_lots_are_volatile() {
    let (_db, session) = session("volatility").await;
    // Only what writes, locks, notifies or draws lots.
    let volatile = "select string_agg(proname, ' ' order by proname) from pg_proc
        where pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and provolatile = 'v' and prorettype <> 'trigger'::regtype";
    assert_eq!(
        session.text(volatile).await,
        "acknowledge_deliveries add_routes adopt_database adopt_if_empty apply_limits apply_links arm_doorbell \
         attach_meters attach_partitions audit balance_shards begin_metering bind_database blockers call_resolver \
         cancel_all_outstanding cancel_deliveries cancel_delivery check_arguments check_event_size check_outstanding \
         check_publishes_for_system claim_idempotency_key close_session copy_subscriptions count_match \
         count_notification counted_matches create_access_token create_meters create_partition_table \
         create_partitions create_portal_link create_subscription create_subscription_from_template \
         delete_subscription delete_subscription_template deprecate_event_type disarm_doorbell drop_old_partition \
         drop_partition drop_unused_functions end_all_tenants_tokens end_copied_access end_deliveries \
         evaluate_alerts expire_deliveries expire_late_responses expire_next_responses expire_responses fire_alert \
         forget_access_tokens forget_alerts forget_old_rows forget_rollups forget_secrets forget_subscriptions \
         forget_tenant_rollups generate_api_key generate_secret grant_all_tenants has_too_many_rows \
         import_subscription import_subscriptions insert_subscription join_sidecars leave_sidecars \
         limit_endpoint_subscriptions link_table link_tenants link_users list_tenants lock_holders lock_log_triggers \
         lock_tenant lock_xact locked_deliveries maintain make_partitions make_resolver make_watch_triggers \
         measure_alert measure_server measure_sidecars meter_events meter_outstanding metered_events move_deliveries \
         move_from_default move_outstanding next_polled note_bell note_maintenance note_measures note_token_uses \
         notify notify_change notify_owner notify_queue_is_full omit_context open_meters open_session \
         own_watch_functions poll_deliveries poll_subscription prepare_default promote_due publish_alert \
         publish_endpoint_events publish_event purge_batch purge_partition purge_relation purge_tenant \
         raise_invalid_event raise_not_published raise_too_many_outstanding raise_unknown_event_type \
         reconcile_after_restore record_attempts record_breakers record_verifications redact_event redeem_link \
         redeliver register_event_type register_resource release_database release_shards remove_orphans \
         render_delivery renew_secret renew_verification repair_routes replay_by_id replay_event replay_event_set \
         replay_events reset_alert_rule reset_breaker reset_setting resolve_alerts retire_secret retry_delivery \
         retry_failed revoke_access_token revoke_all_tenants ring_doorbell roll_up roll_up_attempts roll_up_events \
         set_alert_rule set_setting set_setting set_subscriptions_enabled set_tenant set_tenant_limits settled_until \
         sidecar_count tell_of_change tenant_usage test_subscription try_bell try_lock try_lock_xact undo_metering \
         unlink_tenants unlink_users unlock unregister_resource unwatch_table update_subscription uuid_v7 \
         verify_subscription wait_for_delivery watch_table"
    );
    // Named notation: parameters have names, and not p_ ones.
    let unnamed = "select p.oid::regprocedure from pg_proc p
        where p.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and p.pronargs > 0
          and (coalesce(cardinality(p.proargnames), 0) < p.pronargs or exists (select from unnest(p.proargnames) n where n = '' or n like 'p\\_%'))";
    assert_eq!(session.lines(unnamed).await, [""; 0]);
}

/// What it gives and gets has a type that ALTER TYPE can add an attribute to: another parameter or another column of a
/// result would need another function.
#[tokio::test]
async fn what_the_sidecar_calls_can_be_extended() {
    let (_db, session) = session("extensible").await;
    let fixed = "select p.oid::regprocedure from pg_proc p
        where p.pronamespace = 'webhooks_private'::regnamespace and has_function_privilege('webhooks_sidecar', p.oid, 'execute')
          and (p.pronargs > 2 or p.proargmodes is not null)";
    assert_eq!(session.lines(fixed).await, [""; 0]);
}

/// Everything that CREATE EXTENSION makes, in words that are the same in every supported version of PostgreSQL.
pub async fn schema(session: &Session) -> String {
    session
        .run("set search_path = pg_catalog; set timezone = 'UTC'")
        .await;
    let mut schema = String::new();
    for (title, query) in [
        (
            "relations and their columns",
            "select format('%s %s%s%s%s', case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view' else c.relkind::text end,
                        c.oid::regclass, coalesce(' (' || pg_get_partkeydef(c.oid) || ')', ''), coalesce(' ' || c.reloptions::text, ''),
                        case when c.relrowsecurity then ' row level security' else '' end) || E'\\n'
                 || (select string_agg(format('    %s %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                                              case when a.attnotnull then ' not null' else '' end,
                                              coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')), E'\\n' order by a.attnum)
                     from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
                     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
             from pg_class c where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind not in ('i', 'I', 't', 'c') and {member} order by c.relname",
        ),
        (
            "composite types",
            "select format('%s (%s)', c.oid::regclass, string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' order by a.attnum))
             from pg_class c join pg_attribute a on a.attrelid = c.oid where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and c.relkind = 'c'
             group by c.oid order by 1",
        ),
        (
            "partitions",
            "select format('%s of %s %s', i.inhrelid::regclass, i.inhparent::regclass, pg_get_expr(c.relpartbound, c.oid))
             from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and {member} order by 1",
        ),
        (
            "indexes",
            "select pg_get_indexdef(x.indexrelid) from pg_index x join pg_class c on c.oid = x.indrelid
             where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and {member} order by 1",
        ),
        (
            "constraints",
            "select format('%s %s %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)) from pg_constraint k join pg_class c on c.oid = k.conrelid
             where k.connamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and k.contype <> 'n' and {member} order by 1",
        ),
        (
            "policies",
            "select format('%s %s', p.polrelid::regclass, p.polname)
                 || format(' for %s', case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end)
                 || coalesce((select ' to ' || string_agg(r.rolname, ', ' order by r.rolname) from pg_roles r where r.oid = any (p.polroles)), '')
                 || coalesce(' using ' || pg_get_expr(p.polqual, p.polrelid), '')
                 || coalesce(' with check ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
             from pg_policy p join pg_class c on c.oid = p.polrelid where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) order by 1",
        ),
        (
            "functions",
            "select format('%s.%s(%s)', p.pronamespace::regnamespace, p.proname, pg_get_function_arguments(p.oid)) || E'\\n'
                 || format('    returns %s %s %s parallel %s%s%s%s', pg_get_function_result(p.oid), l.lanname,
                           case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
                           case p.proparallel when 's' then 'safe' when 'r' then 'restricted' else 'unsafe' end,
                           case when p.proisstrict then ' strict' else '' end,
                           case when p.prosecdef then ' security definer' else '' end,
                           coalesce(' ' || p.proconfig::text, ''))
             from pg_proc p join pg_language l on l.oid = p.prolang where p.pronamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) order by 1",
        ),
        (
            "triggers",
            "select pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
             where c.relnamespace in ('webhooks'::regnamespace, 'webhooks_private'::regnamespace) and not t.tgisinternal and {member} order by 1",
        ),
        (
            "event types",
            "select format('%s (%s) %s', name, category, version) from webhooks.event_types order by 1",
        ),
        (
            "settings",
            "select format('%s = %s %s, %s to %s', name, coalesce(value::text, text_value, 'null'), unit, min_value, max_value) from webhooks.settings order by 1",
        ),
    ] {
        let query = query.replace("{member}", IS_MEMBER);
        let lines = session.lines(&query).await.join("\n");
        schema.push_str(&format!("-- {title}\n{lines}\n\n"));
    }
    schema.truncate(schema.trim_end().len());
    schema.push('\n');
    schema
}

#[tokio::test]
async fn the_schema_is_the_golden_one() {
    let (_db, session) = session("golden").await;
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/schema.sql");
    assert_golden(&golden, &schema(&session).await);
}
