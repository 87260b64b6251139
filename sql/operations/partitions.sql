-- How the four partitioned tables are divided:
--
-- - A partition for each day (or month) from the day of CREATE EXTENSION on, made some days ahead by create_partitions().
-- - event_logs takes ids of the caller's own. Those that are not of now must not get in the way of the days to come, so
--   there are two more partitions: event_logs_past for ids from before the first day, and event_logs_future for ids from
--   2050 on. Of random ids (UUIDv4) 99 % are in the latter.
-- - The default partition has what is left: random ids that happen to fall between the last day made and 2050 (1 of 400),
--   and rows of days for which no partition was made, because nothing called maintain().
--
-- A new partition scans the default one while it locks it, unless a validated CHECK constraint tells that there is
-- nothing to find. So create_partitions() makes one such constraint for all new partitions, which is one scan, and
-- where that would take long it does so in two calls: the constraint is added by the first one as NOT VALID, which
-- locks but does not scan, and validated by the second one, which scans but does not lock. What lies in default and
-- belongs to a new partition is moved into it by the same transaction, so that it is always seen exactly once.

create function webhooks_private.partitioned_tables()
returns table (parent text, key text, span text)
language sql immutable parallel safe
begin atomic
    values
        ('event_logs', 'id', 'day'), ('delivery_attempts', 'delivery_id', 'day'),
        -- Few rows, kept for years: by the day they would be thousands of tables.
        ('redeliveries', 'delivery_id', 'month'), ('audit_log', 'id', 'month');
end;
comment on function webhooks_private.partitioned_tables is
    'Partitioned tables, the key of each, and whether a partition is of a day or of a month.';

create function webhooks_private.future_ids()
returns uuid
language sql immutable parallel safe
return webhooks.uuid_v7_floor('2050-01-01 00:00Z');
comment on function webhooks_private.future_ids is
    'The first id of event_logs_future: no day that is of use has ids from here on.';

create function webhooks_private.first_partition_day(parent text)
returns date
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select min(right(c.relname, 8))::date
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = ('webhooks.' || first_partition_day.parent)::regclass and c.relname ~ '_[0-9]{8}$';
end;
comment on function webhooks_private.first_partition_day is
    'First day (UTC) that has a partition of its own; null: none has.';

create function webhooks_private.last_partition_day(parent text)
returns date
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select max(right(c.relname, 8))::date
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    where i.inhparent = ('webhooks.' || last_partition_day.parent)::regclass and c.relname ~ '_[0-9]{8}$';
end;
comment on function webhooks_private.last_partition_day is
    'Last day (UTC), or first day of the last month, that has a partition of its own; null: none has.';

create function webhooks_private.partition_range(parent text, partition text, out lower_id uuid, out upper_id uuid)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
begin atomic
    select
        case partition_range.partition
            when 'event_logs_past' then null
            when 'event_logs_future' then webhooks_private.future_ids()
            else webhooks.uuid_v7_floor(d.first_day at time zone 'UTC')
        end,
        case partition_range.partition
            when 'event_logs_past' then webhooks.uuid_v7_floor(
                coalesce(webhooks_private.first_partition_day('event_logs'),
                         (now() at time zone 'UTC')::date)::timestamp at time zone 'UTC')
            when 'event_logs_future' then null
            else webhooks.uuid_v7_floor((d.first_day + ('1 ' || t.span)::interval) at time zone 'UTC')
        end
    from webhooks_private.partitioned_tables() t
    cross join lateral (
        select case when partition_range.partition ~ '_[0-9]{8}$'
            then right(partition_range.partition, 8)::date::timestamp end as first_day
    ) d
    where t.parent = partition_range.parent;
end;
comment on function webhooks_private.partition_range is
    'The ids that a partition to be made is for: from lower_id (null: the least) up to, not including, upper_id '
    '(null: all).';

create function webhooks_private.late_days(parent text)
returns setof date
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- A look-up for each day, however many rows default has.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
#variable_conflict use_column
declare
    key text;
    span text;
    today date;
    found_id uuid;
    next_id uuid := webhooks.uuid_v7_floor(webhooks_private.first_partition_day(parent)::timestamp at time zone 'UTC');
    late_day date;
begin
    select t.key, t.span, date_trunc(t.span, now() at time zone 'UTC')::date into key, span, today
    from webhooks_private.partitioned_tables() t where t.parent = late_days.parent;
    while next_id is not null loop
        -- Not of UUIDv4: a random id is no reason to make a partition for a day that was dropped long ago.
        execute format('select %1$I from webhooks_private.%2$I where %1$I >= %3$L and %1$I < %4$L and '
                       'substr(%1$I::text, 15, 1) <> ''4'' order by 1 limit 1',
                       key, parent || '_default', next_id, webhooks.uuid_v7_floor(today::timestamp at time zone 'UTC'))
        into found_id;
        exit when found_id is null;
        late_day := date_trunc(span, webhooks.uuid_v7_time(found_id) at time zone 'UTC');
        return next late_day;
        next_id := webhooks.uuid_v7_floor((late_day + ('1 ' || span)::interval) at time zone 'UTC');
    end loop;
end
$$;
comment on function webhooks_private.late_days is
    'Days (or months) before today whose rows lie in a default partition, since there was no partition when they '
    'were written.';

create function webhooks_private.missing_partitions(parent text, days_ahead integer)
returns setof text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select m.partition
    from (
        select missing_partitions.parent || '_' || to_char(d.first_day, 'YYYYMMDD') as partition
        from webhooks_private.partitioned_tables() t
        cross join lateral (
            select date_trunc(t.span, now() at time zone 'UTC' + make_interval(days => g.n)) as first_day
            from generate_series(0, missing_partitions.days_ahead) g (n)
            union
            select l.day from webhooks_private.late_days(missing_partitions.parent) l (day)
        ) d
        where t.parent = missing_partitions.parent
        union all
        select v.partition from (values ('event_logs_past'), ('event_logs_future')) v (partition)
        where missing_partitions.parent = 'event_logs'
    ) m
    where to_regclass('webhooks_private.' || m.partition) is null
    order by m.partition;
end;
comment on function webhooks_private.missing_partitions is
    'Names of the partitions that create_partitions() is to make.';

create function webhooks_private.refuse_future_id()
returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if substr(new.id::text, 15, 1) = '7' and new.id >= webhooks.uuid_v7_floor(now() + interval '1 day')
        and not webhooks_private.is_restoring() then
        raise exception 'event id % is a UUIDv7 of %, more than a day ahead', new.id,
                        case when new.id < webhooks_private.future_ids()
                            then to_char(webhooks.uuid_v7_time(new.id) at time zone 'UTC', 'YYYY-MM-DD')
                                else '2050 or later' end
            using errcode = 'check_violation', schema = 'webhooks', table = 'event_logs', column = 'id',
                  hint = 'A UUIDv7 tells when it was made: check the clock of whoever made it, or leave the id out. '
                         'Ids of the past and of other versions are accepted.';
    end if;
    -- The constraint itself would refuse it, too, with all of the event in its error.
    if exists (
        select from pg_constraint c
        where c.conrelid = tg_relid and c.conname = 'no_row_of_new_partitions'
          and strpos(obj_description(c.oid, 'pg_constraint'), 'event_logs_'
                     || to_char(webhooks.uuid_v7_time(new.id) at time zone 'UTC', 'YYYYMMDD')) > 0
    ) then
        raise exception 'the partition for event id % is being made', new.id
            using errcode = 'serialization_failure',
                  hint = 'Publish again in a moment. If this goes on, complete it: select webhooks.maintain();';
    end if;
    return new;
end
$$;
comment on function webhooks_private.refuse_future_id is
    'Trigger on the partitions of event_logs that are of no day: refuses a UUIDv7 of a day that is still to come and '
    'has no partition yet, which it would keep from being made, and any id of a partition that is being made.';

create trigger a10_refuse_future_id before insert on webhooks_private.event_logs_default
    for each row execute function webhooks_private.refuse_future_id();
