create function webhooks_private.event_type_of(event_id uuid)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Of each event by itself: a look-up of many would open every partition.
set plan_cache_mode = force_custom_plan
as $$
begin
    return (select e.event_type from webhooks.event_logs e where e.id = event_id limit 1);
end
$$;
comment on function webhooks_private.event_type_of is
    'Type of an event; null: its partition was dropped. Part of failed_deliveries().';

create function webhooks_private.failed_attempts(
    tenant_id uuid, from_time timestamptz, until_time timestamptz, oldest_id uuid, max_rows integer
)
returns table (
    delivery_id uuid, subscription_name text, event_log_id uuid, attempted_at timestamptz, error_message text,
    http_status_code integer
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- By the index of attempts that did not deliver, in the partitions of that time.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    last_id constant uuid := webhooks_private.rollup_id(least(until_time, now()) + interval '1 day');
begin
    return query
    select a.delivery_id, s.name::text, a.event_log_id, a.attempted_at, a.error_message, a.http_status_code
    from webhooks.delivery_attempts a
    join webhooks.webhook_subscriptions s on s.id = a.subscription_id and s.tenant_id = failed_attempts.tenant_id
    where a.delivery_status = 'failed' and a.attempted_at >= from_time and a.attempted_at < until_time
      and a.delivery_id >= oldest_id and a.delivery_id < last_id
      and a.tenant_id = failed_attempts.tenant_id
    order by a.attempted_at desc, a.delivery_id desc
    limit failed_attempts.max_rows;
end
$$;
comment on function webhooks_private.failed_attempts is
    'Last attempts of deliveries of a tenant that failed in a time, newest first. Part of failed_deliveries().';

create function webhooks_private.times_of_failures(tenant_id uuid)
returns table (begins timestamptz, ends timestamptz, oldest_id uuid)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    -- From here on there may be attempts that are not counted yet.
    open_hour constant timestamptz := (
        select coalesce(date_trunc('hour', min(least(p.rolled_until, p.rolled_at)) - interval '10 minutes', 'UTC'),
                        '-infinity')
        from webhooks_private.rollup_progress p);
begin
    return query
    select open_hour, 'infinity'::timestamptz,
           least(webhooks_private.rollup_id(open_hour - interval '1 hour'),
                 (select o.delivery_id from webhooks_private.rollup_outstanding o order by o.delivery_id limit 1),
                 (select webhooks_private.rollup_id(min(h.oldest_delivery_at))
                  from webhooks_private.attempts_hourly h
                  where h.tenant_id = times_of_failures.tenant_id and h.failed > 0 and h.hour >= open_hour));
    return query
    select h.hour, h.hour + interval '1 hour', webhooks_private.rollup_id(min(h.oldest_delivery_at))
    from webhooks_private.attempts_hourly h
    where h.tenant_id = times_of_failures.tenant_id and h.failed > 0 and h.hour < open_hour
    group by h.hour
    order by h.hour desc;
end
$$;
comment on function webhooks_private.times_of_failures is
    'Hours in which deliveries of a tenant failed, the last first, and the lowest id of these: before them the time '
    'that roll_up() did not count yet. Part of failed_deliveries().';

create function webhooks.failed_deliveries(tenant_id uuid, max_rows integer default 100)
returns table (
    id uuid, subscription_name text, event_type text, attempted_at timestamptz, error_message text,
    http_status_code integer
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    period record;
    failure record;
    missing integer := max_rows;
begin
    perform webhooks_private.check_tenant(tenant_id);
    if max_rows is null or max_rows not between 1 and 10000 then
        raise exception 'max_rows is %, not between 1 and 10000', coalesce(max_rows::text, 'null')
            using errcode = 'invalid_parameter_value',
                  hint = 'For more, read webhooks.webhook_delivery_logs, a day of ids at a time.';
    end if;
    for period in select * from webhooks_private.times_of_failures(tenant_id) loop
        for failure in
            select f.*
            from webhooks_private.failed_attempts(tenant_id, period.begins, period.ends, period.oldest_id, missing) f
        loop
            id := failure.delivery_id;
            subscription_name := failure.subscription_name;
            event_type := webhooks_private.event_type_of(failure.event_log_id);
            attempted_at := failure.attempted_at;
            error_message := failure.error_message;
            http_status_code := failure.http_status_code;
            return next;
            missing := missing - 1;
        end loop;
        exit when missing = 0;
    end loop;
end
$$;
comment on function webhooks.failed_deliveries is
    'Returns the last deliveries of a tenant that failed for good, newest first. As in the specification, deliveries '
    'of deleted subscriptions are left out. event_type is null if the event was dropped. The function reads the '
    'failures of all tenants in the hours in which this one had some.';
grant execute on function webhooks.failed_deliveries to webhooks_manager;
