-- Making partitions (see partitions.sql): what takes long comes first and locks nothing that others wait for, what
-- locks the default partition comes last.

create function webhooks_private.rows_in_default(parent text, partition text)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    ids record := webhooks_private.partition_range(parent, partition);
    key text;
begin
    select t.key into key from webhooks_private.partitioned_tables() t where t.parent = rows_in_default.parent;
    return format('webhooks_private.%I d where ', parent || '_default') || concat_ws(' and ',
        case when ids.lower_id is not null then format('d.%I >= %L', key, ids.lower_id) end,
        case when ids.upper_id is not null then format('d.%I < %L', key, ids.upper_id) end);
end
$$;
comment on function webhooks_private.rows_in_default is
    'FROM and WHERE of a query for the rows of a partition to be made that lie in the default partition.';

create function webhooks_private.move_from_default(parent text, partition text)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    has_rows boolean;
    moved bigint;
begin
    -- A DELETE of nothing would need the right to delete, which for the audit log only superusers have.
    execute format('select exists (select from %s)', webhooks_private.rows_in_default(parent, partition)) into has_rows;
    if not has_rows then
        return 0;
    end if;
    execute format('with moved as (delete from %s returning d.*) insert into webhooks_private.%I select m.* from '
                   'moved m',
                   webhooks_private.rows_in_default(parent, partition), partition);
    get diagnostics moved = row_count;
    return moved;
end
$$;
comment on function webhooks_private.move_from_default is
    'Moves the rows of a partition that is about to be attached out of the default partition; returns how many.';

create function webhooks_private.has_too_many_rows(parent text, partition text, move_rows bigint)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
as $$
declare
    found_rows bigint;
begin
    execute format('select count(*) from (select from %s limit %s) r',
                   webhooks_private.rows_in_default(parent, partition), move_rows + 1)
    into found_rows;
    if found_rows > move_rows then
        raise warning 'partition % is not made: more than % rows of it lie in %_default', partition, move_rows, parent
            using hint = format('Move them at a quiet time: select webhooks.create_partitions(move_rows => %s);',
                                10 * greatest(move_rows, 100000));
    end if;
    return found_rows > move_rows;
end
$$;
comment on function webhooks_private.has_too_many_rows is
    'Whether more than so many rows of a partition to be made lie in the default partition; if so, a warning says it.';

create function webhooks_private.default_check(parent text, partitions text[])
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- Days that follow each other are one range: for each partition the server looks at all of them.
    select string_agg(concat_ws(' or ', case when r.lower_id is not null then format('%I < %L', t.key, r.lower_id) end,
                                        case when r.upper_id is not null
                                            then format('%I >= %L', t.key, r.upper_id) end), ') and (')
    from (
        select (array_agg(b.lower_id order by b.lower_id nulls first))[1] as lower_id,
               (array_agg(b.upper_id order by b.upper_id desc nulls first))[1] as upper_id
        from (
            select s.*, count(*) filter (where s.is_start) over (order by s.lower_id nulls first) as n
            from (
                select b.*, lag(b.upper_id) over (order by b.lower_id nulls first) is distinct from b.lower_id as is_start
                from unnest(default_check.partitions) p (partition)
                cross join lateral webhooks_private.partition_range(default_check.parent, p.partition) b
            ) s
        ) b
        group by b.n
    ) r
    cross join webhooks_private.partitioned_tables() t
    where t.parent = default_check.parent;
end;
comment on function webhooks_private.default_check is
    'A condition that holds for every row of a default partition of which these partitions can be made.';

create function webhooks_private.prepare_default(parent text, partitions text[])
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted constant text := array_to_string(partitions, ' ');
    prepared text;
begin
    select obj_description(c.oid, 'pg_constraint') into prepared
    from pg_constraint c
    where c.conrelid = ('webhooks_private.' || parent || '_default')::regclass
      and c.conname = 'no_row_of_new_partitions';
    if prepared = wanted then
        return true;
    end if;
    -- Days have gone by, or nothing is to be made any more.
    if found then
        execute format('alter table webhooks_private.%I drop constraint no_row_of_new_partitions',
                       parent || '_default');
    end if;
    if wanted <> '' then
        execute format('alter table webhooks_private.%I add constraint no_row_of_new_partitions check ((%s)) not valid',
                       parent || '_default', webhooks_private.default_check(parent, partitions));
        execute format('comment on constraint no_row_of_new_partitions on webhooks_private.%I is %L',
                       parent || '_default', wanted);
        raise notice 'partitions of % are attached by the next call: % is large', parent, parent || '_default'
            using hint = 'Call it again soon: select webhooks.maintain(); a sidecar does so at once.';
    end if;
    return false;
end
$$;
comment on function webhooks_private.prepare_default is
    'First of the two steps of making partitions beside a large default partition: adds the constraint that the '
    'second one validates. True if an earlier call did so.';

create function webhooks_private.prepared_tables()
returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select count(*) from pg_constraint c
    where c.connamespace = 'webhooks_private'::regnamespace and c.conname = 'no_row_of_new_partitions';
end;
comment on function webhooks_private.prepared_tables is
    'Of how many tables prepare_default() has prepared partitions that the next call of create_partitions() makes.';

create function webhooks_private.partition_now(parent text)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select t.parent || '_' || to_char(date_trunc(t.span, now() at time zone 'UTC'), 'YYYYMMDD')
    from webhooks_private.partitioned_tables() t where t.parent = partition_now.parent;
end;
comment on function webhooks_private.partition_now is 'Name of the partition that rows written now belong to.';

create function webhooks_private.create_partition_table(parent text, partition text)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    session_tablespace constant text := current_setting('default_tablespace');
    -- That of the parent comes first, as for CREATE TABLE PARTITION OF. Indexes are made there, too.
    tablespace constant name := (
        select t.spcname
        from pg_class c
        join pg_tablespace t on t.oid = c.reltablespace
        where c.oid = ('webhooks.' || parent)::regclass);
begin
    perform set_config('default_tablespace', coalesce(tablespace, session_tablespace), true);
    execute format('create table webhooks_private.%I (like webhooks_private.%I including all)', partition,
                   parent || '_template');
    perform set_config('default_tablespace', session_tablespace, true);
    -- Read through the parent it is the parent's policies that count; read by itself, with a grant by mistake: nothing.
    execute format('alter table webhooks_private.%I enable row level security', partition);
    if partition in ('event_logs_past', 'event_logs_future') then
        execute format('comment on table webhooks_private.%I is %L', partition, case partition
            when 'event_logs_past' then 'Events with an id of the caller''s own that is lower than those of the '
                                        'first day.'
            else 'Events with an id of the caller''s own that is not of this time: most random ones (UUIDv4).' end);
    end if;
    if partition = 'event_logs_future' then
        execute format('create trigger a10_refuse_future_id before insert on webhooks_private.%I
                        for each row execute function webhooks_private.refuse_future_id()', partition);
    elsif parent = 'audit_log' then
        -- A statement on a partition fires that partition's triggers alone.
        execute format('create trigger append_only before update or delete or truncate on webhooks_private.%I
                        for each statement execute function webhooks_private.refuse_change()', partition);
    end if;
end
$$;
comment on function webhooks_private.create_partition_table is 'Makes the table of a partition, not yet attached.';

create function webhooks_private.attach_partitions(parent text, partitions text[])
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    partition text;
    ids record;
    default_table constant text := parent || '_default';
    is_prepared constant boolean := exists (
        select from pg_constraint c
        where c.conrelid = ('webhooks_private.' || parent || '_default')::regclass
          and c.conname = 'no_row_of_new_partitions');
    -- Of an empty table there is nothing to scan.
    is_empty constant boolean := pg_relation_size(('webhooks_private.' || parent || '_default')::regclass) = 0;
begin
    if is_prepared then
        execute format('alter table webhooks_private.%I validate constraint no_row_of_new_partitions', default_table);
    elsif not is_empty then
        execute format('alter table webhooks_private.%I add constraint no_row_of_new_partitions check ((%s))',
                       default_table, webhooks_private.default_check(parent, partitions));
    end if;
    foreach partition in array partitions loop
        ids := webhooks_private.partition_range(parent, partition);
        execute format('alter table webhooks.%I attach partition webhooks_private.%I for values from (%s) to (%s)',
                       parent, partition,
                       coalesce(quote_literal(ids.lower_id), 'minvalue'),
                       coalesce(quote_literal(ids.upper_id), 'maxvalue'));
    end loop;
    if is_prepared or not is_empty then
        execute format('alter table webhooks_private.%I drop constraint no_row_of_new_partitions', default_table);
    end if;
end
$$;
comment on function webhooks_private.attach_partitions is
    'Attaches tables as partitions, with one scan of the default partition for all of them; without a lock on it '
    'while it is scanned, if prepare_default() did its part.';

create function webhooks_private.make_partitions(parent text, partitions text[], move_rows bigint)
returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    partition text;
    now_partition constant text := webhooks_private.partition_now(parent);
    default_table constant regclass := 'webhooks_private.' || parent || '_default';
    -- 16 MB are read in some 20 ms.
    is_large constant boolean := pg_relation_size(default_table) > 16777216;
    hour_ago constant uuid := webhooks.uuid_v7_floor(now() - interval '1 hour');
    in_a_day constant uuid := webhooks.uuid_v7_floor(now() + interval '1 day');
begin
    if is_large then
        if now_partition = any (partitions) then
            raise warning 'partition % is not made until its time is over: % is large and rows of today are in it',
                now_partition, default_table
                using hint = 'maintain() moves them then. The coming days get their partitions now.';
        end if;
        -- Not those whose rows are being written, or may be before the next call: until then default would refuse them.
        partitions := array(
            select p.partition
            from unnest(partitions) p (partition)
            cross join lateral webhooks_private.partition_range(make_partitions.parent, p.partition) r
            where r.lower_id > in_a_day or r.upper_id < hour_ago or p.partition = 'event_logs_past');
    end if;
    if pg_relation_size(default_table) > 0 then
        partitions := array(
            select p.partition from unnest(partitions) p (partition)
            where not webhooks_private.has_too_many_rows(make_partitions.parent, p.partition,
                                                         make_partitions.move_rows));
    end if;
    -- Where default is being written to, locks must be short.
    if is_large or now_partition = any (partitions) then
        partitions := partitions[: 24];
    end if;
    if not webhooks_private.prepare_default(parent, case when is_large then partitions else '{}' end) and is_large
        or partitions = '{}' then
        return 0;
    end if;
    if parent = 'delivery_attempts' then
        -- What comes out of default may have responses, in days that expire_responses() has passed.
        update webhooks_private.expired_responses e
        set delivery_id = (webhooks_private.partition_range(make_partitions.parent, partitions[1])).lower_id
        where e.is_mark
          and e.delivery_id > (webhooks_private.partition_range(make_partitions.parent, partitions[1])).lower_id;
    end if;
    foreach partition in array partitions loop
        perform webhooks_private.create_partition_table(parent, partition);
        -- What is written meanwhile is less each time.
        for i in 1 .. 5 loop
            exit when webhooks_private.move_from_default(parent, partition) < 100;
        end loop;
    end loop;
    if now_partition = any (partitions) then
        -- Rows are under way to the default partition, which refuses them once it is narrowed: let their transactions
        -- end first, and new ones wait at the parent until the new partition is there.
        execute format('lock table webhooks.%I in share row exclusive mode', parent);
        perform webhooks_private.move_from_default(parent, now_partition);
    else
        -- Before default, as everybody else.
        execute format('lock table webhooks.%I in share update exclusive mode', parent);
    end if;
    perform webhooks_private.attach_partitions(parent, partitions);
    return cardinality(partitions);
end
$$;
comment on function webhooks_private.make_partitions is
    'Makes these partitions of a table, all or none; returns how many.';

create function webhooks.create_partitions(days_ahead integer default null, move_rows bigint default 100000)
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- Whoever needs what is locked waits no longer than this while somebody else keeps the lock from being granted: there
-- are days to try again. And sooner than deadlock_timeout: who writes to two of these tables may hold one lock and
-- wait for the other.
set lock_timeout = '90ms'
as $$
declare
    days constant bigint := coalesce(days_ahead, webhooks_private.setting('partition_days_ahead'));
    parent text;
    made integer := 0;
begin
    if days not between 1 and 366 then
        raise exception 'days_ahead is %, not between 1 and 366', days
            using errcode = 'invalid_parameter_value',
                  hint = 'Call webhooks.create_partitions() for the setting partition_days_ahead.';
    end if;
    if move_rows is null or move_rows < 0 then
        raise exception 'move_rows is %', coalesce(move_rows::text, 'null')
            using errcode = 'invalid_parameter_value', hint = 'Give 0 or more: 100000 take about five seconds.';
    end if;
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    -- Publishers and claims need the default partition of event_logs: it is locked last.
    foreach parent in array array['audit_log', 'redeliveries', 'delivery_attempts', 'event_logs'] loop
        begin
            made := made + webhooks_private.make_partitions(
                parent, array(select m.partition
                              from webhooks_private.missing_partitions(parent, days::integer) m (partition)),
                              move_rows);
        -- Default got another row of a new partition just then.
        exception when lock_not_available or check_violation or deadlock_detected or insufficient_privilege then
            raise warning 'partitions of % can''t be made now: %', parent, sqlerrm
                using errcode = sqlstate, hint = 'maintain() tries again. If this goes on, see pg_stat_activity for '
                                                 'long transactions that use the table.';
        end;
    end loop;
    return made;
end
$$;
comment on function webhooks.create_partitions is
    'Makes partitions for today and the given number of days ahead (by default the setting partition_days_ahead), '
    'and returns their number. Partitions are named for their first day (UTC). Those of event_logs and '
    'delivery_attempts cover a day, those of redeliveries and audit_log a month. Rows in a default partition that '
    'belong to a new partition are moved, up to move_rows for each partition; a warning names a partition with more. '
    'Publishers are not blocked for long: next to a large default partition two calls are needed, and while the '
    'default partition holds rows of today, a call makes at most 24 partitions. Call the function until it returns 0.';
