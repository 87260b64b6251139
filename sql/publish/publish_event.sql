create function webhooks.publish_event(
    tenant_id uuid,
    event_type text,
    event_category text default null,
    event_name text default null,
    event_data jsonb default '{}',
    resource_type text default null,
    resource_id uuid default null,
    user_id uuid default null,
    session_id text default null,
    request_id text default null,
    source_ip inet default null,
    event_version text default null,
    environment text default null,
    idempotency_key text default null,
    ordering_key text default null,
    deliver_after timestamptz default null,
    expires_at timestamptz default null
)
returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    new_id uuid := webhooks.uuid_v7();
    first_id uuid;
    matches constant bigint := webhooks_private.counted_matches();
    done boolean;
begin
    if not webhooks_private.look_usual(
        publish_event.tenant_id, publish_event.event_type, publish_event.event_name, publish_event.event_data,
        publish_event.resource_type, publish_event.session_id, publish_event.request_id, publish_event.event_version,
        publish_event.environment, publish_event.idempotency_key, publish_event.ordering_key,
        publish_event.deliver_after,
        publish_event.expires_at)
    then
        done := webhooks_private.check_arguments(
            publish_event.tenant_id, publish_event.event_type, publish_event.event_name, publish_event.event_data,
            publish_event.resource_type, publish_event.session_id, publish_event.request_id,
            publish_event.event_version, publish_event.environment, publish_event.idempotency_key,
            publish_event.ordering_key, publish_event.deliver_after,
            publish_event.expires_at);
    end if;
    if not webhooks_private.may_access_tenant(publish_event.tenant_id) then
        done := webhooks_private.raise_tenant_denied(publish_event.tenant_id);
    end if;
    if publish_event.idempotency_key is not null then
        first_id := webhooks_private.claim_idempotency_key(
            publish_event.tenant_id, publish_event.idempotency_key, new_id, publish_event.event_type,
            publish_event.event_name, publish_event.event_data, publish_event.resource_type,
            publish_event.resource_id, publish_event.event_version,
            publish_event.environment, publish_event.ordering_key);
        if first_id is not null then
            return first_id;
        end if;
    end if;
    insert into webhooks.event_logs (
        id, tenant_id, event_type, event_category, event_name, event_version, event_data, resource_type, resource_id,
        user_id, session_id, request_id, source_ip, environment, idempotency_key, ordering_key, deliver_after,
        expires_at
    )
    select
        new_id, publish_event.tenant_id, t.name, t.category,
        coalesce(publish_event.event_name, publish_event.event_type), coalesce(publish_event.event_version, t.version),
        publish_event.event_data, publish_event.resource_type, publish_event.resource_id, publish_event.user_id,
        publish_event.session_id, publish_event.request_id, publish_event.source_ip, publish_event.environment,
        publish_event.idempotency_key, publish_event.ordering_key, publish_event.deliver_after, publish_event.expires_at
    from webhooks.event_types t
    where t.name = publish_event.event_type and coalesce(publish_event.event_category, t.category) = t.category;
    if not found or webhooks_private.counted_matches() = matches then
        done := webhooks_private.raise_not_published(publish_event.event_type, publish_event.event_category);
    end if;
    return new_id;
end
$$;
comment on function webhooks.publish_event is
    'Publishes an event in this transaction and returns its id, or raises an error. The columns of event_logs '
    'describe the parameters. event_category, if it is given, must be that of the event type. A call with the same '
    'tenant, idempotency_key and event returns the id of the first event and publishes nothing; with the same key '
    'and another event it raises an error.';
grant execute on function webhooks.publish_event to webhooks_publisher;
