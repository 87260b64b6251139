-- What became of events. The log has no index on events, which would cost every delivery; but ids tell when a
-- delivery was made, and that is right after its event was published, or by hand, which redeliveries has. When that
-- was, the event's id says, and created_at; an application may have made up either, so both are tried.

create function webhooks_private.published_at(id uuid, created_at timestamptz)
returns timestamptz
language sql stable parallel safe
return case
    when substr(id::text, 15, 1) = '7' and webhooks.uuid_v7_time(id) > created_at - interval '1 ms' is not false
        then webhooks.uuid_v7_time(id)
    else created_at
end;
comment on function webhooks_private.published_at is
    'When an event was published: what its UUIDv7 says, to the millisecond. If it has none, or one that was made '
    'before, when its transaction began.';
grant execute on function webhooks_private.published_at to webhooks_manager;

create function webhooks_private.event_id_range(tenant_id uuid, since timestamptz, until timestamptz,
                                                out first_id uuid, out last_id uuid)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
declare
    earliest constant uuid := '00000000-0000-0000-0000-000000000000';
    latest constant uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
    first_day uuid;
    end_of_days uuid;
begin
    select webhooks.uuid_v7_floor(min(right(c.relname, 8))::timestamp at time zone 'UTC'),
           webhooks.uuid_v7_floor((max(right(c.relname, 8))::timestamp + interval '1 day') at time zone 'UTC')
    into first_day, end_of_days
    from pg_class c
    where c.relnamespace = 'webhooks_private'::regnamespace and c.relname ~ '^event_logs_[0-9]{8}$'
      and c.relispartition;
    -- An application that makes random ids has nearly all of them outside the days that have partitions. Then an id
    -- tells nothing.
    if coalesce(exists (
        select from webhooks.event_logs e
        where e.tenant_id = event_id_range.tenant_id and e.created_at >= event_id_range.since
          and e.created_at < event_id_range.until
          and (e.id < first_day or e.id >= end_of_days)
    ), true) then
        first_id := earliest;
        last_id := latest;
    else
        -- An id may be made a while before the event is published, and by another clock.
        first_id := case when since > '1970-01-02 00:00Z'
            then webhooks.uuid_v7_floor(least(since, now()) - interval '1 day') else earliest end;
        -- Not until: an import may give its events a created_at of long ago, and ids of now.
        last_id := webhooks.uuid_v7_floor(now() + interval '1 day');
    end if;
end
$$;
comment on function webhooks_private.event_id_range is
    'Between which ids the events of a tenant are that were published from since on and before until: all, if some '
    'of them have ids that are of no day. So that a look-up opens only the partitions in question; it still has to '
    'look at created_at.';
grant execute on function webhooks_private.event_id_range to webhooks_manager;

create function webhooks_private.delivery_spans(tenant_id uuid, event_ids uuid[], times timestamptz[])
returns tstzmultirange
-- Planned and run with the settings of event_deliveries(), which calls it.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    first_id uuid;
    last_id uuid;
    day record;
    found_spans tstzmultirange;
    spans tstzmultirange;
begin
    select coalesce(range_agg(v.span), '{}') into spans
    from (select e.created_at, case when substr(e.id::text, 15, 1) = '7' then webhooks.uuid_v7_time(e.id) end as id_at
          from unnest(event_ids, times) e (id, created_at)) e
    cross join lateral (
        values (tstzrange(e.id_at - interval '1 s',
                          e.id_at + case when e.created_at is null then interval '1 h' else interval '1 min' end)),
               (tstzrange(e.created_at - interval '1 s',
                          -- Of a transaction it is known when it began, but not when it published.
                          e.created_at + case when e.id_at >= e.created_at - interval '1 s' then interval '1 min'
                              else interval '1 h' end))
    ) v (span)
    where lower(v.span) is not null;
    -- A day at a time: two events a year apart must not open the partitions between them.
    for day in
        select array_agg(t.created_at) as created, array_agg(t.first_at) as first_times, min(t.first_at) as begins,
               max(t.first_at) as ends
        from (
            select e.created_at, min(webhooks.uuid_v7_time(e.id)) as first_at
            from unnest(event_ids, times) e (id, created_at)
            where substr(e.id::text, 15, 1) = '7'
            group by e.created_at
        ) t
        group by date_trunc('day', t.first_at, 'UTC')
    loop
        first_id := webhooks.uuid_v7_floor(day.begins);
        last_id := webhooks.uuid_v7_floor(day.ends + interval '1 h');
        -- Up to the last event of the same transaction: a statement matches its events when all are there.
        select range_agg(tstzrange(t.first_at - interval '1 s',
                                   greatest(t.first_at, l.last_at + 10 * (l.last_at - t.first_at)) + interval '1 min'))
        into found_spans
        from unnest(day.created, day.first_times) t (created_at, first_at)
        cross join lateral (
            select coalesce(max(webhooks.uuid_v7_time(e.id)), t.first_at) as last_at
            from (
                select e.id from webhooks.event_logs e
                where e.tenant_id = delivery_spans.tenant_id and e.created_at = t.created_at and e.id >= first_id
                  and e.id < last_id
                offset 0
            ) e
            where e.id >= webhooks.uuid_v7_floor(t.first_at)
              and e.id < webhooks.uuid_v7_floor(t.first_at + interval '1 h')
        ) l;
        spans := spans + found_spans;
    end loop;
    return spans;
end
$$;
comment on function webhooks_private.delivery_spans is
    'When the deliveries of some events of a tenant were made, but for those made by hand; times are those at which '
    'the events were created. Part of event_deliveries().';
grant execute on function webhooks_private.delivery_spans to webhooks_manager;

create function webhooks_private.event_deliveries(tenant_id uuid, event_ids uuid[])
returns table (event_log_id uuid, delivery_id uuid, subscription_id uuid, is_redelivery boolean, repeats uuid)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Arrays and bounds are constants of the plan: hashed, and only the partitions in question are opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    ids uuid[];
    times timestamptz[];
    gone uuid[];
    redelivered uuid[];
    first_id uuid;
    last_id uuid;
    span tstzrange;
begin
    select array_agg(e.id), array_agg(coalesce(e.created_at, e.processed_at)) into ids, times
    from webhooks.event_logs e
    where e.id = any (event_deliveries.event_ids) and e.tenant_id = event_deliveries.tenant_id;
    -- Of events that are gone, only the id tells when they were published.
    gone := array(
        select i.id from unnest(event_deliveries.event_ids) i (id)
        where i.id <> all (coalesce(ids, '{}')) and substr(i.id::text, 15, 1) = '7');
    ids := ids || gone;
    times := times || array_fill(null::timestamptz, array[cardinality(gone)]);
    -- Of an empty array as bound every partition would be opened.
    if coalesce(ids, '{}') = '{}' then
        return;
    end if;

    select webhooks.uuid_v7_floor(greatest(min(least(case when substr(e.id::text, 15, 1) = '7'
                                                     then webhooks.uuid_v7_time(e.id) end, e.created_at))
                                           - interval '1 day', '1970-01-01 00:00Z'))
    into first_id
    from unnest(ids, times) e (id, created_at);
    redelivered := array(
        select r.delivery_id from webhooks.redeliveries r
        where r.event_log_id = any (event_deliveries.event_ids) and r.tenant_id = event_deliveries.tenant_id
          and r.delivery_id >= first_id);
    if redelivered <> '{}' then
        return query
        select r.event_log_id, r.delivery_id, r.subscription_id, true, r.repeats
        from webhooks.redeliveries r
        where r.delivery_id = any (redelivered);
    end if;

    for span in select unnest(webhooks_private.delivery_spans(tenant_id, ids, times)) loop
        first_id := webhooks.uuid_v7_floor(lower(span));
        last_id := webhooks.uuid_v7_floor(upper(span));
        return query
        select f.event_log_id, f.delivery_id, f.subscription_id, false, null::uuid
        from (
            select q.event_log_id, q.id as delivery_id, q.subscription_id
            from webhooks.delivery_queue q
            where q.id >= first_id and q.id < last_id
              and q.tenant_id = event_deliveries.tenant_id and q.event_log_id = any (event_deliveries.event_ids)
            union
            select a.event_log_id, a.delivery_id, a.subscription_id
            from webhooks.delivery_attempts a
            where a.delivery_id >= first_id and a.delivery_id < last_id
              and a.tenant_id = event_deliveries.tenant_id and a.event_log_id = any (event_deliveries.event_ids)
        ) f
        where f.delivery_id <> all (redelivered);
    end loop;
end
$$;
comment on function webhooks_private.event_deliveries is
    'All deliveries of some events of a tenant, outstanding and finished, those made by hand among them.';
grant execute on function webhooks_private.event_deliveries to webhooks_manager;

create function webhooks.unmatched_events(
    tenant_id uuid, since timestamptz, until timestamptz default 'infinity', max_events integer default 100,
    event_types text[] default null
)
returns table (event_log_id uuid, event_type text, created_at timestamptz, environment text, resource_type text,
               resource_id uuid)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    ids record;
    first_id uuid;
    last_id uuid;
begin
    ids := webhooks_private.event_id_range(tenant_id, since, until);
    select webhooks.uuid_v7_floor(min(least(v.id_at, e.created_at)) - interval '1 s'),
           webhooks.uuid_v7_floor(max(greatest(v.id_at, e.created_at)) + interval '1 h')
    into first_id, last_id
    from webhooks.event_logs e
    cross join lateral (
        select case when substr(e.id::text, 15, 1) = '7' then webhooks.uuid_v7_time(e.id) end as id_at
    ) v
    where e.tenant_id = unmatched_events.tenant_id and e.created_at >= unmatched_events.since
      and e.created_at < unmatched_events.until
      and e.id between ids.first_id and ids.last_id;
    -- Except: sorted or hashed, whatever is known of the queue and the log.
    return query
    select e.id, e.event_type::text, e.created_at, e.environment::text, e.resource_type::text, e.resource_id
    from (
        select p.id
        from (
            select e.id
            from webhooks.event_logs e
            where e.tenant_id = unmatched_events.tenant_id and e.created_at >= unmatched_events.since
              and e.created_at < unmatched_events.until
              and e.id between ids.first_id and ids.last_id and e.is_test is not true
              and (unmatched_events.event_types is null
                   or array[e.event_type::text, split_part(e.event_type, '.', 1) || '.*', '*']
                      && unmatched_events.event_types)
            except
            (select q.event_log_id from webhooks.delivery_queue q
             where q.tenant_id = unmatched_events.tenant_id and q.id >= first_id
             union all
             select a.event_log_id from webhooks.delivery_attempts a
             where a.tenant_id = unmatched_events.tenant_id and a.delivery_id >= first_id and a.delivery_id < last_id
             union all
             select r.event_log_id from webhooks.redeliveries r
             where r.tenant_id = unmatched_events.tenant_id and r.delivery_id >= first_id)
        ) p
    ) u
    cross join lateral (
        select * from webhooks.event_logs e where e.id = u.id and e.id between ids.first_id and ids.last_id limit 1
    ) e
    order by e.created_at desc, e.id desc
    limit unmatched_events.max_events;
end
$$;
comment on function webhooks.unmatched_events is
    'Returns events that no subscription matched, or whose subscription was deleted before an attempt, newest first. '
    'event_types are names, category wildcards or *; null: all. explain_match() says why. '
    'The function reads the whole log of the given time.';
grant execute on function webhooks.unmatched_events to webhooks_manager;

create function webhooks_private.history_events(
    tenant_id uuid, event_id uuid, since timestamptz, until timestamptz, event_types text[], resource_type text,
    resource_id uuid, max_events integer
)
returns uuid[]
-- Planned and run with the settings of event_history(), which calls it.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    first_time constant timestamptz := coalesce(since, case when event_id is null then now() - interval '7 days' end);
    ids record;
begin
    if event_id is null then
        ids := webhooks_private.event_id_range(tenant_id, first_time, coalesce(until, 'infinity'));
    else
        select event_id as first_id, event_id as last_id into ids;
    end if;
    return array(
        select e.id
        from webhooks.event_logs e
        where e.tenant_id = history_events.tenant_id
          and e.id between ids.first_id and ids.last_id
          and (first_time is null or e.created_at >= first_time)
          and (history_events.until is null or e.created_at < history_events.until)
          and (history_events.event_types is null
               or array[e.event_type::text, split_part(e.event_type, '.', 1) || '.*', '*']
                   && history_events.event_types)
          and (history_events.resource_type is null or e.resource_type = history_events.resource_type)
          and (history_events.resource_id is null or e.resource_id = history_events.resource_id)
        order by e.created_at desc, e.id desc
        limit history_events.max_events
    );
end
$$;
comment on function webhooks_private.history_events is
    'The newest events that event_history() is to tell of. The parameters are those of event_history().';
grant execute on function webhooks_private.history_events to webhooks_manager;

create function webhooks_private.events_without_row(
    tenant_id uuid, since timestamptz, until timestamptz, max_events integer
)
returns setof uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    day record;
    found_ids uuid[];
    left_over integer := max_events;
begin
    -- Days of which the deliveries are kept, but not the events, newest first.
    for day in
        select webhooks.uuid_v7_floor(greatest(d.day at time zone 'UTC', since)) as first_id,
               webhooks.uuid_v7_floor(least((d.day + interval '1 day') at time zone 'UTC', until)) as end_id,
               webhooks.uuid_v7_floor((d.day + interval '1 day') at time zone 'UTC') as end_of_day
        from (
            select right(c.relname, 8)::date::timestamp as day
            from pg_class c
            where c.relnamespace = 'webhooks_private'::regnamespace and c.relispartition
              and c.relname ~ '^delivery_attempts_[0-9]{8}$'
              and to_regclass('webhooks_private.event_logs_' || right(c.relname, 8)) is null
        ) d
        where d.day at time zone 'UTC' < until and (d.day + interval '1 day') at time zone 'UTC' > since
        order by d.day desc
    loop
        exit when left_over <= 0;
        found_ids := array(
            select distinct a.event_log_id
            from webhooks.delivery_attempts a
            where a.tenant_id = events_without_row.tenant_id and a.delivery_id >= day.first_id
              and a.delivery_id < day.end_of_day and a.event_log_id >= day.first_id and a.event_log_id < day.end_id
            order by a.event_log_id desc
            limit left_over);
        left_over := left_over - cardinality(found_ids);
        return query
        select i.id from unnest(found_ids) i (id)
        -- In default.
        where not exists (select from webhooks.event_logs e where e.id = i.id and e.id >= day.first_id
                          and e.id < day.end_id);
    end loop;
end
$$;
comment on function webhooks_private.events_without_row is
    'Up to so many events of a tenant, newest first, that were published in a period and are gone, while attempts to '
    'deliver them are not. Part of event_history().';
grant execute on function webhooks_private.events_without_row to webhooks_manager;

create function webhooks.event_history(
    tenant_id uuid, event_id uuid default null, since timestamptz default null, until timestamptz default null,
    event_types text[] default null, resource_type text default null, resource_id uuid default null,
    max_events integer default 20
)
returns table (
    event_log_id uuid, event_type text, at timestamptz, what text, subscription_id uuid, subscription_name text,
    delivery_id uuid, repeats uuid, attempt integer, status text, http_status_code integer, duration_us bigint,
    next_attempt_at timestamptz, error_message text
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Conditions that are not given vanish, and those that are find their index.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    found_ids uuid[];
    gone uuid[] := '{}';
    first_time constant timestamptz := coalesce(since, case when event_id is null then now() - interval '7 days' end);
    delivery_ids uuid[];
    delivered_events uuid[];
    subscription_ids uuid[];
    redeliveries boolean[];
    repeated uuid[];
begin
    perform webhooks_private.check_count('event_types', cardinality(event_types), 1000);
    found_ids := webhooks_private.history_events(tenant_id, event_id, since, until, event_types, resource_type,
                                                 resource_id, max_events);
    -- What an event was, was gone with it.
    if event_types is null and resource_type is null and resource_id is null then
        if event_id is null then
            gone := array(
                select w.id
                from webhooks_private.events_without_row(
                    tenant_id, first_time, coalesce(until, 'infinity'), max_events - cardinality(found_ids)) w (id));
        elsif found_ids = '{}' and substr(event_id::text, 15, 1) = '7' then
            gone := array[event_id];
        end if;
    end if;
    if found_ids || gone = '{}' then
        return;
    end if;
    -- Arrays: constants of the plan, which is of the partitions in question alone.
    select array_agg(d.delivery_id), array_agg(d.event_log_id), array_agg(d.subscription_id),
           array_agg(d.is_redelivery), array_agg(d.repeats)
    into delivery_ids, delivered_events, subscription_ids, redeliveries, repeated
    from webhooks_private.event_deliveries(tenant_id, found_ids || gone) d;
    return query
    with events as materialized (
        select i.n, false as is_gone, e.*
        from unnest(found_ids) with ordinality i (id, n)
        cross join lateral (
            select e.id, e.event_type::text as event_type, e.is_test,
                   webhooks_private.published_at(e.id, coalesce(e.created_at, e.processed_at)) as published_at
            from webhooks.event_logs e
            where e.id = i.id and e.id = any (found_ids)
            limit 1
        ) e
        union all
        select cardinality(found_ids) + i.n, true, i.id, null, null, webhooks.uuid_v7_time(i.id)
        from unnest(gone) with ordinality i (id, n)
        where i.id = any (delivered_events)
    ),
    deliveries as materialized (
        select e.n, e.event_type, e.is_test, d.*
        from unnest(delivery_ids, delivered_events, subscription_ids, redeliveries, repeated)
            d (delivery_id, event_log_id, subscription_id, is_redelivery, repeats)
        join events e on e.id = d.event_log_id
    ),
    timeline as (
        select e.n, 1 as step, e.id, e.event_type, e.published_at as at,
               case when e.is_gone then 'published, no longer kept' else 'published' end as what,
               null::uuid as subscription_id,
               null::uuid as delivery_id, null::uuid as repeats, null::integer as attempt, null::text as status,
               null::integer as http_status_code, null::bigint as duration_us, null::timestamptz as next_attempt_at,
               null::text as error_message
        from events e
        union all
        select e.n, 2, e.id, e.event_type, e.published_at, 'matched nothing', null, null, null, null, null, null,
               null, null, null
        from events e
        where not exists (select from deliveries d where d.event_log_id = e.id) and e.is_test is not true
          and not e.is_gone
        union all
        select d.n, 3, d.event_log_id, d.event_type, webhooks.uuid_v7_time(d.delivery_id),
               case when d.repeats is not null then 'retried' when d.is_redelivery then 'replayed'
                   when d.is_test then 'tested' else 'queued' end,
               d.subscription_id, d.delivery_id, d.repeats, null, null, null, null, null, null
        from deliveries d
        union all
        select d.n, 4, d.event_log_id, d.event_type, a.attempted_at,
               case when a.delivery_status in ('expired', 'cancelled') then a.delivery_status::text
                   else 'attempted' end,
               d.subscription_id, d.delivery_id, d.repeats, a.delivery_attempt, a.delivery_status::text,
               a.http_status_code, a.duration_us, a.next_retry_at, a.error_message
        from deliveries d
        cross join lateral (
            select * from webhooks.delivery_attempts a
            where a.delivery_id = d.delivery_id and a.delivery_id = any (delivery_ids) offset 0
        ) a
        union all
        -- What is still to come has no time yet.
        select d.n, 5, d.event_log_id, d.event_type, null, 'outstanding', d.subscription_id, d.delivery_id,
               d.repeats, q.attempt + 1,
               case when q.attempt = 0 then 'pending' else 'retrying' end, null, null, q.next_attempt_at, null
        from deliveries d
        cross join lateral (
            select * from webhooks.delivery_queue q where q.id = d.delivery_id offset 0
        ) q
    )
    select t.id, t.event_type, t.at, t.what, t.subscription_id, s.name::text, t.delivery_id, t.repeats, t.attempt,
           t.status, t.http_status_code, t.duration_us, t.next_attempt_at, t.error_message
    from timeline t
    left join webhooks.webhook_subscriptions s on s.id = t.subscription_id
    order by t.n, t.at nulls last, t.step, t.delivery_id, t.attempt;
end
$$;
comment on function webhooks.event_history is
    'Returns the timeline of the newest events of a tenant, of one event, of a period or of a resource: published, '
    'matched nothing, queued, tested (an event of test_subscription()), attempted, retried, replayed, expired, '
    'cancelled, outstanding. Without since and event_id, the period is the last 7 days. Of an event that is no longer '
    'kept, but whose deliveries are, it shows those, and "published, no longer kept": by its id, if that is a UUIDv7, '
    'and in periods, unless event_types or a resource are given.';
grant execute on function webhooks.event_history to webhooks_manager;
