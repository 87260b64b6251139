create function webhooks.jsonpath_matches(event_data jsonb, path jsonpath)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- What a path makes of dates and times depends on these: the same for every publisher, and for explain_match().
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
set lc_time = 'C'
as $$
begin
    -- Up to the first item that counts, and none of them kept: of a deep value, $.** finds all of it once per level.
    return exists (
        select from (select jsonb_path_query_tz(event_data, path, '{}', true) as item) i
        where case jsonb_typeof(i.item) when 'boolean' then i.item::boolean when 'null' then false else true end);
-- "silent" doesn't silence all: a regular expression, a datetime template or a date out of range may still fail.
exception when others then
    return false;
end
$$;
comment on function webhooks.jsonpath_matches(jsonb, jsonpath) is 'True if a predicate path holds or any other path finds something. Errors in the path count as false: a subscriber can''t make a publisher fail. Dates and times without a time zone are in UTC, whatever the session''s settings are. How long it may take is bounded where the path is written: see jsonpath_objection().';

create function webhooks.refuse_event_type(event_type text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Not what could be event data, given in the wrong place.
    if event_type ~ '[{}\[\]\n]' or length(event_type) > 100 then
        raise exception 'event_type is no event type'
            using errcode = 'foreign_key_violation', schema = 'webhooks', table = 'event_logs', column = 'event_type',
                  hint = 'Types are lower-case words joined by dots, for example document.uploaded; webhooks.event_types lists them. The data is event_data => ....';
    end if;
    raise exception 'unknown event type "%"', event_type
        using errcode = 'foreign_key_violation', schema = 'webhooks', table = 'event_logs', column = 'event_type',
              hint = case when event_type ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$'
                  then format('webhooks.event_types lists those that are known. Whoever may register types adds it: select webhooks.register_event_type(%L);', event_type)
                  else 'Types are lower-case words joined by dots, for example document.uploaded; webhooks.event_types lists them.'
              end;
end
$$;
comment on function webhooks.refuse_event_type(text) is 'Raises the error for an unknown event type.';

create function webhooks.refuse_event(
    event_type text, category text, event_category text, environment text, created_at timestamptz, processed_at timestamptz,
    deliver_after timestamptz, expires_at timestamptz, idempotency_key text, ordering_key text
)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    epoch constant timestamptz := '1970-01-01 00:00Z';
    invalid record;
    -- This function and the statement that calls it, which is long.
    done constant boolean := webhooks.omit_context(2);
begin
    if category is null then
        perform webhooks.refuse_event_type(event_type);
    end if;
    if event_category <> category and event_category !~ '^[a-z0-9_]+$' then
        raise exception 'event_category is no category'
            using errcode = 'check_violation', schema = 'webhooks', table = 'event_logs', column = 'event_category',
                  hint = format('Categories are lower-case words. That of %s is "%s".', event_type, category);
    end if;
    select v.* into invalid
    from (values
        ('environment', coalesce(substring(environment from '^\w{1,50}$'), 'not one of them'), environment in ('dev', 'staging', 'production'), 'dev, staging, production, or null for all'),
        ('idempotency_key', length(idempotency_key) || ' characters', length(idempotency_key) <= 255, 'at most 255 characters'),
        ('ordering_key', length(ordering_key) || ' characters', length(ordering_key) <= 255, 'at most 255 characters'),
        -- Times that a payload can show and a sidecar can count with. Only expires_at may be infinity: never.
        ('created_at', created_at::text, created_at >= epoch and created_at < timestamptz '10000-01-01 00:00Z', 'a time from 1970 to 9999'),
        ('processed_at', processed_at::text, processed_at >= epoch and processed_at < timestamptz '10000-01-01 00:00Z', 'a time from 1970 to 9999'),
        ('deliver_after', deliver_after::text, deliver_after >= epoch and deliver_after < timestamptz '10000-01-01 00:00Z', 'a time from 1970 to 9999'),
        ('expires_at', expires_at::text, expires_at >= epoch, 'a time from 1970 on'),
        ('expires_at', expires_at::text, expires_at > deliver_after, format('a time after deliver_after, %s', deliver_after))
    ) v (setting, found, valid, takes)
    where not v.valid;
    raise exception 'invalid %: %', invalid.setting, invalid.found
        using errcode = 'check_violation', schema = 'webhooks', table = 'event_logs', column = invalid.setting,
              hint = format('It takes %s.', invalid.takes);
end
$$;
comment on function webhooks.refuse_event(text, text, text, text, timestamptz, timestamptz, timestamptz, timestamptz, text, text) is
    'Raises the error for an event that match_events() finds invalid. category: that of its type; null: the type is unknown.';

create function webhooks.match_events()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since before the first subscription: only index look-ups are right.
set enable_seqscan = off
as $$
declare
    matches bigint;
begin
    -- pg_dump --load-via-partition-root restores events through the parent: their deliveries are in the dump, too.
    if webhooks.copies_events() then
        insert into webhooks.restored_events as r
            (tenant_id, hour, reason, inserted_by, events, first_created_at, last_created_at)
        select n.tenant_id, date_trunc('hour', now()), case when webhooks.is_restoring() then 'restore' else 'replica' end,
               webhooks.caller(), count(*), min(n.created_at), max(n.created_at)
        from new_events n
        group by n.tenant_id
        -- Sessions that restore side by side lock the rows in the same order.
        order by n.tenant_id
        on conflict on constraint restored_events_pkey do update
        set inserted_at = excluded.inserted_at,
            events = r.events + excluded.events,
            first_created_at = least(r.first_created_at, excluded.first_created_at),
            last_created_at = greatest(r.last_created_at, excluded.last_created_at);
        raise notice 'restored events are not published'
            using hint = 'The role owns the extension, and check_function_bodies is off as in a restore, or session_replication_role is replica. To publish, reset these or call publish_event(). webhooks.restored_events counts what was not published.';
        return null;
    end if;
    -- An assignment is no query. publish_event() looks whether this was called.
    matches := webhooks.count_match();

    -- All in one statement without aggregates or CTEs: starting and ending them costs a publisher more than the look-ups.
    insert into webhooks.delivery_queue
        (subscription_id, event_log_id, tenant_id, shard, next_attempt_at, expires_at, lane)
    select r.subscription_id, e.id, e.tenant_id, webhooks.ring_doorbell(webhooks.shard_of(r.subscription_id)),
           case when e.deliver_after > now() then e.deliver_after end, e.expires_at,
           case when r.fifo then webhooks.lane_of(e.ordering_key) end
    from (
        select n.id, n.tenant_id, n.event_type, n.event_data, n.resource_type, n.resource_id, n.environment,
               n.ordering_key, n.deliver_after, n.expires_at, n.is_test,
               -- Volatile, and so evaluated for each event, also for those that nothing matches.
               case when t.name is null
                      or n.event_category <> t.category and n.event_category !~ '^[a-z0-9_]+$'
                      or n.environment not in ('dev', 'staging', 'production')
                      or length(n.idempotency_key) > 255 or length(n.ordering_key) > 255
                      or least(n.created_at, n.processed_at, n.deliver_after, n.expires_at) < timestamptz '1970-01-01 00:00Z'
                      or greatest(n.created_at, n.processed_at, n.deliver_after) >= timestamptz '10000-01-01 00:00Z'
                      or n.expires_at <= n.deliver_after
                    then webhooks.refuse_event(n.event_type, t.category, n.event_category, n.environment, n.created_at,
                                               n.processed_at, n.deliver_after, n.expires_at, n.idempotency_key, n.ordering_key)
                    -- Before any of it is made text. What is so small is never refused: it costs no look at the setting.
                    when not webhooks.json_fits(n.event_data, n.resource_data, 65536)
                    then webhooks.check_event_size(n.event_data, n.resource_data) end
        from new_events n
        -- Fenced, both: joined, another plan could change the order of events, or read all routes for each.
        left join lateral (select t.name, t.category from webhooks.event_types t where t.name = n.event_type offset 0) t on true
        offset 0
    ) e
    cross join lateral (
        select r.subscription_id, r.environment, r.fifo, r.filters, r.filter_jsonpath
        from webhooks.subscription_routes r
        where r.tenant_id = e.tenant_id
          and r.pattern in (e.event_type, split_part(e.event_type, '.', 1) || '.*', '*')
        offset 0
    ) r
    where (e.environment is null or r.environment = e.environment)
      and e.is_test is not true
      and (r.filters is null or webhooks.filter_matches(r.filters, e.event_data::text, e.resource_type, e.resource_id))
      and (r.filter_jsonpath is null or webhooks.jsonpath_matches(e.event_data, r.filter_jsonpath));
    return null;
end
$$;
comment on function webhooks.match_events() is 'Trigger: turns new events into deliveries, set-wise, in the publisher''s transaction.';

create trigger match_events
    after insert on webhooks.event_logs
    referencing new table as new_events
    for each statement execute function webhooks.match_events();
-- Else no event is published with session_replication_role = replica, which triggers of the application run with on a
-- subscriber of logical replication. Copies are told by copies_events().
alter table webhooks.event_logs enable always trigger match_events;

create function webhooks.explain_match(
    tenant_id uuid, event_type text, event_data jsonb default '{}', resource_type text default null,
    resource_id uuid default null, environment text default null
)
returns table (subscription_id uuid, subscription_name text, matched boolean, reason text)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select v.id, v.name, v.reason is null, v.reason
    from (
        select s.id, s.name::text,
            case
                when not exists (select from webhooks.event_types t where t.name = explain_match.event_type)
                    then format('event type %s is not registered in event_types', explain_match.event_type)
                when s.is_active is not true then 'is_active is not true'
                when s.is_enabled is not true then 'is_enabled is not true' || coalesce(': ' || s.disabled_reason, '')
                when not (s.subscribed_events ?| array[explain_match.event_type, split_part(explain_match.event_type, '.', 1) || '.*', '*'])
                    then format('subscribed_events %s does not cover %s', s.subscribed_events, explain_match.event_type)
                when explain_match.environment is not null and s.environment <> explain_match.environment
                    then format('environment is %s, the event''s is %s', s.environment, explain_match.environment)
                when webhooks.jsonpath_objection((s.event_filters ->> 'jsonpath')::jsonpath::text) is not null
                    then format('event_filters.jsonpath %s is refused: %s', s.event_filters ->> 'jsonpath',
                                webhooks.jsonpath_objection((s.event_filters ->> 'jsonpath')::jsonpath::text))
                when s.event_filters ? 'jsonpath'
                    and not webhooks.jsonpath_matches(explain_match.event_data, (s.event_filters ->> 'jsonpath')::jsonpath)
                    then format('event_filters.jsonpath %s does not hold', s.event_filters ->> 'jsonpath')
                when coalesce(s.event_filters, '{}') - 'jsonpath' <> '{}'
                    then webhooks.filter_mismatch((s.event_filters - 'jsonpath')::text, coalesce(explain_match.event_data, '{}')::text,
                                                  explain_match.resource_type, explain_match.resource_id)
            end as reason
        from webhooks.webhook_subscriptions s
        where s.tenant_id = explain_match.tenant_id
    ) v;
end;
comment on function webhooks.explain_match(uuid, text, jsonb, text, uuid, text) is 'One row per subscription of the tenant: whether such an event would match, and why not.';
