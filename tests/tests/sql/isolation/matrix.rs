//! Who may do what: one line an object. The catalogues are compared with it, and every line is tried.

use Answer::{Denied, Own, Owner, Raised, Same, Unknown};

/// Relations: name; the column that tells whose a row is (none: nobody's); rights, role by role.
///
/// A right is an SQL privilege, perhaps on some columns, and of whose rows: of the tenant that is set (`own`), of `all`
/// tenants, or, where rows are nobody's, nothing.
#[rustfmt::skip]
pub const RELATIONS: &[(&str, &str, &str)] = &[
    ("audit_log", "tenant_id", "auditor: select all"),
    ("audit_log_default", "tenant_id", ""),
    ("audit_log_template", "tenant_id", ""),
    ("delivery_attempts", "tenant_id", "manager: select own; monitor: select(delivery_id delivery_attempt http_status_code attempted_at delivered_at next_retry_at duration_us subscription_id event_log_id tenant_id payload_size_bytes delivery_status error_message is_test) all"),
    ("delivery_attempts_default", "tenant_id", ""),
    ("delivery_attempts_template", "tenant_id", ""),
    ("delivery_queue", "tenant_id", "manager: select own; monitor: select all"),
    ("delivery_states", "tenant_id", "manager: select own; monitor: select all"),
    ("event_logs", "tenant_id", "manager: select own; monitor: select(id tenant_id event_type event_category event_version created_at processed_at environment deliver_after expires_at is_test) all; publisher: insert own, select(id) own"),
    ("event_logs_default", "tenant_id", ""),
    ("event_logs_template", "tenant_id", ""),
    ("event_type_catalogue", "", "manager: select; monitor: select; publisher: select"),
    ("event_type_versions", "", "manager: select; monitor: select; publisher: select"),
    ("event_types", "", "manager: select; monitor: select; publisher: select"),
    ("idempotency_keys", "tenant_id", ""),
    ("linked_tables", "", ""),
    ("meters_handle", "", ""),
    ("redeliveries", "tenant_id", "manager: select own; monitor: select all"),
    ("redeliveries_default", "tenant_id", ""),
    ("redeliveries_template", "tenant_id", ""),
    ("resources", "", ""),
    ("setting_overrides", "", "manager: select; monitor: select"),
    ("settings", "", "manager: select; monitor: select"),
    ("subscription_breakers", "subscription_id", "manager: delete own, select own; monitor: select all"),
    ("subscription_health", "tenant_id", "manager: select own; monitor: select all"),
    ("subscription_routes", "tenant_id", ""),
    ("subscription_settings", "tenant_id", "manager: select own"),
    ("subscription_templates", "tenant_id", "manager: delete own, insert own, select own, update own"),
    ("subscription_verifications", "subscription_id", "manager: select own; monitor: select(subscription_id origin state since allowed_rate_per_minute tries failing_since next_try_at last_error) all"),
    ("tenant_limits", "tenant_id", "manager: select own; monitor: select all"),
    ("watched_tables", "", "publisher: select"),
    ("webhook_delivery_logs", "tenant_id", "manager: select own"),
    ("webhook_subscriptions", "tenant_id", "manager: delete own, insert own, select(id tenant_id name description environment webhook_url webhook_method auth_type subscribed_events event_filters retry_count retry_delay_seconds timeout_seconds max_payload_size_kb is_active is_enabled created_at updated_at created_by no_retry_statuses max_in_flight rate_limit_per_second rate_limit_burst ordering breaker_failure_threshold breaker_cooldown_seconds disabled_reason payload_format payload_template payload_content_type endpoint_verification version) own, update own; monitor: select(id tenant_id name environment auth_type subscribed_events retry_count retry_delay_seconds timeout_seconds max_payload_size_kb is_active is_enabled created_at updated_at no_retry_statuses max_in_flight rate_limit_per_second rate_limit_burst ordering breaker_failure_threshold breaker_cooldown_seconds disabled_reason payload_format endpoint_verification version) all"),
];

/// A row of a tenant, for each relation that somebody may insert into.
#[rustfmt::skip]
pub const INSERTS: &[(&str, &str)] = &[
    ("event_logs", "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data) values ('{tenant}', 'job.created', 'job', 'x', '{}')"),
    ("subscription_templates", "insert into webhooks.subscription_templates (tenant_id, name, settings) values ('{tenant}', 'new', '{}')"),
    ("webhook_subscriptions", "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, auth_type, auth_config, webhook_headers, template_secrets) values ('{tenant}', 'x', 'http://x.example/', 'api_key', '{\"api_key\": \"k\"}', '{\"x\": \"y\"}', '{\"x\": \"y\"}')"),
];

/// What becomes of a call for a tenant, whose `{tenant}`, `{subscription}`, `{event}` and `{delivery}` it names.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// For the owner alone.
    Owner,
    /// It knows no tenants.
    Same(&'static str),
    /// Null or 0, as if there were nothing, unless that tenant is set.
    Own(&'static str),
    /// An error that says that the tenant may not be accessed, unless it is set.
    Denied(&'static str),
    /// The error for an id that there is not, unless that tenant is set.
    Unknown(&'static str),
    /// The error that it is there to raise, and its SQLSTATE.
    Raised(&'static str, &'static str),
}

/// Functions: name, roles that may call it, and what becomes of such a call.
#[rustfmt::skip]
pub const FUNCTIONS: &[(&str, &str, Answer)] = &[
    ("application_user", "publisher", Same("select webhooks.application_user()")),
    ("apply_limits", "", Owner),
    ("apply_links", "", Owner),
    ("arm_doorbell", "sidecar", Same("select webhooks.arm_doorbell('{1}')")),
    ("attach_meters", "", Owner),
    ("audit", "", Owner),
    ("audit_change", "", Owner),
    ("balance_shards", "sidecar", Same("select webhooks.balance_shards('{}')")),
    ("base_type", "publisher", Same("select webhooks.base_type('uuid')")),
    ("begin_metering", "", Owner),
    ("build_payload", "manager", Own("select webhooks.build_payload('{event}')")),
    ("bypasses_isolation", "", Owner),
    ("call_resolver", "", Owner),
    ("caller", "", Owner),
    ("cancel_deliveries", "manager", Unknown("select webhooks.cancel_deliveries('{subscription}')")),
    ("cancel_outstanding", "", Owner),
    ("check_event_type_version", "", Owner),
    ("check_outstanding", "", Owner),
    ("check_subscription", "", Owner),
    ("check_template", "", Owner),
    ("check_template_secrets", "", Owner),
    ("check_tenant", "", Owner),
    ("check_verification_settings", "", Owner),
    ("check_watch_bounds", "publisher", Same("select webhooks.check_watch_bounds('{}')")),
    ("check_watch_columns", "publisher", Same("select webhooks.check_watch_columns('webhooks.event_logs', '{id,tenant_id}', '{\"on_insert\": \"job.created\", \"tenant_column\": \"tenant_id\"}')")),
    ("check_watch_events", "publisher", Same("select webhooks.check_watch_events('webhooks.event_logs', '{\"on_insert\": \"job.created\"}')")),
    ("check_watchable", "publisher", Raised("select webhooks.check_watchable('webhooks.event_logs')", "42809")),
    ("claim_deliveries", "sidecar", Same("select webhooks.claim_deliveries('{1}', '{null}', '{}', '{}', '{}', '{}', 10, 0, 10)")),
    ("claim_idempotency_key", "", Owner),
    ("columns_since", "publisher", Same("select webhooks.columns_since('webhooks.event_logs', '{}', 'none')")),
    ("complete_watch", "publisher", Same("select webhooks.complete_watch('webhooks.event_logs', '{\"on_insert\": \"job.created\", \"tenant_column\": \"tenant_id\"}')")),
    ("copy_subscriptions", "manager", Denied("select count(*) from webhooks.copy_subscriptions('{tenant}', 'production', 'dev')")),
    ("count_outstanding", "", Owner),
    ("create_meters", "", Owner),
    ("create_partitions", "", Owner),
    ("create_subscription", "manager", Denied("select webhooks.create_subscription('{tenant}', 'x', 'https://x.example/', '[]')")),
    ("create_subscription_from_template", "manager", Denied("select webhooks.create_subscription_from_template('{tenant}', 'plain-json', '{\"webhook_url\": \"https://x.example/\"}')")),
    ("current_tenant", "manager publisher", Same("select webhooks.current_tenant()")),
    ("delete_subscription", "manager", Unknown("select webhooks.delete_subscription('{subscription}')")),
    ("deprecate_event_type", "", Owner),
    ("derive_routes", "", Owner),
    ("disarm_doorbell", "sidecar", Same("select webhooks.disarm_doorbell('{1}')")),
    ("event_deliveries", "manager", Own("select count(*) from webhooks.event_deliveries('{tenant}', '{{event}}')")),
    ("event_history", "manager", Own("select count(*) from webhooks.event_history('{tenant}')")),
    ("explain_match", "manager", Own("select count(*) from webhooks.explain_match('{tenant}', 'job.created')")),
    ("export_subscriptions", "manager", Own("select jsonb_array_length(webhooks.export_subscriptions('{tenant}'))")),
    ("filter_matches", "", Owner),
    ("filter_mismatch", "manager", Same("select webhooks.filter_mismatch('{}', '{}', null, null)")),
    ("forget_tenants", "", Owner),
    ("generate_api_key", "manager", Same("select webhooks.generate_api_key()")),
    ("generate_secret", "manager", Same("select webhooks.generate_secret()")),
    ("generate_signature", "manager", Same("select webhooks.generate_signature('a', 'b')")),
    ("get_subscription", "manager", Unknown("select webhooks.get_subscription('{subscription}')")),
    ("grant_all_tenants", "", Owner),
    ("has_other_triggers", "publisher", Same("select webhooks.has_other_triggers('webhooks.event_logs')")),
    ("has_types", "publisher", Same("select webhooks.has_types('webhooks.event_logs', '{money}')")),
    ("import_subscriptions", "manager", Denied("select count(*) from webhooks.import_subscriptions('{tenant}', '[{\"name\": \"x\", \"webhook_url\": \"https://x.example/\"}]')")),
    ("insert_subscription", "manager", Denied("select webhooks.insert_subscription('{tenant}', '{\"name\": \"x\", \"webhook_url\": \"https://x.example/\"}')")),
    ("is_comparable", "publisher", Same("select webhooks.is_comparable('uuid')")),
    ("is_current_transaction", "manager", Same("select webhooks.is_current_transaction('3')")),
    ("is_too_large", "publisher", Same("select webhooks.is_too_large('a', '{b}', '{1}')")),
    ("is_watch", "publisher", Same("select count(*) from pg_trigger t where webhooks.is_watch(t)")),
    ("join_sidecars", "sidecar", Same("select webhooks.join_sidecars()")),
    ("jsonpath_matches", "manager", Same("select webhooks.jsonpath_matches('{}', '$.a')")),
    ("jsonpath_objection", "", Owner),
    ("keep_secrets", "", Owner),
    ("lane_of", "", Owner),
    ("leave_sidecars", "sidecar", Same("select webhooks.leave_sidecars()")),
    ("limit_events", "", Owner),
    ("limit_subscriptions", "", Owner),
    ("limits_of", "", Owner),
    ("link_table", "", Owner),
    ("link_tenants", "", Owner),
    ("link_users", "", Owner),
    ("list_subscriptions", "manager", Own("select count(*) from webhooks.list_subscriptions() where tenant_id = '{tenant}'")),
    ("load_subscriptions", "sidecar", Same("select webhooks.load_subscriptions('{}')")),
    ("lock_tenant", "manager", Denied("select webhooks.lock_tenant('{tenant}')")),
    ("maintain", "sidecar", Same("select webhooks.maintain()")),
    ("make_resolver", "", Owner),
    ("make_watch_triggers", "publisher", Same("select webhooks.make_watch_triggers('webhooks.event_logs', 'a', '{}')")),
    ("match_events", "", Owner),
    ("may_access_tenant", "", Owner),
    ("meter_events", "", Owner),
    ("meter_outstanding", "", Owner),
    ("metered_events", "", Owner),
    ("missing_tenant", "publisher", Raised("select webhooks.missing_tenant('a', 'b')", "23502")),
    ("needs_verification", "", Owner),
    ("next_attempt_number", "", Owner),
    ("notice_deprecation", "", Owner),
    ("notify_owner", "", Owner),
    ("only_changes", "", Owner),
    ("open_meters", "", Owner),
    ("ordered_deliveries", "", Owner),
    ("outstanding_deliveries", "", Owner),
    ("own_event_type", "", Owner),
    ("own_event_type_version", "", Owner),
    ("own_subscription", "", Owner),
    ("preview_payload", "manager", Unknown("select webhooks.preview_payload('{subscription}')")),
    ("preview_request", "manager", Own("select count(*) from webhooks.preview_request('{event}')")),
    ("promote_due", "sidecar", Same("select webhooks.promote_due('{1}')")),
    ("publish_event", "publisher", Denied("select webhooks.publish_event('{tenant}', 'job.created', idempotency_key => 'new')")),
    ("published_at", "manager", Same("select webhooks.published_at(gen_random_uuid(), now())")),
    ("record_attempts", "sidecar", Same("select webhooks.record_attempts('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')")),
    ("record_verifications", "sidecar", Same("select webhooks.record_verifications('{}', '{}', '{}', '{}', '{}', '{}', '{}')")),
    ("redact", "manager", Same("select webhooks.redact('{}')")),
    ("redact_subscription", "manager", Same("select webhooks.redact_subscription('{}')")),
    ("redacted_auth_config", "manager", Own("select webhooks.redacted_auth_config('{subscription}')")),
    ("redacted_headers", "manager", Own("select webhooks.redacted_headers('{subscription}')")),
    ("redacted_template_secrets", "manager", Own("select webhooks.redacted_template_secrets('{subscription}')")),
    ("redeliver", "", Owner),
    ("refuse_ambiguous_changes", "publisher", Raised("select webhooks.refuse_ambiguous_changes('webhooks.event_logs')", "55000")),
    ("refuse_busy_log", "", Owner),
    ("refuse_change", "", Owner),
    ("refuse_delivery", "manager", Raised("select webhooks.refuse_delivery('{delivery}')", "42704")),
    ("refuse_event", "", Owner),
    ("refuse_outstanding", "", Owner),
    ("refuse_subscription", "manager", Raised("select webhooks.refuse_subscription('{subscription}')", "42704")),
    ("refuse_tenant", "manager publisher", Raised("select webhooks.refuse_tenant('{tenant}')", "42501")),
    ("register_event_type", "", Owner),
    ("register_resource", "", Owner),
    ("release_shards", "sidecar", Same("select webhooks.release_shards('{1}')")),
    ("remove_orphans", "", Owner),
    ("render_request", "manager monitor publisher", Same("select webhooks.render_request('envelope', null, null, null, '{event}', '{tenant}', '', '', '', '', 0, '{}', null, null, null, null, null, null, null)")),
    ("renew_secret", "manager", Unknown("select webhooks.renew_secret('{subscription}')")),
    ("renew_verification", "", Owner),
    ("replay_events", "manager", Denied("select deliveries + outstanding from webhooks.replay_events('{tenant}', '-infinity', 'infinity')")),
    ("replayable", "", Owner),
    ("report_broken_watch", "publisher", Raised("select webhooks.report_broken_watch('webhooks.event_logs', '{}', '{}')", "55000")),
    ("reset_breaker", "manager", Unknown("select webhooks.reset_breaker('{subscription}')")),
    ("reset_setting", "", Owner),
    ("retry_delivery", "manager", Unknown("select webhooks.retry_delivery('{delivery}')")),
    ("retry_failed", "manager", Unknown("select webhooks.retry_failed('{subscription}')")),
    ("revoke_all_tenants", "", Owner),
    ("ring_doorbell", "", Owner),
    ("sample_event_type", "manager", Same("select webhooks.sample_event_type('[\"*\"]')")),
    ("sample_request", "manager", Same("select webhooks.sample_request('job.created', '{tenant}', 'envelope', null, null, 1)")),
    ("schema_errors", "", Owner),
    ("schema_example", "manager monitor publisher", Same("select webhooks.schema_example('{}')")),
    ("schema_objection", "", Owner),
    ("secret_names", "manager", Same("select webhooks.secret_names('{{ secrets.x }}')")),
    ("set_setting", "", Owner),
    ("set_subscriptions_enabled", "manager", Unknown("select webhooks.set_subscriptions_enabled('{{subscription}}', false)")),
    ("set_tenant", "manager publisher", Same("select webhooks.set_tenant('{tenant}')")),
    ("set_tenant_limits", "", Owner),
    ("settable_columns", "manager", Same("select webhooks.settable_columns()")),
    ("setting", "", Owner),
    ("setting_definitions", "manager monitor", Same("select webhooks.setting_definitions()")),
    ("shard_count", "manager monitor sidecar", Same("select webhooks.shard_count()")),
    ("shard_of", "", Owner),
    ("shipped_templates", "manager", Same("select count(*) from webhooks.shipped_templates()")),
    ("sidecar_count", "monitor sidecar", Same("select webhooks.sidecar_count()")),
    ("sidecar_settings", "sidecar", Same("select webhooks.sidecar_settings()")),
    ("snapshot_resource", "", Owner),
    ("subscription_changes", "manager", Unknown("select webhooks.subscription_changes('{subscription}', '{}')")),
    ("subscription_row", "manager", Same("select webhooks.subscription_row('{}')")),
    ("sync_limit_trigger", "", Owner),
    ("sync_resource_trigger", "", Owner),
    ("sync_validation_trigger", "", Owner),
    ("tenant_usage", "manager monitor", Denied("select used from webhooks.tenant_usage('{tenant}') where name = 'subscriptions'")),
    ("test_shard_of", "", Owner),
    ("test_subscription", "manager", Unknown("select webhooks.test_subscription('{subscription}')")),
    ("text_setting", "", Owner),
    ("text_setting_definitions", "manager monitor", Same("select webhooks.text_setting_definitions()")),
    ("undo_metering", "", Owner),
    ("unlink_tenants", "", Owner),
    ("unlink_users", "", Owner),
    ("unmatched_events", "manager", Own("select count(*) from webhooks.unmatched_events('{tenant}', '-infinity')")),
    ("unregister_resource", "", Owner),
    ("unwatch_table", "publisher", Same("select webhooks.unwatch_table('webhooks.event_logs')")),
    ("update_subscription", "manager", Unknown("select webhooks.update_subscription('{subscription}', '{\"name\": \"x\"}')")),
    ("uuid_v7", "manager publisher", Same("select webhooks.uuid_v7()")),
    ("uuid_v7_floor", "auditor manager monitor", Same("select webhooks.uuid_v7_floor(now())")),
    ("uuid_v7_time", "auditor manager monitor", Same("select webhooks.uuid_v7_time(gen_random_uuid())")),
    ("validate_events", "", Owner),
    ("validate_subscription", "", Owner),
    ("validate_template", "", Owner),
    ("value_bytes", "publisher", Same("select webhooks.value_bytes('a'::text)")),
    ("verify_signature", "manager", Same("select webhooks.verify_signature('a', 'b', 'c')")),
    ("verify_subscription", "manager", Unknown("select webhooks.verify_subscription('{subscription}')")),
    ("wait_for_delivery", "manager", Unknown("select status from webhooks.wait_for_delivery('{delivery}')")),
    ("warn_of_unwatched_changes", "publisher", Same("select webhooks.warn_of_unwatched_changes('webhooks.event_logs', '{\"per_row\": false}')")),
    ("watch_definition", "publisher", Same("select webhooks.watch_definition('\\x00')")),
    ("watch_differences", "publisher", Same("select webhooks.watch_differences('webhooks.event_logs', '{id}', '%s', ' or ')")),
    ("watch_event_types", "publisher", Same("select webhooks.watch_event_types('{}')")),
    ("watch_events", "publisher", Same("select webhooks.watch_events('{a,b}', 'insert', null, 'n', false)")),
    ("watch_events_script", "publisher", Same("select webhooks.watch_events_script('webhooks.event_logs', webhooks.complete_watch('webhooks.event_logs', '{\"on_insert\": \"job.created\", \"tenant_column\": \"tenant_id\"}'))")),
    ("watch_functions", "publisher", Same("select webhooks.watch_functions('webhooks.event_logs')")),
    ("watch_ids", "publisher", Same("select webhooks.watch_ids('webhooks.event_logs', '{}')")),
    ("watch_ids_objection", "publisher", Same("select webhooks.watch_ids_objection('webhooks.event_logs', '{id}', 'tenant_id')")),
    ("watch_insert", "publisher", Same("select webhooks.watch_insert('a', false)")),
    ("watch_key", "publisher", Same("select count(*) from webhooks.watch_key('{}')")),
    ("watch_large_values", "publisher", Same("select webhooks.watch_large_values('webhooks.event_logs', '{id}', '{r}')")),
    ("watch_object", "publisher", Same("select webhooks.watch_object('r', '{id}')")),
    ("watch_operands", "publisher", Same("select count(*) from webhooks.watch_operands('webhooks.event_logs')")),
    ("watch_row_body", "publisher", Same("select webhooks.watch_row_body('{a,b,c,d,e}', false)")),
    ("watch_row_changes", "publisher", Same("select webhooks.watch_row_changes('webhooks.event_logs', webhooks.complete_watch('webhooks.event_logs', '{\"on_insert\": \"job.created\", \"tenant_column\": \"tenant_id\"}'))")),
    ("watch_row_script", "publisher", Same("select webhooks.watch_row_script('webhooks.event_logs', webhooks.complete_watch('webhooks.event_logs', '{\"on_insert\": \"job.created\", \"tenant_column\": \"tenant_id\"}'))")),
    ("watch_same_script", "publisher", Same("select webhooks.watch_same_script('webhooks.event_logs', '{\"id_columns\": [\"id\"]}')")),
    ("watch_source", "publisher", Same("select webhooks.watch_source('{a,b,c,d,e}', 'new_rows', 'n', false)")),
    ("watch_statement_body", "publisher", Same("select webhooks.watch_statement_body('{a,b,c,d,e}', '{}', false)")),
    ("watch_table", "publisher", Raised("select webhooks.watch_table('webhooks.event_logs', on_insert => 'job.created', tenant_id => '{tenant}')", "42809")),
    ("watch_trigger_script", "publisher", Same("select webhooks.watch_trigger_script('webhooks.event_logs', webhooks.complete_watch('webhooks.event_logs', '{\"on_insert\": \"job.created\", \"tenant_column\": \"tenant_id\"}'))")),
    ("watch_value", "publisher", Same("select webhooks.watch_value('webhooks.event_logs', 'event_type', 'a')")),
    ("watch_value_types", "publisher", Same("select webhooks.watch_value_types('webhooks.event_logs', 'event_type', '{\"a\": \"job.created\"}')")),
    ("watch_values", "publisher", Same("select webhooks.watch_values('webhooks.event_logs', '{}')")),
    ("watch_values_script", "publisher", Same("select webhooks.watch_values_script('webhooks.event_logs', webhooks.complete_watch('webhooks.event_logs', '{\"on_insert\": \"job.created\", \"tenant_column\": \"tenant_id\"}'))")),
    ("watch_versions", "publisher", Same("select webhooks.watch_versions('{a,b,c,d}', '{key_1}')")),
];

/// Roles of the matrix; `webhooks_` and one of them is a group role.
pub const ROLES: &[&str] = &["auditor", "manager", "monitor", "publisher", "sidecar"];

/// A privilege that a role has on a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    pub role: &'static str,
    pub privilege: &'static str,
    /// None: on the whole relation.
    pub columns: Option<Vec<&'static str>>,
    pub of_all_tenants: bool,
}

/// What a line of [`RELATIONS`] says.
pub fn rights(line: &'static str) -> Vec<Right> {
    let mut rights = Vec::new();
    for part in line.split("; ").filter(|part| !part.is_empty()) {
        let (role, list) = part.split_once(": ").unwrap();
        assert!(ROLES.contains(&role), "{role}");
        for right in list.split(", ") {
            let (what, columns, whose) = match right.split_once('(') {
                Some((what, rest)) => {
                    let (columns, whose) = rest.split_once(')').unwrap();
                    (what, Some(columns.split(' ').collect()), whose)
                }
                None => right
                    .split_once(' ')
                    .map_or((right, None, ""), |(what, whose)| (what, None, whose)),
            };
            assert!(
                ["select", "insert", "update", "delete"].contains(&what),
                "{right}"
            );
            assert!(["", "own", "all"].contains(&whose.trim()), "{right}");
            rights.push(Right {
                role,
                privilege: what,
                columns,
                of_all_tenants: whose.trim() == "all",
            });
        }
    }
    rights
}
