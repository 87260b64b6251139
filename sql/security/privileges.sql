revoke all on all tables in schema webhooks from public;
revoke all on all functions in schema webhooks from public;

-- Publishers.
grant execute on function
    webhooks.publish_event(uuid, text, text, text, jsonb, text, uuid, uuid, text, text, inet, text, text, text, text, timestamptz, timestamptz),
    webhooks.uuid_v7(),
    webhooks.set_tenant(uuid, boolean),
    webhooks.current_tenant(),
    webhooks.refuse_tenant(uuid),
    -- Triggers of watched tables ask it as the table's owner.
    webhooks.is_restoring(),
    webhooks.could_copy_events(),
    webhooks.restores(),
    webhooks.owns_extension(name),
    webhooks.caller()
to webhooks_publisher;
-- The id for INSERT ... RETURNING id, which ORMs write.
grant insert, select (id) on webhooks.event_logs to webhooks_publisher;

-- Managers: of their tenant, by row-level security. What is secret they may write, so columns are named one by one.
-- Never UPDATE, DELETE or TRUNCATE of a whole table: whoever has one of these may LOCK the table, and stop all tenants'
-- deliveries with it. UPDATE is granted column by column; to delete there are functions.
grant insert, select (
    id, tenant_id, name, description, environment, webhook_url, webhook_method, auth_type, subscribed_events, event_filters,
    retry_count, retry_delay_seconds, timeout_seconds, max_payload_size_kb, is_active, is_enabled, created_at, updated_at,
    created_by, no_retry_statuses, max_in_flight, rate_limit_per_second, rate_limit_burst, ordering,
    breaker_failure_threshold, breaker_cooldown_seconds, disabled_reason, payload_format, payload_template, payload_content_type,
    endpoint_verification, retry_schedule, version
) on webhooks.webhook_subscriptions to webhooks_manager;
grant select on
    webhooks.subscription_settings, webhooks.subscription_health, webhooks.event_logs, webhooks.delivery_queue,
    webhooks.delivery_attempts, webhooks.webhook_delivery_logs, webhooks.delivery_states, webhooks.event_types,
    webhooks.settings, webhooks.setting_overrides, webhooks.restored_events
to webhooks_manager;
grant select on webhooks.subscription_breakers to webhooks_manager;
grant select on webhooks.subscription_verifications to webhooks_manager;
grant select, insert on webhooks.subscription_templates to webhooks_manager;
do $updates$
declare
    relation regclass;
begin
    foreach relation in array array['webhooks.webhook_subscriptions', 'webhooks.subscription_templates']::regclass[] loop
        execute (
            select pg_catalog.format('grant update (%s) on %s to webhooks_manager', pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum), relation)
            from pg_catalog.pg_attribute a
            where a.attrelid = relation and a.attnum > 0 and not a.attisdropped);
    end loop;
end
$updates$;
grant execute on function
    webhooks.set_tenant(uuid, boolean),
    webhooks.current_tenant(),
    webhooks.refuse_tenant(uuid),
    webhooks.refuse_subscription(uuid),
    webhooks.uuid_v7(),
    webhooks.uuid_v7_floor(timestamptz),
    webhooks.uuid_v7_time(uuid),
    webhooks.generate_secret(),
    webhooks.generate_api_key(),
    webhooks.generate_signature(text, text),
    webhooks.verify_signature(text, text, text),
    webhooks.redacted_headers(uuid),
    webhooks.redacted_auth_config(uuid),
    webhooks.redacted_template_secrets(uuid),
    webhooks.secret_names(text),
    webhooks.renew_secret(uuid),
    webhooks.reset_breaker(uuid),
    webhooks.subscription_messages(uuid),
    webhooks.verify_subscription(uuid),
    webhooks.explain_match(uuid, text, jsonb, text, uuid, text),
    webhooks.jsonpath_matches(jsonb, jsonpath),
    webhooks.jsonpath_objection(text),
    webhooks.filter_mismatch(text, text, text, uuid),
    webhooks.build_payload(uuid, uuid),
    webhooks.preview_request(uuid, uuid),
    webhooks.shipped_templates(),
    webhooks.create_subscription_from_template(uuid, text, jsonb),
    webhooks.delete_subscription_template(uuid, text),
    webhooks.preview_payload(uuid, uuid, text),
    webhooks.sample_request(text, uuid, text, text, text, integer),
    webhooks.sample_event_type(jsonb, text),
    webhooks.shard_count(),
    webhooks.setting_definitions(),
    webhooks.text_setting_definitions()
to webhooks_manager;

-- Monitors: of all tenants. No URL, which may be a secret, and nothing that events and receivers say.
grant select (
    id, tenant_id, name, environment, auth_type, subscribed_events, retry_count, retry_delay_seconds, timeout_seconds,
    max_payload_size_kb, is_active, is_enabled, created_at, updated_at, no_retry_statuses, max_in_flight,
    rate_limit_per_second, rate_limit_burst, ordering, breaker_failure_threshold, breaker_cooldown_seconds, payload_format, endpoint_verification, retry_schedule, version
) on webhooks.webhook_subscriptions to webhooks_monitor;
grant select (
    subscription_id, origin, state, since, allowed_rate_per_minute, tries, failing_since, next_try_at
) on webhooks.subscription_verifications to webhooks_monitor;
grant select (
    id, tenant_id, event_type, event_category, event_version, created_at, processed_at, environment, deliver_after, expires_at, is_test
) on webhooks.event_logs to webhooks_monitor;
grant select (
    delivery_id, delivery_attempt, http_status_code, attempted_at, delivered_at, next_retry_at, duration_us, subscription_id,
    event_log_id, tenant_id, payload_size_bytes, delivery_status, failure, is_test, resent_count
) on webhooks.delivery_attempts to webhooks_monitor;
grant select (subscription_id, state, since, probe_at, failing_since, throttled_since, throttled_until, throttle_status) on webhooks.subscription_breakers to webhooks_monitor;
grant select on
    webhooks.delivery_queue, webhooks.delivery_states, webhooks.subscription_health, webhooks.restored_events,
    webhooks.event_types, webhooks.settings, webhooks.setting_overrides
to webhooks_monitor;
grant execute on function
    webhooks.uuid_v7_floor(timestamptz),
    webhooks.uuid_v7_time(uuid),
    webhooks.subscription_messages(uuid),
    webhooks.sidecar_count(),
    webhooks.is_adopted(),
    webhooks.blockers(uuid[], uuid[]),
    webhooks.shard_count(),
    webhooks.setting_definitions(),
    webhooks.text_setting_definitions()
to webhooks_monitor;

grant execute on function
    webhooks.sidecar_settings(),
    webhooks.join_sidecars(),
    webhooks.adopt_if_empty(),
    webhooks.check_adopted(),
    webhooks.leave_sidecars(),
    webhooks.sidecar_count(),
    webhooks.shard_count(),
    webhooks.balance_shards(smallint[]),
    webhooks.release_shards(smallint[]),
    webhooks.arm_doorbell(smallint[]),
    webhooks.disarm_doorbell(smallint[]),
    webhooks.claim_deliveries(smallint[], uuid[], uuid[], uuid[], uuid[], uuid[], integer, integer, integer, bigint, uuid[], uuid[], boolean),
    webhooks.promote_due(smallint[], integer),
    webhooks.load_subscriptions(uuid[]),
    webhooks.changed_subscriptions(uuid[], bigint[]),
    webhooks.locked_deliveries(uuid[], uuid[], boolean[], boolean[]),
    webhooks.blockers(uuid[], uuid[]),
    webhooks.record_verifications(uuid[], text[], text[], text[], integer[], text[], bigint[]),
    webhooks.record_attempts(uuid[], uuid[], integer[], text[], integer[], text[], text[], text[], bigint[], bigint[], integer[], bytea[], bigint[], text[], text[], bigint[], bigint[], integer[]),
    webhooks.maintain()
to webhooks_sidecar;

-- Auditors: of all tenants.
grant select on webhooks.audit_log to webhooks_auditor;
grant execute on function
    webhooks.uuid_v7_floor(timestamptz),
    webhooks.uuid_v7_time(uuid)
to webhooks_auditor;

-- Managers: retries, replays and what became of events.
grant select on webhooks.redeliveries to webhooks_manager;
grant execute on function
    webhooks.retry_delivery(uuid),
    webhooks.retry_failed(uuid, timestamptz, timestamptz, integer, boolean),
    webhooks.replay_events(uuid, timestamptz, timestamptz, text[], uuid, boolean, integer, uuid),
    webhooks.cancel_deliveries(uuid),
    webhooks.published_at(uuid, timestamptz),
    webhooks.event_id_range(uuid, timestamptz, timestamptz),
    webhooks.event_deliveries(uuid, uuid[]),
    webhooks.unmatched_events(uuid, timestamptz, timestamptz, integer),
    webhooks.event_history(uuid, uuid, timestamptz, timestamptz, text[], text, uuid, integer)
to webhooks_manager;

-- Managers: tests of subscriptions.
grant execute on function
    webhooks.test_subscription(uuid, text),
    webhooks.wait_for_delivery(uuid, interval),
    webhooks.is_adopted(),
    webhooks.is_current_transaction(xid),
    webhooks.refuse_delivery(uuid)
to webhooks_manager;

-- Monitors: of all tenants.
grant select on webhooks.redeliveries to webhooks_monitor;

-- Managers: subscriptions as functions, and what those call as their caller.
grant execute on function
    webhooks.create_subscription(
        uuid, text, text, jsonb, text, text, text, jsonb, text, jsonb, jsonb, integer, integer, integer, integer, integer[], integer,
        double precision, integer, text, integer, integer, text, text, text, jsonb, text, boolean, boolean, uuid, text),
    webhooks.get_subscription(uuid),
    webhooks.list_subscriptions(text, boolean),
    webhooks.update_subscription(uuid, jsonb),
    webhooks.delete_subscription(uuid),
    webhooks.set_subscriptions_enabled(uuid[], boolean),
    webhooks.export_subscriptions(uuid),
    webhooks.import_subscriptions(uuid, jsonb, boolean),
    webhooks.copy_subscriptions(uuid, text, text, boolean),
    webhooks.settable_columns(),
    webhooks.subscription_row(jsonb),
    webhooks.insert_subscription(uuid, jsonb),
    webhooks.subscription_changes(uuid, jsonb),
    webhooks.lock_tenant(uuid),
    webhooks.redact(jsonb, text[], jsonb),
    webhooks.redact_subscription(jsonb, boolean),
    webhooks.check_count(text, bigint, integer),
    webhooks.refuse_size(text, text, text),
    webhooks.is_restoring(),
    webhooks.could_copy_events(),
    webhooks.restores(),
    webhooks.owns_extension(name),
    webhooks.caller()
to webhooks_manager;

-- Watching a table of one's own is a way to publish: all of these run with the caller's rights, and what they make with
-- the table owner's.
grant execute on function
    webhooks.watch_table(regclass, text, text, text, jsonb, name, uuid, name, text, name[], text, name[], name[], boolean),
    webhooks.unwatch_table(regclass),
    webhooks.watch_definition(bytea),
    webhooks.check_watchable(regclass),
    webhooks.watch_event_types(jsonb),
    webhooks.check_watch_events(regclass, jsonb),
    webhooks.check_watch_columns(regclass, text[], jsonb),
    webhooks.watch_ids(regclass, jsonb),
    webhooks.watch_ids_objection(regclass, text[], text),
    webhooks.complete_watch(regclass, jsonb),
    webhooks.is_comparable(regtype),
    webhooks.watch_functions(regclass),
    webhooks.watch_differences(regclass, text[], text, text),
    webhooks.watch_object(text, text[]),
    webhooks.watch_events_script(regclass, jsonb),
    webhooks.watch_same_script(regclass, jsonb),
    webhooks.watch_operands(regclass),
    webhooks.has_types(regclass, regtype[]),
    webhooks.watch_large_values(regclass, text[], text[]),
    webhooks.watch_value_types(regclass, text, jsonb),
    webhooks.watch_key(jsonb),
    webhooks.watch_values_script(regclass, jsonb),
    webhooks.watch_row_changes(regclass, jsonb),
    webhooks.watch_row_script(regclass, jsonb),
    webhooks.watch_insert(text, boolean),
    webhooks.watch_source(text[], text, text, boolean),
    webhooks.watch_events(text[], text, text, text, boolean),
    webhooks.watch_versions(text[], text[]),
    webhooks.watch_statement_body(text[], text[], boolean),
    webhooks.watch_row_body(text[], boolean),
    webhooks.watch_trigger_script(regclass, jsonb),
    webhooks.check_watch_bounds(jsonb),
    webhooks.base_type(regtype),
    webhooks.watch_value(regclass, text, text),
    webhooks.watch_values(regclass, jsonb),
    webhooks.has_other_triggers(regclass),
    webhooks.make_watch_triggers(regclass, text, jsonb),
    webhooks.warn_of_unwatched_changes(regclass, jsonb),
    webhooks.columns_since(regclass, jsonb, text),
    webhooks.large_values("any"),
    webhooks.is_too_large(text, text[], bigint[]),
    webhooks.refuse_ambiguous_changes(regclass),
    webhooks.missing_tenant(text, text),
    webhooks.report_broken_watch(regclass, text, text[]),
    webhooks.is_watch(pg_trigger),
    webhooks.application_user()
to webhooks_publisher;
grant select on webhooks.watched_tables, webhooks.event_types to webhooks_publisher;

-- What events there are and how they look is no secret to who publishes them, subscribes to them or watches over it.
grant select on webhooks.event_type_versions, webhooks.event_type_catalogue to webhooks_publisher, webhooks_manager, webhooks_monitor;
-- What the catalogue's examples are made with.
grant execute on function
    webhooks.schema_example(text),
    webhooks.render_request(text, text, text, integer, uuid, uuid, text, text, text, text, bigint, text, text, uuid, text, uuid, text, text, text, boolean)
to webhooks_publisher, webhooks_manager, webhooks_monitor;

-- A tenant's limits are set by the owner, or by whom the DBA grants set_tenant_limits(); what is used of them is no secret.
grant select on webhooks.tenant_limits to webhooks_manager, webhooks_monitor;
grant execute on function webhooks.tenant_usage(uuid) to webhooks_manager, webhooks_monitor;
