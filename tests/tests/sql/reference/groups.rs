//! The order of the reference: every relation and function (with parentheses) has its place here. A new object without
//! one fails the test.

/// A section of the reference.
pub struct Group {
    pub title: &'static str,
    pub about: &'static str,
    pub objects: &'static [&'static str],
}

/// Objects that users call and read, in the order in which users need them.
pub const GROUPS: &[Group] = &[
    Group {
        title: "Publishing",
        about: "How to: [publish events](../how-to/publish-events.md).",
        objects: &["publish_event()", "event_logs", "uuid_v7()"],
    },
    Group {
        title: "Event types",
        about: "The kinds of events that can be published, and their data. These are shipped; register your own.",
        objects: &[
            "register_event_type()",
            "deprecate_event_type()",
            "event_type_catalogue",
            "event_types",
        ],
    },
    Group {
        title: "Watching tables and resources",
        about: "How to: [watch a table](../how-to/watch-a-table.md), [resources](../how-to/attach-a-resource-snapshot.md).",
        objects: &[
            "watch_table()",
            "unwatch_table()",
            "watched_tables",
            "register_resource()",
            "unregister_resource()",
            "resources",
        ],
    },
    Group {
        title: "Subscriptions",
        about: "How to: [manage subscriptions](../how-to/manage-subscriptions.md), \
                [onboard a customer](../how-to/onboard-a-customer.md), \
                [move subscriptions between environments](../how-to/move-between-environments.md).",
        objects: &[
            "create_subscription()",
            "create_subscription_from_template()",
            "delete_subscription_template()",
            "shipped_templates()",
            "subscription_templates",
            "get_subscription()",
            "list_subscriptions()",
            "update_subscription()",
            "set_subscriptions_enabled()",
            "delete_subscription()",
            "test_subscription()",
            "explain_match()",
            "export_subscriptions()",
            "import_subscriptions()",
            "copy_subscriptions()",
            "subscription_health",
            "reset_breaker()",
            "verify_subscription()",
            "subscription_settings",
            "webhook_subscriptions",
        ],
    },
    Group {
        title: "Payloads and secrets",
        about: "How to: [payload templates](../how-to/write-a-payload-template.md), \
                [verify a signature](../how-to/receive-webhooks.md#1-verify-the-signature), [secrets](../how-to/keep-secrets-out-of-logs.md).",
        objects: &[
            "preview_payload()",
            "build_payload()",
            "renew_secret()",
            "generate_secret()",
            "generate_api_key()",
            "generate_signature()",
            "verify_signature()",
        ],
    },
    Group {
        title: "Deliveries",
        about: "Results of deliveries, and functions that change them. How to: \
                [find a delivery](../how-to/find-a-delivery.md), \
                [recover from an outage](../how-to/recover-from-an-outage.md), \
                [trace an event](../how-to/trace-an-event.md), \
                [receive without a public address](../how-to/receive-without-a-public-address.md).",
        objects: &[
            "webhook_delivery_logs",
            "delivery_attempts",
            "delivery_states",
            "list_deliveries()",
            "subscription_deliveries()",
            "list_events()",
            "event_history()",
            "unmatched_events()",
            "retry_delivery()",
            "retry_failed()",
            "replay_event()",
            "replay_event_set()",
            "replay_events()",
            "cancel_delivery()",
            "cancel_deliveries()",
            "wait_for_delivery()",
            "poll_deliveries()",
            "acknowledge_deliveries()",
            "redeliveries",
            "delivery_queue",
            "restored_events",
            "redact_event()",
            "uuid_v7_floor()",
            "uuid_v7_time()",
        ],
    },
    Group {
        title: "Tenants and roles",
        about: "How to: [set up tenants](../how-to/set-up-tenants.md). These group roles come with the extension:",
        objects: &[
            "set_tenant()",
            "current_tenant()",
            "grant_all_tenants()",
            "revoke_all_tenants()",
            "list_tenants()",
            "tenant_usage()",
            "set_tenant_limits()",
            "tenant_limits",
            "purge_tenant()",
            "tenant_purges",
            "bypasses_isolation()",
            "link_tenants()",
            "unlink_tenants()",
            "link_users()",
            "unlink_users()",
        ],
    },
    Group {
        title: "Access tokens",
        about: "For the HTTP API and the pages of `webhooks-console`. The console's own login role is a member of `webhooks_console`.",
        objects: &[
            "create_access_token()",
            "create_portal_link()",
            "list_access_tokens()",
            "revoke_access_token()",
        ],
    },
    Group {
        title: "Numbers",
        about: "How to: [monitor deliveries](../how-to/monitor.md).",
        objects: &[
            "delivery_metrics()",
            "failed_deliveries()",
            "event_volume()",
            "delivery_latency()",
            "delivery_volume()",
            "endpoint_health()",
            "queue_status()",
            "slo_report()",
            "adoption_report()",
            "doctor()",
        ],
    },
    Group {
        title: "Rules of alerts",
        about: "How to: [set up alerts](../how-to/set-up-alerts.md).",
        objects: &[
            "alerts",
            "alert_rules",
            "set_alert_rule()",
            "reset_alert_rule()",
            "alert_history",
        ],
    },
    Group {
        title: "Settings and operation",
        about: "How to: [retention](../how-to/set-up-retention.md), [copy a database](../how-to/copy-a-database.md). [Settings](settings.md) has the list of settings.",
        objects: &[
            "settings",
            "set_setting()",
            "reset_setting()",
            "maintain()",
            "create_partitions()",
            "overdue_partitions()",
            "sidecar_count()",
            "is_adopted()",
            "adopt_database()",
            "release_database()",
            "reconcile_after_restore()",
            "blockers()",
        ],
    },
    Group {
        title: "Audit log",
        about: "How to: [read the audit log](../how-to/read-the-audit-log.md).",
        objects: &["audit_log", "list_audit_log()"],
    },
];

/// Settings of a session, which no catalogue knows: name, default, meaning. That none is missing is read from the functions.
pub const SESSION_SETTINGS: &[(&str, &str, &str)] = &[
    (
        "webhooks.notify",
        "`on`",
        "`off`: publishing sends no NOTIFY, as `PREPARE TRANSACTION` needs; the sidecar finds the event at its next poll.",
    ),
    (
        "webhooks.request_id",
        "",
        "The application's request: in the audit log, and in the events of watched tables.",
    ),
    (
        "webhooks.session_id",
        "",
        "The application's session: in the events of watched tables.",
    ),
    (
        "webhooks.tenant_id",
        "",
        "Whose rows the session works with; the same as `set_tenant()`.",
    ),
    (
        "webhooks.traceparent",
        "",
        "The trace that the application works in (W3C Trace Context): of all events, and a header of their deliveries ([Trace requests](../how-to/trace-requests.md)). A value that is not valid is ignored.",
    ),
    (
        "webhooks.user_id",
        "",
        "The application's user: `created_by` of subscriptions, in the audit log, and in the events of watched tables.",
    ),
];
