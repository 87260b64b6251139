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

-- Watching a table of one's own is a way to publish: all of these run with the caller's rights, and what they make with
-- the table owner's.
grant execute on function
    webhooks.watch_table(regclass, text, text, text, jsonb, name, uuid, name, text, name[], text, name[], name[]),
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
    webhooks.watch_trigger_script(regclass),
    webhooks.missing_tenant(text, text),
    webhooks.report_broken_watch(regclass, text)
to webhooks_publisher;
grant select on webhooks.watched_tables, webhooks.event_types to webhooks_publisher;

-- What there is to publish and how it looks is no secret to who may publish.
grant select on webhooks.event_type_versions, webhooks.event_type_catalogue to webhooks_publisher;
grant execute on function
    webhooks.schema_errors(text, text),
    webhooks.schema_example(text),
    webhooks.render_payload(uuid, uuid, text, text, text, text, bigint, text, text, uuid, text, uuid, text, text, text)
to webhooks_publisher;
