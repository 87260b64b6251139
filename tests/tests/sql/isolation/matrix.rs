//! Who may do what: one line an object. The catalogues are compared with it, and every line is tried.

use Answer::{Denied, Own, Owner, Raised, Same, Unknown};

/// Relations: name; the column that tells whose a row is (none: nobody's); rights, role by role.
///
/// A right is an SQL privilege, perhaps on some columns, and of whose rows: of the tenant that is set (`own`), of `all`
/// tenants, or, where rows are nobody's, nothing.
#[rustfmt::skip]
pub const RELATIONS: &[(&str, &str, &str)] = &[
    ("delivery_attempts", "tenant_id", "manager: select own; monitor: select(delivery_id delivery_attempt http_status_code attempted_at delivered_at next_retry_at duration_us subscription_id event_log_id tenant_id payload_size_bytes delivery_status error_message) all"),
    ("delivery_attempts_default", "tenant_id", ""),
    ("delivery_attempts_template", "tenant_id", ""),
    ("delivery_queue", "tenant_id", "manager: select own; monitor: select all"),
    ("delivery_states", "tenant_id", "manager: select own; monitor: select all"),
    ("event_logs", "tenant_id", "manager: select own; monitor: select(id tenant_id event_type event_category event_version created_at processed_at environment deliver_after expires_at) all; publisher: insert own, select(id) own"),
    ("event_logs_default", "tenant_id", ""),
    ("event_logs_template", "tenant_id", ""),
    ("event_types", "", "manager: select; monitor: select"),
    ("idempotency_keys", "tenant_id", ""),
    ("linked_tables", "", ""),
    ("setting_overrides", "", "manager: select; monitor: select"),
    ("settings", "", "manager: select; monitor: select"),
    ("subscription_breakers", "subscription_id", "manager: delete own, select own; monitor: select all"),
    ("subscription_health", "tenant_id", "manager: select own; monitor: select all"),
    ("subscription_routes", "tenant_id", ""),
    ("subscription_settings", "tenant_id", "manager: select own"),
    ("subscription_templates", "tenant_id", "manager: delete own, insert own, select own, update own"),
    ("webhook_delivery_logs", "tenant_id", "manager: select own"),
    ("webhook_subscriptions", "tenant_id", "manager: delete own, insert own, select(id tenant_id name description environment webhook_url webhook_method auth_type subscribed_events event_filters retry_count retry_delay_seconds timeout_seconds max_payload_size_kb is_active is_enabled created_at updated_at created_by no_retry_statuses max_in_flight rate_limit_per_second rate_limit_burst ordering breaker_failure_threshold breaker_cooldown_seconds disabled_reason payload_format payload_template payload_content_type version) own, update own; monitor: select(id tenant_id name environment auth_type subscribed_events retry_count retry_delay_seconds timeout_seconds max_payload_size_kb is_active is_enabled created_at updated_at no_retry_statuses max_in_flight rate_limit_per_second rate_limit_burst ordering breaker_failure_threshold breaker_cooldown_seconds disabled_reason payload_format version) all"),
];

/// A row of a tenant, for each relation that somebody may insert into.
#[rustfmt::skip]
pub const INSERTS: &[(&str, &str)] = &[
    ("event_logs", "insert into webhooks.event_logs (tenant_id, event_type, event_category, event_name, event_data) values ('{tenant}', 'job.created', 'job', 'x', '{}')"),
    ("subscription_templates", "insert into webhooks.subscription_templates (tenant_id, name, settings) values ('{tenant}', 'new', '{}')"),
    ("webhook_subscriptions", "insert into webhooks.webhook_subscriptions (tenant_id, name, webhook_url, auth_type, auth_config, webhook_headers) values ('{tenant}', 'x', 'http://x.example/', 'api_key', '{\"api_key\": \"k\"}', '{\"x\": \"y\"}')"),
];

/// What becomes of a call for a tenant, whose `{tenant}`, `{subscription}` and `{event}` it names.
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
    /// The error that it is there to raise.
    Raised(&'static str),
}

/// Functions: name, roles that may call it, and what becomes of such a call.
#[rustfmt::skip]
pub const FUNCTIONS: &[(&str, &str, Answer)] = &[
    ("apply_links", "", Owner),
    ("arm_doorbell", "sidecar", Same("select webhooks.arm_doorbell('{1}')")),
    ("balance_shards", "sidecar", Same("select webhooks.balance_shards('{}')")),
    ("build_payload", "manager", Own("select webhooks.build_payload('{event}')")),
    ("bypasses_isolation", "", Owner),
    ("caller", "", Owner),
    ("cancel_outstanding", "", Owner),
    ("check_subscription", "", Owner),
    ("check_template", "", Owner),
    ("check_tenant", "", Owner),
    ("claim_deliveries", "sidecar", Same("select webhooks.claim_deliveries('{1}', '{null}', '{}', '{}', '{}', '{}', 10, 0, 10)")),
    ("claim_idempotency_key", "", Owner),
    ("create_partitions", "", Owner),
    ("create_subscription_from_template", "manager", Denied("select webhooks.create_subscription_from_template('{tenant}', 'plain-json', '{\"webhook_url\": \"https://x.example/\"}')")),
    ("current_tenant", "manager publisher", Same("select webhooks.current_tenant()")),
    ("derive_routes", "", Owner),
    ("disarm_doorbell", "sidecar", Same("select webhooks.disarm_doorbell('{1}')")),
    ("explain_match", "manager", Own("select count(*) from webhooks.explain_match('{tenant}', 'job.created')")),
    ("filter_matches", "", Owner),
    ("filter_mismatch", "manager", Same("select webhooks.filter_mismatch('{}', '{}', null, null)")),
    ("forget_tenants", "", Owner),
    ("generate_api_key", "manager", Same("select webhooks.generate_api_key()")),
    ("generate_secret", "manager", Same("select webhooks.generate_secret()")),
    ("generate_signature", "manager", Same("select webhooks.generate_signature('a', 'b')")),
    ("grant_all_tenants", "", Owner),
    ("join_sidecars", "sidecar", Same("select webhooks.join_sidecars()")),
    ("jsonpath_matches", "manager", Same("select webhooks.jsonpath_matches('{}', '$.a')")),
    ("jsonpath_objection", "", Owner),
    ("lane_of", "", Owner),
    ("leave_sidecars", "sidecar", Same("select webhooks.leave_sidecars()")),
    ("link_table", "", Owner),
    ("link_tenants", "", Owner),
    ("link_users", "", Owner),
    ("load_subscriptions", "sidecar", Same("select webhooks.load_subscriptions('{}')")),
    ("maintain", "sidecar", Same("select webhooks.maintain()")),
    ("match_events", "", Owner),
    ("may_access_tenant", "", Owner),
    ("next_attempt_number", "", Owner),
    ("notify_owner", "", Owner),
    ("ordered_deliveries", "", Owner),
    ("own_event_type", "", Owner),
    ("preview_payload", "manager", Unknown("select webhooks.preview_payload('{subscription}')")),
    ("preview_request", "manager", Own("select count(*) from webhooks.preview_request('{event}')")),
    ("promote_due", "sidecar", Same("select webhooks.promote_due('{1}')")),
    ("publish_event", "publisher", Denied("select webhooks.publish_event('{tenant}', 'job.created', idempotency_key => 'new')")),
    ("record_attempts", "sidecar", Same("select webhooks.record_attempts('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')")),
    ("redact", "", Owner),
    ("redacted_auth_config", "manager", Own("select webhooks.redacted_auth_config('{subscription}')")),
    ("redacted_headers", "manager", Own("select webhooks.redacted_headers('{subscription}')")),
    ("refuse_event", "", Owner),
    ("refuse_tenant", "manager publisher", Raised("select webhooks.refuse_tenant('{tenant}')")),
    ("release_shards", "sidecar", Same("select webhooks.release_shards('{1}')")),
    ("remove_orphans", "", Owner),
    ("render_request", "manager", Same("select webhooks.render_request('envelope', null, null, null, '{event}', '{tenant}', '', '', '', '', 0, '{}', null, null, null, null, null, null)")),
    ("renew_secret", "manager", Unknown("select webhooks.renew_secret('{subscription}')")),
    ("reset_breaker", "manager", Unknown("select webhooks.reset_breaker('{subscription}')")),
    ("reset_setting", "", Owner),
    ("revoke_all_tenants", "", Owner),
    ("ring_doorbell", "", Owner),
    ("sample_request", "manager", Same("select webhooks.sample_request('job.created', '{tenant}', 'envelope', null, null, 1)")),
    ("set_setting", "", Owner),
    ("set_tenant", "manager publisher", Same("select webhooks.set_tenant('{tenant}')")),
    ("setting", "", Owner),
    ("setting_definitions", "manager monitor", Same("select webhooks.setting_definitions()")),
    ("shard_count", "sidecar", Same("select webhooks.shard_count()")),
    ("shard_of", "", Owner),
    ("shipped_templates", "manager", Same("select count(*) from webhooks.shipped_templates()")),
    ("sidecar_count", "monitor sidecar", Same("select webhooks.sidecar_count()")),
    ("sidecar_settings", "sidecar", Same("select webhooks.sidecar_settings()")),
    ("template_columns", "manager", Same("select webhooks.template_columns()")),
    ("unlink_tenants", "", Owner),
    ("unlink_users", "", Owner),
    ("uuid_v7", "manager publisher", Same("select webhooks.uuid_v7()")),
    ("uuid_v7_floor", "manager monitor", Same("select webhooks.uuid_v7_floor(now())")),
    ("uuid_v7_time", "manager monitor", Same("select webhooks.uuid_v7_time(gen_random_uuid())")),
    ("validate_subscription", "", Owner),
    ("validate_template", "", Owner),
    ("verify_signature", "manager", Same("select webhooks.verify_signature('a', 'b', 'c')")),
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
