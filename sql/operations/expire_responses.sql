-- What receivers answered may have to go before the fact that they did. The days follow each other, so one mark says
-- up to which delivery it is done. What is outstanding when the mark passes it is remembered, and done when it is over.

create table webhooks_private.expired_responses (
    delivery_id uuid,
    is_mark boolean,
    primary key (is_mark, delivery_id)
);
create unique index expired_responses_mark on webhooks_private.expired_responses (is_mark) where is_mark;
comment on table webhooks_private.expired_responses is
    'How far expire_responses() has come. A dump leaves it out: then it begins anew, and finds little to do.';
comment on column webhooks_private.expired_responses.delivery_id is
    'Of the mark: the delivery from which on responses are still there. Otherwise an earlier one that was outstanding.';
comment on column webhooks_private.expired_responses.is_mark is 'Whether this row is the mark.';

create function webhooks_private.expire_next_responses(before timestamptz, max_attempts integer)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    mark uuid := (select e.delivery_id from webhooks_private.expired_responses e where e.is_mark);
    partition record;
    end_id uuid;
    cleared bigint;
begin
    -- The partition that the mark is in, or the first one after it.
    select p.partition, p.first_id, least(p.end_id, webhooks.uuid_v7_floor(before)) as end_id into partition
    from (
        select c.relname as partition, r.lower_id as first_id, r.upper_id as end_id
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        cross join lateral webhooks_private.partition_range('delivery_attempts', c.relname) r
        where i.inhparent = 'webhooks.delivery_attempts'::regclass and c.relname ~ '_[0-9]{8}$'
    ) p
    where p.first_id < webhooks.uuid_v7_floor(before) and (mark is null or p.end_id > mark)
    order by p.first_id
    limit 1;
    mark := greatest(mark, partition.first_id);
    if mark is null or mark >= partition.end_id then
        return 0;
    end if;
    execute format('select a.delivery_id from webhooks_private.%I a where a.delivery_id >= $1 and a.delivery_id < $2
                    order by a.delivery_id offset $3 limit 1', partition.partition)
    into end_id using mark, partition.end_id, max_attempts;
    end_id := coalesce(end_id, partition.end_id);
    insert into webhooks_private.expired_responses (delivery_id, is_mark)
    select q.id, false from webhooks.delivery_queue q where q.id >= mark and q.id < end_id
    on conflict do nothing;
    execute format('update webhooks_private.%I a set response_headers = null, response_body = null
                    where a.delivery_id >= $1 and a.delivery_id < $2
                      and num_nonnulls(a.response_headers, a.response_body) > 0', partition.partition)
    using mark, end_id;
    get diagnostics cleared = row_count;
    delete from webhooks_private.expired_responses e where e.is_mark;
    insert into webhooks_private.expired_responses (delivery_id, is_mark) values (end_id, true);
    -- Also where there was nothing to do: the days that have no responses are passed one by one.
    return greatest(cleared, 1);
end
$$;
comment on function webhooks_private.expire_next_responses is
    'Moves the mark of expired_responses on, over up to so many attempts of one partition; returns how many had '
    'responses, or 1; 0: all is done. Part of expire_responses().';

create function webhooks_private.expire_late_responses(before timestamptz)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
as $$
declare
    first_id uuid;
    last_id uuid;
    ids uuid[];
    cleared bigint;
begin
    select (array_agg(e.delivery_id order by e.delivery_id))[1],
           (array_agg(e.delivery_id order by e.delivery_id desc))[1]
    into first_id, last_id
    from webhooks_private.expired_responses e
    where not e.is_mark;
    if first_id is null then
        return 0;
    end if;
    -- Bounds are constants of the plan, which is of the partitions in question alone.
    ids := array(
        select e.delivery_id
        from webhooks_private.expired_responses e
        where not e.is_mark and not exists (select from webhooks.delivery_queue q where q.id = e.delivery_id)
          and not exists (
              select from webhooks.delivery_attempts a
              where a.delivery_id = e.delivery_id and a.delivery_id between first_id and last_id
                and a.attempted_at >= before)
        limit 10000);
    if ids = '{}' then
        return 0;
    end if;
    update webhooks.delivery_attempts a set response_headers = null, response_body = null
    where a.delivery_id = any (ids) and num_nonnulls(a.response_headers, a.response_body) > 0;
    get diagnostics cleared = row_count;
    delete from webhooks_private.expired_responses e where e.delivery_id = any (ids) and not e.is_mark;
    return cleared;
end
$$;
comment on function webhooks_private.expire_late_responses is
    'Deletes the responses of deliveries that were outstanding when the mark of expired_responses passed them, once '
    'their last attempt is old enough. Part of expire_responses().';

create function webhooks_private.expire_responses(max_attempts integer default 10000)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    -- Not while a dump is being restored: what is outstanding may not be there yet.
    before constant timestamptz := case when webhooks.is_adopted() then webhooks_private.floor_to_ten_minutes(
        now() - nullif(webhooks_private.setting('response_retention_days'), 0) * interval '1 day') end;
    cleared bigint;
begin
    if before is null then
        return 0;
    end if;
    -- The default partition has rows only if nothing called maintain() for days.
    update webhooks_private.delivery_attempts_default a set response_headers = null, response_body = null
    where a.ctid = any (array(
        select o.ctid from webhooks_private.delivery_attempts_default o
        where o.delivery_id < webhooks.uuid_v7_floor(before) and o.attempted_at < before
          and num_nonnulls(o.response_headers, o.response_body) > 0
        limit max_attempts));
    get diagnostics cleared = row_count;
    return cleared + webhooks_private.expire_late_responses(before)
        + webhooks_private.expire_next_responses(before, max_attempts);
end
$$;
comment on function webhooks_private.expire_responses is
    'Deletes response headers and bodies that are older than the setting response_retention_days, of up to so many '
    'attempts; returns how many had some. Part of maintain().';
