revoke all on all tables in schema webhooks from public;
revoke all on all functions in schema webhooks from public;

grant execute on function
    webhooks.publish_event(uuid, text, text, text, jsonb, text, uuid, uuid, text, text, inet, text, text, text, text, timestamptz, timestamptz),
    webhooks.uuid_v7()
to webhooks_publisher;
-- The id for INSERT ... RETURNING id, which ORMs write.
grant insert, select (id) on webhooks.event_logs to webhooks_publisher;

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
    webhooks.claim_deliveries(smallint[], uuid[], uuid[], uuid[], uuid[], uuid[], integer, integer, integer, bigint),
    webhooks.promote_due(smallint[], integer),
    webhooks.load_subscriptions(uuid[]),
    webhooks.record_attempts(uuid[], uuid[], integer[], text[], integer[], text[], text[], text[], bigint[], bigint[], integer[], bytea[], bigint[], text[], text[], bigint[], bigint[]),
    webhooks.maintain()
to webhooks_sidecar;

-- For webhooks_auditor, of the rows of all tenants:
--     grant select on webhooks.audit_log to webhooks_auditor;
--
-- For webhooks_manager, beside SELECT on webhook_subscriptions but for the secrets (webhook_headers, auth_config), INSERT,
-- UPDATE and DELETE, bound by row-level security. Those that run as the owner check the tenant: *.
--     grant execute on function
--         webhooks.subscription_settings(),
--         webhooks.subscription_row(jsonb),
--         webhooks.insert_subscription(uuid, jsonb),
--         webhooks.create_subscription(uuid, text, text, jsonb, text, text, text, jsonb, text, jsonb, jsonb, integer, integer, integer, integer, integer[], integer, double precision, integer, text, integer, integer, boolean, boolean, uuid),
--         webhooks.refuse_subscription(uuid),
--         webhooks.get_subscription(uuid),                                   -- *
--         webhooks.list_subscriptions(text, boolean),
--         webhooks.update_subscription(uuid, jsonb),
--         webhooks.delete_subscription(uuid),
--         webhooks.set_subscriptions_enabled(uuid[], boolean),
--         webhooks.lock_tenant(uuid),
--         webhooks.export_subscriptions(uuid),
--         webhooks.subscription_changes(uuid, jsonb),                        -- *
--         webhooks.redact(jsonb, jsonb),
--         webhooks.redact_subscription(jsonb, jsonb),
--         webhooks.import_subscriptions(uuid, jsonb, boolean),
--         webhooks.copy_subscriptions(uuid, text, text, boolean)             -- *
--     to webhooks_manager;
