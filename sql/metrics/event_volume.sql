create function webhooks_private.unrolled_events(tenant_id uuid, since timestamptz)
returns table (hour timestamptz, event_type text, event_category text, events bigint)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    first_time constant timestamptz := greatest(
        since, (select p.rolled_until from webhooks_private.rollup_progress p));
    ids constant record := webhooks_private.event_ids_between(first_time, now());
begin
    return query
    select e.hour, e.event_type, e.event_category, count(*)
    from (
        select date_trunc('hour', e.created_at at time zone 'UTC') at time zone 'UTC' as hour,
               e.event_type::text as event_type, e.event_category::text as event_category
        from webhooks.event_logs e
        where e.tenant_id = unrolled_events.tenant_id and e.created_at >= first_time
          and (e.id >= ids.first_id and e.id < ids.last_id or e.id < ids.first_day or e.id >= ids.future_id)
          and e.is_test is not true
    ) e
    group by e.hour, e.event_type, e.event_category;
end
$$;
comment on function webhooks_private.unrolled_events is
    'Events of a tenant since a time that roll_up() did not count yet: those of the last minutes. Part of '
    'event_volume().';

create function webhooks.event_volume(
    tenant_id uuid, bucket interval default '1 day', since timestamptz default now() - interval '7 days'
)
returns table (bucket_start timestamptz, event_type text, event_category text, events bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    first_time timestamptz;
begin
    perform webhooks_private.check_monitored_tenant(tenant_id);
    first_time := webhooks_private.bucket_start(webhooks_private.checked_bucket(bucket),
                                                webhooks_private.checked_since(since));
    return query
    select webhooks_private.bucket_start(event_volume.bucket, v.hour), v.event_type, v.event_category,
           sum(v.events)::bigint
    from (
        select h.hour, h.event_type, h.event_category, h.events
        from webhooks_private.events_hourly h
        where h.tenant_id = event_volume.tenant_id and h.hour >= first_time
        union all
        select u.hour, u.event_type, u.event_category, u.events
        from webhooks_private.unrolled_events(event_volume.tenant_id, first_time) u
    ) v
    group by 1, 2, 3
    order by 1, 2, 3;
end
$$;
comment on function webhooks.event_volume is
    'Returns how many events a tenant published, by event type and in buckets of whole hours, from the bucket on '
    'that since is in. Days begin at midnight in UTC and weeks on Mondays. A bucket without events has no row. The '
    'time of an event is its created_at; events that were inserted with a created_at before the last few minutes do '
    'not count, and neither do tests.';
grant execute on function webhooks.event_volume to webhooks_manager, webhooks_monitor;
