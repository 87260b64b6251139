revoke all on all tables in schema webhooks from public;
revoke all on all functions in schema webhooks from public;

-- Publishers.
grant execute on function
    webhooks.publish_event(uuid, text, text, text, jsonb, text, uuid, uuid, text, text, inet, text, text, text, text, timestamptz, timestamptz),
    webhooks.uuid_v7(),
    webhooks.set_tenant(uuid, boolean),
    webhooks.current_tenant(),
    webhooks.refuse_tenant(uuid)
to webhooks_publisher;
-- The id for INSERT ... RETURNING id, which ORMs write.
grant insert, select (id) on webhooks.event_logs to webhooks_publisher;

-- Managers: of their tenant, by row-level security. What is secret they may write, so columns are named one by one.
grant insert, update, delete, select (
    id, tenant_id, name, description, environment, webhook_url, webhook_method, auth_type, subscribed_events, event_filters,
    retry_count, retry_delay_seconds, timeout_seconds, max_payload_size_kb, is_active, is_enabled, created_at, updated_at,
    created_by, no_retry_statuses, max_in_flight, rate_limit_per_second, rate_limit_burst, ordering,
    breaker_failure_threshold, breaker_cooldown_seconds, disabled_reason, payload_format, payload_template, payload_content_type,
    version
) on webhooks.webhook_subscriptions to webhooks_manager;
grant select on
    webhooks.subscription_settings, webhooks.subscription_health, webhooks.event_logs, webhooks.delivery_queue,
    webhooks.delivery_attempts, webhooks.webhook_delivery_logs, webhooks.delivery_states, webhooks.event_types,
    webhooks.settings, webhooks.setting_overrides
to webhooks_manager;
grant select, delete on webhooks.subscription_breakers to webhooks_manager;
grant select, insert, update, delete on webhooks.subscription_templates to webhooks_manager;
grant execute on function
    webhooks.set_tenant(uuid, boolean),
    webhooks.current_tenant(),
    webhooks.refuse_tenant(uuid),
    webhooks.uuid_v7(),
    webhooks.uuid_v7_floor(timestamptz),
    webhooks.uuid_v7_time(uuid),
    webhooks.generate_secret(),
    webhooks.generate_api_key(),
    webhooks.generate_signature(text, text),
    webhooks.verify_signature(text, text, text),
    webhooks.redacted_headers(uuid),
    webhooks.redacted_auth_config(uuid),
    webhooks.renew_secret(uuid),
    webhooks.reset_breaker(uuid),
    webhooks.explain_match(uuid, text, jsonb, text, uuid, text),
    webhooks.jsonpath_matches(jsonb, jsonpath),
    webhooks.filter_mismatch(text, text, text, uuid),
    webhooks.build_payload(uuid, uuid),
    webhooks.preview_request(uuid, uuid),
    webhooks.shipped_templates(),
    webhooks.template_columns(),
    webhooks.create_subscription_from_template(uuid, text, jsonb),
    webhooks.preview_payload(uuid, uuid, text),
    webhooks.sample_request(text, uuid, text, text, text, integer),
    webhooks.render_request(text, text, text, integer, uuid, uuid, text, text, text, text, bigint, text, text, uuid, uuid, text, text, text),
    webhooks.setting_definitions()
to webhooks_manager;

-- Monitors: of all tenants. No URL, which may be a secret, and nothing that events and receivers say.
grant select (
    id, tenant_id, name, environment, auth_type, subscribed_events, retry_count, retry_delay_seconds, timeout_seconds,
    max_payload_size_kb, is_active, is_enabled, created_at, updated_at, no_retry_statuses, max_in_flight,
    rate_limit_per_second, rate_limit_burst, ordering, breaker_failure_threshold, breaker_cooldown_seconds, disabled_reason, payload_format, version
) on webhooks.webhook_subscriptions to webhooks_monitor;
grant select (
    id, tenant_id, event_type, event_category, event_version, created_at, processed_at, environment, deliver_after, expires_at
) on webhooks.event_logs to webhooks_monitor;
grant select (
    delivery_id, delivery_attempt, http_status_code, attempted_at, delivered_at, next_retry_at, duration_us, subscription_id,
    event_log_id, tenant_id, payload_size_bytes, delivery_status, error_message
) on webhooks.delivery_attempts to webhooks_monitor;
grant select on
    webhooks.delivery_queue, webhooks.delivery_states, webhooks.subscription_health, webhooks.subscription_breakers,
    webhooks.event_types, webhooks.settings, webhooks.setting_overrides
to webhooks_monitor;
grant execute on function
    webhooks.uuid_v7_floor(timestamptz),
    webhooks.uuid_v7_time(uuid),
    webhooks.sidecar_count(),
    webhooks.setting_definitions()
to webhooks_monitor;

grant execute on function
    webhooks.sidecar_settings(),
    webhooks.join_sidecars(),
    webhooks.leave_sidecars(),
    webhooks.sidecar_count(),
    webhooks.shard_count(),
    webhooks.balance_shards(smallint[]),
    webhooks.release_shards(smallint[]),
    webhooks.arm_doorbell(smallint[]),
    webhooks.disarm_doorbell(smallint[]),
    webhooks.claim_deliveries(smallint[], uuid[], uuid[], uuid[], uuid[], uuid[], integer, integer, integer, bigint, uuid[], uuid[]),
    webhooks.promote_due(smallint[], integer),
    webhooks.load_subscriptions(uuid[]),
    webhooks.record_attempts(uuid[], uuid[], integer[], text[], integer[], text[], text[], text[], bigint[], bigint[], integer[], bytea[], bigint[], text[], text[], bigint[], bigint[]),
    webhooks.maintain()
to webhooks_sidecar;
