create function webhooks_private.settled_until(margin interval)
returns timestamptz
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Sessions as they are now, not as an earlier query of this transaction saw them.
    perform pg_stat_clear_snapshot();
    return least(
        -- A transaction that begins just now may not be listed yet.
        now() - margin,
        (select min(a.xact_start) from pg_stat_activity a
         where a.datname = current_database() and a.pid <> pg_backend_pid()
           and a.backend_type not in ('autovacuum worker', 'walsender')),
        -- When a prepared transaction began is not told.
        (select min(p.prepared) - interval '1 hour' from pg_prepared_xacts p where p.database = current_database()),
        -- Nor is an owner without this role told when those of others began.
        case when not pg_has_role('pg_read_all_stats', 'usage') then now() - interval '1 hour' end);
end
$$;
comment on function webhooks_private.settled_until is
    'A time before which no transaction of this database that is still running began: what was written before it is '
    'committed, or never will be. Part of roll_up().';

create function webhooks_private.roll_up_attempts(from_time timestamptz, until_time timestamptz)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- Ids are constants of the plan: no other partitions are opened. Look-ups by index, whatever the statistics say.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
declare
    first_id constant uuid := webhooks_private.rollup_id(from_time);
    last_id constant uuid := webhooks_private.rollup_id(until_time);
    oldest_id constant uuid := coalesce(
        (select o.delivery_id from webhooks_private.rollup_outstanding o order by o.delivery_id limit 1), first_id);
    -- An event's id may be made a while before its delivery's.
    first_event constant uuid := webhooks_private.rollup_id(webhooks.uuid_v7_time(oldest_id) - interval '1 day');
    last_event constant uuid := webhooks_private.rollup_id(until_time + interval '1 day');
    counted bigint;
begin
    -- One statement, which sees the queue and the log as they were at one moment: an attempt is logged by the
    -- transaction that removes its delivery from the queue or counts it there.
    with changed as materialized (
        select o.delivery_id, o.attempt, q.attempt as attempt_now
        from webhooks_private.rollup_outstanding o
        left join webhooks.delivery_queue q on q.id = o.delivery_id
        where q.attempt is distinct from o.attempt
    ),
    attempts as materialized (
        select m.* from webhooks_private.attempt_measures m
        where m.delivery_id >= first_id and m.delivery_id < last_id
        union all
        select m.*
        from changed c
        cross join lateral (
            select m.* from webhooks_private.attempt_measures m
            where m.delivery_id = c.delivery_id and m.delivery_attempt > c.attempt
              and m.delivery_id >= oldest_id and m.delivery_id < first_id
            offset 0
        ) m
    ),
    hourly as (
        insert into webhooks_private.attempts_hourly as h (
            tenant_id, subscription_id, hour, is_test, delivered, failed, retrying, expired, cancelled,
            delivered_by_retry, failed_after_retry, response_us, last_delivered_at, last_failed_at, oldest_delivery_at)
        select a.tenant_id, a.subscription_id, a.hour, a.is_test, sum(a.delivered), sum(a.failed), sum(a.retrying),
               sum(a.expired), sum(a.cancelled), sum(a.delivered_by_retry), sum(a.failed_after_retry),
               coalesce(sum(a.response_us), 0),
               max(a.attempted_at) filter (where a.delivered = 1),
               max(a.attempted_at) filter (where a.failed + a.retrying = 1),
               to_timestamp(min(a.delivery_ms) / 1000.0::double precision)
        from attempts a
        group by a.tenant_id, a.subscription_id, a.hour, a.is_test
        on conflict on constraint attempts_hourly_pkey do update
        set delivered = h.delivered + excluded.delivered,
            failed = h.failed + excluded.failed,
            retrying = h.retrying + excluded.retrying,
            expired = h.expired + excluded.expired,
            cancelled = h.cancelled + excluded.cancelled,
            delivered_by_retry = h.delivered_by_retry + excluded.delivered_by_retry,
            failed_after_retry = h.failed_after_retry + excluded.failed_after_retry,
            response_us = h.response_us + excluded.response_us,
            last_delivered_at = greatest(h.last_delivered_at, excluded.last_delivered_at),
            last_failed_at = greatest(h.last_failed_at, excluded.last_failed_at),
            oldest_delivery_at = least(h.oldest_delivery_at, excluded.oldest_delivery_at)
    ),
    latencies as (
        insert into webhooks_private.latencies_hourly as h (tenant_id, hour, buckets, receipts, responses, publications)
        select b.tenant_id, b.hour, array_agg(b.bucket order by b.bucket), array_agg(b.receipts order by b.bucket),
               array_agg(b.responses order by b.bucket), array_agg(b.publications order by b.bucket)
        from (
            select l.tenant_id, l.hour, l.bucket, sum(l.receipts)::bigint as receipts,
                   sum(l.responses)::bigint as responses, sum(l.publications)::bigint as publications
            from (
                select a.tenant_id, a.hour, v.*
                from attempts a
                -- Time that deliver_after put off is not the system's. What took less than a second was not put off.
                left join lateral (
                    select greatest(date_part('epoch', e.deliver_after) * 1000000 - a.delivery_ms * 1000, 0) as us
                    from webhooks.event_logs e
                    where a.receipt_us >= 1000000 and e.id = a.event_log_id and e.id >= first_event
                      and e.id < last_event and e.deliver_after < 'infinity'
                    limit 1
                ) deferral on true
                cross join lateral (values
                    (webhooks_private.latency_bucket(a.receipt_us - coalesce(deferral.us, 0)::bigint), 1, 0, 0),
                    (webhooks_private.latency_bucket(a.response_us), 0, 1, 0),
                    -- What took so long may have been made again by hand.
                    (webhooks_private.latency_bucket(case
                        when a.publish_us < 20000
                            or not exists (select from webhooks.redeliveries r
                                           where r.delivery_id = a.delivery_id
                                             and r.delivery_id >= oldest_id and r.delivery_id < last_id)
                        then a.publish_us end), 0, 0, 1)
                ) v (bucket, receipts, responses, publications)
                where not a.is_test and v.bucket is not null
                union all
                -- What is counted already. No other session adds to it meanwhile: see roll_up().
                select h.tenant_id, h.hour, v.*
                from (select distinct a.tenant_id, a.hour from attempts a where not a.is_test) a
                join webhooks_private.latencies_hourly h on h.tenant_id = a.tenant_id and h.hour = a.hour
                cross join lateral unnest(h.buckets, h.receipts, h.responses, h.publications) v
            ) l
            group by l.tenant_id, l.hour, l.bucket
        ) b
        group by b.tenant_id, b.hour
        on conflict on constraint latencies_hourly_pkey do update
        set buckets = excluded.buckets,
            receipts = excluded.receipts,
            responses = excluded.responses,
            publications = excluded.publications
    ),
    finished as (
        delete from webhooks_private.rollup_outstanding o
        using changed c
        where o.delivery_id = c.delivery_id and c.attempt_now is null
    ),
    retried as (
        update webhooks_private.rollup_outstanding o
        set attempt = c.attempt_now
        from changed c
        where o.delivery_id = c.delivery_id and c.attempt_now is not null
    ),
    outstanding as (
        insert into webhooks_private.rollup_outstanding (delivery_id, attempt)
        select q.id, q.attempt from webhooks.delivery_queue q where q.id >= first_id and q.id < last_id
        on conflict on constraint rollup_outstanding_pkey do nothing
    )
    select count(*) into counted from attempts;
    return counted;
end
$$;
comment on function webhooks_private.roll_up_attempts is
    'Counts the attempts of deliveries that were made in a time, and those of deliveries before that were made since '
    'the last call. Part of roll_up().';

create function webhooks_private.roll_up_events(from_time timestamptz, until_time timestamptz)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
declare
    ids constant record := webhooks_private.event_ids_between(from_time, until_time);
    written bigint;
begin
    insert into webhooks_private.events_hourly as h (tenant_id, hour, event_type, event_category, events)
    select e.tenant_id, e.hour, t.name, e.event_category, count(*)
    from webhooks.event_types t
    cross join lateral (
        select e.tenant_id, e.event_category,
               date_trunc('hour', e.created_at at time zone 'UTC') at time zone 'UTC' as hour
        from webhooks.event_logs e
        where e.event_type = t.name and e.created_at >= from_time and e.created_at < until_time
          and (e.id >= ids.first_id and e.id < ids.last_id or e.id < ids.first_day or e.id >= ids.future_id)
          and e.is_test is not true
        offset 0
    ) e
    group by e.tenant_id, e.hour, t.name, e.event_category
    on conflict on constraint events_hourly_pkey do update set events = h.events + excluded.events;
    get diagnostics written = row_count;
    return written;
end
$$;
comment on function webhooks_private.roll_up_events is
    'Counts the events whose created_at is in a time, and returns how many rows that are. Part of roll_up().';

create function webhooks_private.forget_rollups()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    first_hour constant timestamptz := now() - make_interval(
        days => webhooks_private.setting('metrics_retention_days')::integer);
begin
    delete from webhooks_private.attempts_hourly h where h.hour < first_hour;
    delete from webhooks_private.latencies_hourly h where h.hour < first_hour;
    delete from webhooks_private.events_hourly h where h.hour < first_hour;
end
$$;
comment on function webhooks_private.forget_rollups is
    'Deletes numbers of hours that are longer ago than the setting metrics_retention_days. Part of roll_up().';

create function webhooks_private.forget_tenant_rollups(tenant_ids uuid[])
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    delete from webhooks_private.attempts_hourly h where h.tenant_id = any (forget_tenant_rollups.tenant_ids);
    delete from webhooks_private.latencies_hourly h where h.tenant_id = any (forget_tenant_rollups.tenant_ids);
    delete from webhooks_private.events_hourly h where h.tenant_id = any (forget_tenant_rollups.tenant_ids);
end;
comment on function webhooks_private.forget_tenant_rollups is 'Deletes the numbers of tenants that are deleted.';

create function webhooks_private.roll_up(margin interval default interval '1 minute')
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    progress webhooks_private.rollup_progress;
    settled timestamptz;
    first_day constant timestamptz := least(
        webhooks_private.first_partition_day('delivery_attempts'), webhooks_private.first_partition_day('event_logs')
    )::timestamp at time zone 'UTC';
    next_time timestamptz;
    step interval := '1 hour';
    found_attempts bigint;
    found_events bigint;
    counted bigint := 0;
begin
    -- A snapshot that is older than the list of sessions would miss what was committed between them. Of a dump that is
    -- being restored, the log may be there before these tables.
    if current_setting('transaction_isolation') <> 'read committed' or not webhooks.is_adopted() then
        return 0;
    end if;
    insert into webhooks_private.rollup_progress (rolled_until, rolled_at)
    values ('-infinity', '-infinity')
    on conflict on constraint rollup_progress_pkey do nothing;
    select p.* into progress from webhooks_private.rollup_progress p for update skip locked;
    -- Another session is at it.
    if not found then
        return 0;
    end if;
    settled := webhooks_private.settled_until(margin);
    -- An hour at a time, or up to a day where there is nothing. What there was before the first call takes several
    -- calls: each transaction takes locks of all partitions that it opens.
    for i in 1 .. 100 loop
        exit when progress.rolled_until >= settled or clock_timestamp() > now() + interval '30 seconds';
        next_time := least(settled, case when progress.rolled_until = '-infinity' then coalesce(first_day, settled)
                                         else date_trunc('hour', progress.rolled_until) + step end);
        progress.rolled_at := clock_timestamp();
        found_attempts := webhooks_private.roll_up_attempts(progress.rolled_until, next_time);
        found_events := webhooks_private.roll_up_events(progress.rolled_until, next_time);
        counted := counted + found_attempts;
        step := case when found_attempts + found_events > 0 then interval '1 hour'
                     else least(2 * step, interval '1 day') end;
        progress.rolled_until := next_time;
    end loop;
    if progress.forgotten_on is distinct from current_date then
        perform webhooks_private.forget_rollups();
        progress.forgotten_on := current_date;
    end if;
    update webhooks_private.rollup_progress p
    set rolled_until = progress.rolled_until, rolled_at = progress.rolled_at, forgotten_on = progress.forgotten_on;
    return counted;
end
$$;
comment on function webhooks_private.roll_up is
    'Counts what was published and attempted since the last call, and returns the number of attempts. A transaction '
    'that runs for long delays it: what is not counted yet is read from the logs. Part of maintain().';
