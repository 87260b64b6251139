-- Pages of a tenant's events. A condition on created_at opens every partition of event_logs, since it is divided by
-- ids. Here days become ids before the query is planned, one after the other.

create function webhooks_private.event_of_key(tenant_id uuid, idempotency_key text)
returns uuid
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.check_tenant(tenant_id);
    return (select k.event_id from webhooks_private.idempotency_keys k
            where k.tenant_id = event_of_key.tenant_id and k.idempotency_key = event_of_key.idempotency_key);
end
$$;
comment on function webhooks_private.event_of_key is
    'The event that a tenant''s idempotency key stands for; null: none, or it is forgotten. Part of list_events().';
grant execute on function webhooks_private.event_of_key to webhooks_manager;

create function webhooks.list_events(
    tenant_id uuid, since timestamptz default now() - interval '1 day', until timestamptz default 'infinity',
    event_types text[] default null, resource_type text default null, resource_id uuid default null,
    event_id uuid default null, idempotency_key text default null, max_events integer default 50,
    after_id uuid default null
)
returns setof webhooks.event_logs
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Ids are constants of the plan, so that only the partitions of a day are opened; conditions that are not given vanish.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    -- created_at is now() unless somebody gives another one. Of a page after another one, until is a row's.
    ends timestamptz := least(until, clock_timestamp() + interval '1 minute');
    end_id uuid := after_id;
    -- Of one event the period does not matter: its partition is the one that is opened.
    only_id constant uuid := coalesce(
        event_id, case when idempotency_key is not null
                  then webhooks_private.event_of_key(tenant_id, idempotency_key) end);
    lowest constant uuid := '00000000-0000-0000-0000-000000000000';
    are_random boolean;
    begins timestamptz;
    first_id uuid;
    last_id uuid;
    found_rows integer;
    missing integer := max_events;
begin
    if only_id is not null then
        since := '-infinity';
        ends := 'infinity';
    elsif since is null or until is null then
        raise exception 'since or until is null'
            using errcode = 'null_value_not_allowed',
                  hint = 'Give the time in which the events were created, for example since => now() - interval '
                         '''7 days'', or leave them out: the last day.';
    elsif since < greatest('1970-01-01 00:00Z', ends - interval '366 days') then
        raise exception 'the period from % until % is longer than 366 days', since, until
            using errcode = 'invalid_parameter_value',
                  hint = 'Each day has a partition that is opened. Call the function for a year at a time.';
    end if;
    if max_events is null or max_events not between 1 and 1000 then
        raise exception 'max_events is %, not between 1 and 1000', coalesce(max_events::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'For more, give created_at and id of the last row as until and after_id.';
    end if;
    perform webhooks_private.check_count('event_types', cardinality(event_types), 1000);
    -- Of an application that makes random ids they tell no time: then it is the whole period at once.
    are_random := only_id is null and (select r.first_id = lowest
                                       from webhooks_private.event_id_range(tenant_id, since, ends) r);

    while ends >= since and missing > 0 loop
        if only_id is not null or are_random then
            begins := since;
            first_id := coalesce(only_id, lowest);
            last_id := coalesce(only_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff');
        else
            -- The last day first; of a time at midnight it is the day before.
            begins := greatest(date_trunc('day', ends - interval '1 microsecond', 'UTC'), since);
            -- An id may be made before its transaction begins, by another clock, or at the end of a long one.
            first_id := webhooks.uuid_v7_floor(greatest(begins - interval '1 day', '1970-01-01 00:00Z'));
            last_id := webhooks.uuid_v7_floor(ends + interval '1 day');
        end if;
        return query
        select e.id, e.tenant_id, e.event_type, e.event_category, e.event_name, e.event_version, null::jsonb,
               e.resource_type, e.resource_id, e.user_id, e.session_id, e.request_id, e.source_ip, e.created_at,
               e.processed_at, e.environment, e.idempotency_key, e.ordering_key, e.deliver_after, e.expires_at,
               null::jsonb, e.is_test, e.traceparent
        from webhooks.event_logs e
        where e.tenant_id = list_events.tenant_id and e.created_at >= begins and e.created_at <= ends
          and (e.created_at < ends or e.id < end_id) and e.id between first_id and last_id
          and (list_events.event_types is null
               or array[e.event_type::text, split_part(e.event_type, '.', 1) || '.*', '*'] && list_events.event_types)
          and (list_events.resource_type is null or e.resource_type = list_events.resource_type)
          and (list_events.resource_id is null or e.resource_id = list_events.resource_id)
          and (list_events.idempotency_key is null or e.idempotency_key = list_events.idempotency_key)
        order by e.created_at desc, e.id desc
        limit missing;
        get diagnostics found_rows = row_count;
        missing := missing - found_rows;
        ends := begins;
        end_id := null;
        exit when begins = since;
    end loop;
end
$$;
comment on function webhooks.list_events is
    'Returns the events of a tenant that were created from since on and before until, the newest first, with '
    'event_data and resource_data null: all, or those of some types (document.* and * stand for many) or of a '
    'resource; or, of any time, the one with an id or an idempotency key (of a key that is forgotten, those of the '
    'period). For the next page give created_at and id of the last row as until and after_id; the order of events '
    'does not change. Without since, the period is the last day; it has at most 366 days. The function opens the '
    'partitions of one day after the other, until it has max_events; an event whose created_at is more than a day '
    'away from the time that its UUIDv7 tells is not found.';
grant execute on function webhooks.list_events to webhooks_manager;
