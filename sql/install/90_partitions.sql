create function webhooks.uuid_v7_floor(at timestamptz)
returns uuid
language sql immutable strict parallel safe
return (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid;
comment on function webhooks.uuid_v7_floor(timestamptz) is 'The lowest UUIDv7 of that millisecond. Ids tell when something was made: id >= uuid_v7_floor(now() - interval ''1 hour'') finds what is newer, and opens the partitions of that time alone.';

create function webhooks.create_partitions(days_ahead integer default null)
returns integer
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- ATTACH locks the default partition; rather try again later than queue behind a long transaction with publishers behind us.
-- And sooner than deadlock_timeout: who writes to two of these tables may hold one lock and wait for the other.
set lock_timeout = '900ms'
as $$
declare
    days constant bigint := coalesce(days_ahead, webhooks.setting('partition_days_ahead'));
    today constant date := (now() at time zone 'UTC')::date;
    parent text;
    key text;
    span text;
    first_day date;
    next_day date;
    lower_bound uuid;
    upper_bound uuid;
    holds_rows boolean;
    partition_name text;
    made integer := 0;
begin
    if days not between 1 and 366 then
        raise exception 'days_ahead is %, not between 1 and 366', days
            using errcode = 'invalid_parameter_value', hint = 'Call webhooks.create_partitions() for the setting partition_days_ahead.';
    end if;
    perform webhooks.lock_xact(webhooks.change_lock(), 0);
    for parent, key, span in values
        ('event_logs', 'id', 'day'), ('delivery_attempts', 'delivery_id', 'day'),
        -- Few rows, kept for years: by the day they would be thousands of tables.
        ('redeliveries', 'delivery_id', 'month'), ('audit_log', 'id', 'month')
    loop
        for offset_days in 0 .. days loop
            first_day := date_trunc(span, (today + offset_days::integer)::timestamp);
            next_day := first_day + ('1 ' || span)::interval;
            partition_name := parent || '_' || to_char(first_day, 'YYYYMMDD');
            continue when to_regclass('webhooks.' || partition_name) is not null;
            if first_day <= today then
                -- Rows of today may be under way to the default partition, which refuses them once it is narrowed:
                -- let their transactions end first, and new ones wait at the parent until the new partition is there.
                begin
                    execute format('lock table webhooks.%I in share row exclusive mode', parent);
                exception when lock_not_available then
                    -- The other days of this month would be the same partition again.
                    exit when span = 'month';
                    continue;
                end;
            end if;
            lower_bound := webhooks.uuid_v7_floor(first_day::timestamp at time zone 'UTC');
            upper_bound := webhooks.uuid_v7_floor(next_day::timestamp at time zone 'UTC');
            -- Rows of that time already in the default partition stay there: it gets no partition.
            execute format('select exists (select from webhooks.%I where %I >= %L and %2$I < %4$L)',
                           parent || '_default', key, lower_bound, upper_bound) into holds_rows;
            continue when holds_rows;
            begin
                execute format('create table webhooks.%I (like webhooks.%I including all)', partition_name, parent || '_template');
                -- Read through the parent it is the parent's policies that count; read by itself, with a grant by mistake: nothing.
                execute format('alter table webhooks.%I enable row level security', partition_name);
                execute format('alter table webhooks.%I attach partition webhooks.%I for values from (%L) to (%L)',
                               parent, partition_name, lower_bound, upper_bound);
            exception when lock_not_available then
                -- Who reads these for long must not keep the others from being made. There are days to try again.
                exit when span = 'month';
                raise;
            end;
            if parent = 'audit_log' then
                execute format('create trigger append_only before update or delete or truncate on webhooks.%I
                                for each statement execute function webhooks.refuse_change()', partition_name);
            end if;
            made := made + 1;
        end loop;
    end loop;
    return made;
end
$$;
comment on function webhooks.create_partitions(integer) is
    'Makes the partitions from today to so many days ahead (default: setting partition_days_ahead), named for their first day (UTC): by the day of event_logs and delivery_attempts, by the month of redeliveries and audit_log. Returns how many it made.';

