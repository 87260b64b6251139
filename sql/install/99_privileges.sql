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
    webhooks.claim_deliveries(smallint[], uuid[], uuid[], uuid[], uuid[], uuid[], integer, integer, integer, bigint, uuid[], uuid[]),
    webhooks.promote_due(smallint[], integer),
    webhooks.load_subscriptions(uuid[]),
    webhooks.record_attempts(uuid[], uuid[], integer[], text[], integer[], text[], text[], text[], bigint[], bigint[], integer[], bytea[], bigint[], text[], text[], bigint[], bigint[]),
    webhooks.maintain()
to webhooks_sidecar;
