create table webhooks_private.idempotency_keys (
    tenant_id uuid not null,
    idempotency_key text not null,
    event_id uuid not null,
    created_at timestamptz not null default now(),
    primary key (tenant_id, idempotency_key)
);
create index idempotency_keys_created on webhooks_private.idempotency_keys (created_at);
comment on table webhooks_private.idempotency_keys is
    'Which event a tenant''s idempotency key published; forgotten by maintain() after idempotency_retention_hours.';
comment on column webhooks_private.idempotency_keys.tenant_id is 'The tenant.';
comment on column webhooks_private.idempotency_keys.idempotency_key is 'Key that was given to publish_event().';
comment on column webhooks_private.idempotency_keys.event_id is 'Event that the first call published.';
comment on column webhooks_private.idempotency_keys.created_at is 'Time of the first call.';
select pg_catalog.pg_extension_config_dump('webhooks_private.idempotency_keys', '');

create function webhooks_private.is_same_event(
    event_id uuid, event_type text, event_name text, event_data jsonb, resource_type text, resource_id uuid,
    event_version text, environment text, ordering_key text
)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Planned for this id: other partitions are not opened.
set plan_cache_mode = force_custom_plan
as $$
begin
    -- What the event says. A client that tries again may do so in another request and session, at another time.
    return (
        select e.event_type = is_same_event.event_type
           and e.event_data = is_same_event.event_data
           and e.event_name = coalesce(is_same_event.event_name, is_same_event.event_type)
           -- What was the current version then need not be it now.
           and coalesce(e.event_version = is_same_event.event_version, true)
           and (e.resource_type, e.resource_id, e.environment, e.ordering_key) is not distinct from
               (is_same_event.resource_type, is_same_event.resource_id, is_same_event.environment,
                is_same_event.ordering_key)
        from webhooks.event_logs e
        where e.id = is_same_event.event_id
    );
end
$$;
comment on function webhooks_private.is_same_event is
    'Whether an event is the one that is published again under its idempotency key; null: it is no longer there. '
    'Part of publish_event().';

create function webhooks_private.claim_idempotency_key(
    tenant_id uuid, idempotency_key text, event_id uuid, event_type text, event_name text, event_data jsonb,
    resource_type text, resource_id uuid, event_version text, environment text, ordering_key text
)
returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since there was one key: only index look-ups are right.
set enable_seqscan = off
as $$
#variable_conflict use_column
declare
    first_id uuid;
    same boolean;
begin
    loop
        -- Waits for another session that publishes the same key, and publishes after all if that one rolls back.
        insert into webhooks_private.idempotency_keys (tenant_id, idempotency_key, event_id)
        values (claim_idempotency_key.tenant_id, claim_idempotency_key.idempotency_key, claim_idempotency_key.event_id)
        on conflict do nothing;
        if found then
            return null;
        end if;
        select k.event_id into first_id
        from webhooks_private.idempotency_keys k
        where k.tenant_id = claim_idempotency_key.tenant_id
          and k.idempotency_key = claim_idempotency_key.idempotency_key;
        -- Otherwise maintain() has forgotten the key between the two statements.
        if found then
            same := webhooks_private.is_same_event(
                first_id, claim_idempotency_key.event_type, claim_idempotency_key.event_name,
                claim_idempotency_key.event_data, claim_idempotency_key.resource_type,
                claim_idempotency_key.resource_id, claim_idempotency_key.event_version,
                claim_idempotency_key.environment, claim_idempotency_key.ordering_key);
            if same then
                return first_id;
            elsif not same then
                raise exception 'idempotency_key is that of another event, %', first_id
                    using errcode = 'unique_violation', schema = 'webhooks_private', table = 'idempotency_keys',
                    column = 'idempotency_key',
                          hint = 'The same key again must come with the same event: type, name, version, data, '
                                 'resource, environment and ordering_key. Use a new key for another event.';
            end if;
            -- Its event was dropped with its partition, or deleted: the key is free.
            update webhooks_private.idempotency_keys k
            set event_id = claim_idempotency_key.event_id, created_at = now()
            where k.tenant_id = claim_idempotency_key.tenant_id
              and k.idempotency_key = claim_idempotency_key.idempotency_key
              and k.event_id = first_id;
            if found then
                return null;
            end if;
        end if;
    end loop;
end
$$;
comment on function webhooks_private.claim_idempotency_key is
    'Null: the key is this event''s from now on. Otherwise the event that it has published before; an error if that '
    'was another one. Part of publish_event().';
