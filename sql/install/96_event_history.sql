-- What became of events. The log has no index on events, which would cost every delivery; but ids tell when a delivery was
-- made, and that is right after its event was published, or by hand, which redeliveries has. When that was, the event's id
-- says, and created_at; an application may have made up either, so both are tried.

create function webhooks.event_deliveries(tenant_id uuid, event_ids uuid[])
returns table (event_log_id uuid, delivery_id uuid, subscription_id uuid, is_redelivery boolean, repeats uuid)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Arrays and bounds are constants of the plan: hashed, and only the partitions in question are opened.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    redelivered constant uuid[] := array(
        select r.delivery_id from webhooks.redeliveries r
        where r.event_log_id = any (event_deliveries.event_ids) and r.tenant_id = event_deliveries.tenant_id);
    span record;
begin
    return query
    select r.event_log_id, r.delivery_id, r.subscription_id, true, r.repeats
    from webhooks.redeliveries r
    where r.delivery_id = any (redelivered);
    for span in
        with events as materialized (
            select e.*, substr(e.id::text, 15, 1) = '7' as has_time
            from unnest(event_deliveries.event_ids) i (id)
            cross join lateral (
                select e.id, webhooks.uuid_v7_time(e.id) as id_at, coalesce(e.created_at, e.processed_at) as created_at
                from webhooks.event_logs e
                where e.id = i.id and e.tenant_id = event_deliveries.tenant_id
                limit 1
            ) e
        ),
        -- Up to the last event of the same transaction: a statement matches its events when all are there.
        transactions as materialized (
            select t.created_at, t.first_at, coalesce(l.last_at, t.first_at) as last_at
            from (select e.created_at, min(e.id_at) as first_at from events e where e.has_time group by e.created_at) t
            cross join lateral (
                select max(webhooks.uuid_v7_time(e.id)) as last_at
                from (
                    select e.id from webhooks.event_logs e
                    where e.tenant_id = event_deliveries.tenant_id and e.created_at = t.created_at
                    offset 0
                ) e
                where e.id >= webhooks.uuid_v7_floor(t.first_at) and e.id < webhooks.uuid_v7_floor(t.first_at + interval '1 h')
            ) l
        ),
        windows as (
            select unnest(range_agg(v.span)) as span
            from (
                select tstzrange(e.id_at - interval '1 s', greatest(e.id_at, t.last_at + 10 * (t.last_at - t.first_at)) + interval '1 min') as span
                from events e
                join transactions t on t.created_at is not distinct from e.created_at
                where e.has_time
                union all
                select tstzrange(
                    e.created_at - interval '1 s',
                    -- Of a transaction it is known when it began, but not when it published.
                    e.created_at + case when e.has_time and e.id_at >= e.created_at - interval '1 s' then interval '1 min' else interval '1 h' end)
                from events e
                where e.created_at is not null
            ) v
        )
        select webhooks.uuid_v7_floor(lower(w.span)) as first_id, webhooks.uuid_v7_floor(upper(w.span)) as last_id from windows w
    loop
        return query
        select f.event_log_id, f.delivery_id, f.subscription_id, false, null::uuid
        from (
            select q.event_log_id, q.id as delivery_id, q.subscription_id
            from webhooks.delivery_queue q
            where q.id >= span.first_id and q.id < span.last_id
              and q.tenant_id = event_deliveries.tenant_id and q.event_log_id = any (event_deliveries.event_ids)
            union
            select a.event_log_id, a.delivery_id, a.subscription_id
            from webhooks.delivery_attempts a
            where a.delivery_id >= span.first_id and a.delivery_id < span.last_id
              and a.tenant_id = event_deliveries.tenant_id and a.event_log_id = any (event_deliveries.event_ids)
        ) f
        where f.delivery_id <> all (redelivered);
    end loop;
end
$$;
comment on function webhooks.event_deliveries(uuid, uuid[]) is
    'All deliveries of some events of a tenant, outstanding and finished, those made by hand among them.';

create function webhooks.unmatched_events(
    tenant_id uuid, since timestamptz, until timestamptz default 'infinity', max_events integer default 100
)
returns table (event_log_id uuid, event_type text, created_at timestamptz, environment text, resource_type text, resource_id uuid)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    first_id uuid;
    last_id uuid;
begin
    select webhooks.uuid_v7_floor(min(least(v.id_at, e.created_at)) - interval '1 s'),
           webhooks.uuid_v7_floor(max(greatest(v.id_at, e.created_at)) + interval '1 h')
    into first_id, last_id
    from webhooks.event_logs e
    cross join lateral (
        select case when substr(e.id::text, 15, 1) = '7' then webhooks.uuid_v7_time(e.id) end as id_at
    ) v
    where e.tenant_id = unmatched_events.tenant_id and e.created_at >= unmatched_events.since and e.created_at < unmatched_events.until;
    -- Except: sorted or hashed, whatever is known of the queue and the log.
    return query
    select e.id, e.event_type::text, e.created_at, e.environment::text, e.resource_type::text, e.resource_id
    from (
        select p.id
        from (
            select e.id
            from webhooks.event_logs e
            where e.tenant_id = unmatched_events.tenant_id and e.created_at >= unmatched_events.since and e.created_at < unmatched_events.until
              and e.is_test is not true
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
        select * from webhooks.event_logs e where e.id = u.id limit 1
    ) e
    order by e.created_at desc, e.id desc
    limit unmatched_events.max_events;
end
$$;
comment on function webhooks.unmatched_events(uuid, timestamptz, timestamptz, integer) is
    'Events that no subscription matched (or whose subscription was deleted before they were tried), newest first; explain_match() says why. Reads the log of all that time.';

create function webhooks.event_history(
    tenant_id uuid, event_id uuid default null, since timestamptz default null, until timestamptz default null,
    event_types text[] default null, resource_type text default null, resource_id uuid default null, max_events integer default 20
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
begin
    perform webhooks.check_count('event_types', cardinality(event_types), 1000);
    found_ids := array(
        select e.id
        from webhooks.event_logs e
        where e.tenant_id = event_history.tenant_id
          and (event_history.event_id is null or e.id = event_history.event_id)
          and (event_history.since is null or e.created_at >= event_history.since)
          and (event_history.until is null or e.created_at < event_history.until)
          and (event_history.event_types is null
               or array[e.event_type::text, split_part(e.event_type, '.', 1) || '.*', '*'] && event_history.event_types)
          and (event_history.resource_type is null or e.resource_type = event_history.resource_type)
          and (event_history.resource_id is null or e.resource_id = event_history.resource_id)
        order by e.created_at desc, e.id desc
        limit event_history.max_events
    );
    return query
    with events as materialized (
        select i.n, e.*
        from unnest(found_ids) with ordinality i (id, n)
        cross join lateral (
            select e.id, e.event_type::text as event_type, e.is_test, webhooks.published_at(e.id, coalesce(e.created_at, e.processed_at)) as published_at
            from webhooks.event_logs e
            where e.id = i.id
            limit 1
        ) e
    ),
    deliveries as materialized (
        select e.n, e.event_type, e.is_test, d.*
        from webhooks.event_deliveries(event_history.tenant_id, found_ids) d
        join events e on e.id = d.event_log_id
    ),
    timeline as (
        select e.n, 1 as step, e.id, e.event_type, e.published_at as at, 'published' as what, null::uuid as subscription_id,
               null::uuid as delivery_id, null::uuid as repeats, null::integer as attempt, null::text as status,
               null::integer as http_status_code, null::bigint as duration_us, null::timestamptz as next_attempt_at,
               null::text as error_message
        from events e
        union all
        select e.n, 2, e.id, e.event_type, e.published_at, 'matched nothing', null, null, null, null, null, null, null, null, null
        from events e
        where not exists (select from deliveries d where d.event_log_id = e.id) and e.is_test is not true
        union all
        select d.n, 3, d.event_log_id, d.event_type, webhooks.uuid_v7_time(d.delivery_id),
               case when d.repeats is not null then 'retried' when d.is_redelivery then 'replayed' when d.is_test then 'tested' else 'queued' end,
               d.subscription_id, d.delivery_id, d.repeats, null, null, null, null, null, null
        from deliveries d
        union all
        select d.n, 4, d.event_log_id, d.event_type, a.attempted_at,
               case when a.delivery_status in ('expired', 'cancelled') then a.delivery_status::text else 'attempted' end,
               d.subscription_id, d.delivery_id, d.repeats, a.delivery_attempt, a.delivery_status::text,
               a.http_status_code, a.duration_us, a.next_retry_at, a.error_message
        from deliveries d
        cross join lateral (
            select * from webhooks.delivery_attempts a where a.delivery_id = d.delivery_id offset 0
        ) a
        union all
        -- What is still to come has no time yet.
        select d.n, 5, d.event_log_id, d.event_type, null, 'outstanding', d.subscription_id, d.delivery_id, d.repeats, q.attempt + 1,
               case when q.attempt = 0 then 'pending' else 'retrying' end, null, null, q.next_attempt_at, null
        from deliveries d
        cross join lateral (
            select * from webhooks.delivery_queue q where q.id = d.delivery_id offset 0
        ) q
    )
    select t.id, t.event_type, t.at, t.what, t.subscription_id, s.name::text, t.delivery_id, t.repeats, t.attempt, t.status,
           t.http_status_code, t.duration_us, t.next_attempt_at, t.error_message
    from timeline t
    left join webhooks.webhook_subscriptions s on s.id = t.subscription_id
    order by t.n, t.at nulls last, t.step, t.delivery_id, t.attempt;
end
$$;
comment on function webhooks.event_history(uuid, uuid, timestamptz, timestamptz, text[], text, uuid, integer) is
    'What became of a tenant''s newest events (of one event, of a time, of a resource), each as a timeline: published, matched nothing or queued (tested: made up by test_subscription()), attempted, retried, replayed, expired, cancelled, outstanding.';
