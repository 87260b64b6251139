create function webhooks_private.jsonpath_matches(event_data jsonb, path jsonpath)
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
-- "silent" does not silence all: a regular expression, a datetime template or a date out of range may still fail, and
-- so may what evaluates them, for lack of memory or stack. Whatever a subscriber's path brings about, the publisher
-- goes on.
exception when data_exception or syntax_error_or_access_rule_violation or feature_not_supported
    or program_limit_exceeded or insufficient_resources or internal_error then
    return false;
end
$$;
comment on function webhooks_private.jsonpath_matches is
    'True if a predicate path holds or any other path finds something. Errors in the path count as false: a '
    'subscriber can''t make a publisher fail. Dates and times without a time zone are in UTC, whatever the '
    'session''s settings are. How long it may take is bounded where the path is written: see jsonpath_problem().';
grant execute on function webhooks_private.jsonpath_matches to webhooks_manager;

create function webhooks_private.match_events()
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
    if webhooks_private.copies_events() then
        insert into webhooks.restored_events as r
            (tenant_id, hour, reason, inserted_by, events, first_created_at, last_created_at)
        select n.tenant_id, date_trunc('hour', now()),
               case when webhooks_private.is_restoring() then 'restore' else 'replica' end,
               webhooks_private.caller(), count(*), min(n.created_at), max(n.created_at)
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
            using hint = 'The role owns the extension, and check_function_bodies is off as in a restore, or '
                         'session_replication_role is replica. To publish, reset these or call publish_event(). '
                         'webhooks.restored_events counts what was not published.';
        return null;
    end if;
    -- An assignment is no query. publish_event() looks whether this was called.
    matches := webhooks_private.count_match();

    -- All in one statement without aggregates or CTEs: starting and ending them costs a publisher more than the
    -- look-ups.
    insert into webhooks.delivery_queue
        (subscription_id, event_log_id, tenant_id, shard, next_attempt_at, expires_at, lane)
    select r.subscription_id, e.id, e.tenant_id,
           -- Nobody has to be woken for what its receiver fetches.
           coalesce(r.poll_shard, webhooks_private.ring_doorbell(webhooks_private.shard_of(r.subscription_id))),
           case when e.deliver_after > now() then e.deliver_after end, e.expires_at,
           case when r.fifo then webhooks_private.lane_of(e.ordering_key) end
    from (
        select n.id, n.tenant_id, n.event_type, n.event_data, n.resource_type, n.resource_id, n.environment,
               n.ordering_key, n.deliver_after, n.expires_at, n.is_test,
               -- Volatile, and so evaluated for each event, also for those that nothing matches.
               case when t.name is null
                      or n.event_category <> t.category and n.event_category !~ '^[a-z0-9_]+$'
                      or n.environment not in ('dev', 'staging', 'production')
                      or length(n.idempotency_key) > 255 or length(n.ordering_key) > 255
                      or least(n.created_at, n.processed_at, n.deliver_after, n.expires_at)
                         < timestamptz '1970-01-01 00:00Z'
                      or greatest(n.created_at, n.processed_at, n.deliver_after) >= timestamptz '10000-01-01 00:00Z'
                      or n.expires_at <= n.deliver_after
                    then webhooks_private.raise_invalid_event(
                        n.event_type, t.category, n.event_category, n.environment, n.created_at, n.processed_at,
                        n.deliver_after, n.expires_at, n.idempotency_key, n.ordering_key)
                    when webhooks_private.is_system_event(n.event_type) and n.is_test is not true
                    then webhooks_private.check_publishes_for_system(n.event_type)
                    -- Before any of it is made text. What is so small is never refused: it costs no look at the
                    -- setting.
                    when not webhooks_private.json_fits(n.event_data, n.resource_data, 65536)
                    then webhooks_private.check_event_size(n.event_data, n.resource_data) end
        from new_events n
        -- Fenced, both: joined, another plan could change the order of events, or read all routes for each.
        left join lateral (select t.name, t.category from webhooks.event_types t
                           where t.name = n.event_type offset 0) t on true
        offset 0
    ) e
    cross join lateral (
        select r.subscription_id, r.pattern, r.environment, r.fifo, r.filters, r.filter_jsonpath, r.poll_shard
        from webhooks_private.subscription_routes r
        where r.tenant_id = e.tenant_id
          and r.pattern in (e.event_type, split_part(e.event_type, '.', 1) || '.*', '*')
        offset 0
    ) r
    where (e.environment is null or r.environment = e.environment)
      and e.is_test is not true
      and (not webhooks_private.is_endpoint_event(e.event_type)
           or r.pattern <> '*' and r.subscription_id is distinct from e.resource_id)
      and (r.filters is null or webhooks_private.filter_matches(r.filters, e.event_data::text, e.resource_type,
                                                                e.resource_id))
      and (r.filter_jsonpath is null or webhooks_private.jsonpath_matches(e.event_data, r.filter_jsonpath));
    return null;
end
$$;
comment on function webhooks_private.match_events is
    'Trigger: turns new events into deliveries, set-wise, in the publisher''s transaction.';

-- Triggers of event_logs fire in the order of their names: a refused event must not have been fanned out first.
create trigger a30_match_events
    after insert on webhooks.event_logs
    referencing new table as new_events
    for each statement execute function webhooks_private.match_events();
-- Else no event is published with session_replication_role = replica, which triggers of the application run with on a
-- subscriber of logical replication. Copies are told by copies_events().
alter table webhooks.event_logs enable always trigger a30_match_events;
