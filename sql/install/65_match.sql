create function webhooks.jsonpath_matches(event_data jsonb, path jsonpath)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce((
        select bool_or(case jsonb_typeof(item) when 'boolean' then item::boolean when 'null' then false else true end)
        from jsonb_path_query_tz(event_data, path, '{}', true) as item
    ), false);
-- "silent" doesn't silence all: a regular expression, a datetime template or a date out of range may still fail.
exception when others then
    return false;
end
$$;
comment on function webhooks.jsonpath_matches(jsonb, jsonpath) is 'True if a predicate path holds or any other path finds something. Errors in the path count as false: a subscriber can''t make a publisher fail. How long it may take is bounded where the path is written: see jsonpath_objection().';

create function webhooks.match_events()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since before the first subscription: only index look-ups are right.
set enable_seqscan = off
as $$
declare
    unknown_type text;
    bells smallint[];
    notified boolean;
begin
    -- pg_dump --load-via-partition-root restores events through the parent: their deliveries are in the dump, too.
    -- It turns both of these off (and pg_restore does), publishers don't.
    if not current_setting('check_function_bodies')::boolean and not current_setting('row_security')::boolean then
        raise notice 'restored events are not fanned out'
            using hint = 'check_function_bodies and row_security are both off, as in a restore. To publish, turn one of them on.';
        return null;
    end if;

    with queued as (
        insert into webhooks.delivery_queue
            (subscription_id, event_log_id, tenant_id, shard, next_attempt_at, expires_at, lane)
        select r.subscription_id, e.id, e.tenant_id, webhooks.shard_of(r.subscription_id),
               case when e.deliver_after > now() then e.deliver_after end, e.expires_at,
               case when r.fifo then webhooks.lane_of(e.ordering_key) end
        from new_events e
        -- Fenced: joined, a plan from when there were few routes would read all of them for each event.
        cross join lateral (
            select * from webhooks.subscription_routes r
            where r.tenant_id = e.tenant_id
              and r.pattern in (e.event_type, split_part(e.event_type, '.', 1) || '.*', '*')
            offset 0
        ) r
        where (e.environment is null or r.environment = e.environment)
          and (r.filters is null or webhooks.filter_matches(r.filters, e.event_data::text, e.resource_type, e.resource_id))
          and (r.filter_jsonpath is null or webhooks.jsonpath_matches(e.event_data, r.filter_jsonpath))
        returning shard
    )
    -- In one statement: starting another costs as much as all of its look-ups.
    select (select array_agg(distinct q.shard order by q.shard) from queued q),
           (select e.event_type from new_events e
            where (select t.name from webhooks.event_types t where t.name = e.event_type) is null limit 1)
    into bells, unknown_type;

    if unknown_type is not null then
        raise exception 'unknown event type "%"', unknown_type
            using errcode = 'foreign_key_violation',
                  hint = case when unknown_type ~ '^[a-z0-9_]+(\.[a-z0-9_]+)+$'
                      then format('Register it first: insert into webhooks.event_types (name, category) values (%L, %L);',
                                  unknown_type, split_part(unknown_type, '.', 1))
                      else 'Types are lower-case words joined by dots, for example document.uploaded; webhooks.event_types lists them.'
                  end;
    end if;
    if bells is not null then
        -- An assignment, since it is evaluated without a statement of its own.
        notified := webhooks.ring_doorbell(bells);
    end if;
    return null;
end
$$;
comment on function webhooks.match_events() is 'Trigger: turns new events into deliveries, set-wise, in the publisher''s transaction.';

create trigger match_events
    after insert on webhooks.event_logs
    referencing new table as new_events
    for each statement execute function webhooks.match_events();

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
