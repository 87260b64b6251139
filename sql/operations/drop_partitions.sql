-- Dropping a partition locks its table, and the default partition, against everybody, if only for milliseconds: with a
-- default partition there is no DETACH CONCURRENTLY, and no function could call it. While the lock is waited for, say
-- behind a long query, publishers queue up. So it is not waited for long; the next call tries again. And one
-- transaction drops one partition: of hundreds the locks would not fit in the server's table of locks.

create function webhooks_private.drop_partition(parent text, partition text)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- With the time of the drop itself and the commit, publishers wait less than 100 ms. Sooner than deadlock_timeout, too.
set lock_timeout = '40ms'
as $$
declare
    ids constant record := webhooks_private.partition_range(parent, partition);
begin
    perform webhooks_private.lock_xact(webhooks_private.change_lock(), 0);
    -- Readers go on, but nobody is inserting an event, or having one delivered again (redeliver() locks it): what holds
    -- the partition can be seen.
    execute format('lock table only webhooks_private.%I in exclusive mode nowait', partition);
    if webhooks_private.holding_delivery(parent, ids.lower_id, ids.upper_id) is not null then
        return false;
    end if;
    -- From here on the others wait. The table comes first, as it does for them.
    execute format('lock table only webhooks.%I in access exclusive mode', parent);
    execute format('lock table only webhooks_private.%I, only webhooks_private.%I in access exclusive mode nowait',
                   parent || '_default', partition);
    execute format('drop table webhooks_private.%I', partition);
    -- Not for a standby as well.
    if current_setting('synchronous_commit') not in ('off', 'local') then
        perform set_config('synchronous_commit', 'local', true);
    end if;
    return true;
end
$$;
comment on function webhooks_private.drop_partition is
    'Drops a partition unless an outstanding delivery needs it, or returns false. An error if the locks can''t be had '
    'at once or nearly so. Commit right after it.';

create function webhooks_private.drop_old_partition()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    old record;
    busy text[] := '{}';
begin
    for old in select o.relation, o.partition from webhooks.overdue_partitions() o where o.held_by is null loop
        -- Its table is in use: no use in trying another one.
        continue when old.relation = any (busy);
        begin
            if webhooks_private.drop_partition(old.relation, old.partition) then
                return 1;
            end if;
        exception when lock_not_available or deadlock_detected then
            busy := busy || old.relation;
            raise notice 'partition % can''t be dropped now: %', old.partition, sqlerrm
                using errcode = sqlstate,
                      hint = 'maintain() tries again. If this goes on, see pg_stat_activity for long transactions that '
                             'use the table.';
        end;
    end loop;
    return 0;
end
$$;
comment on function webhooks_private.drop_old_partition is
    'Drops the oldest partition that is older than the settings for retention and can be had; returns how many, 0 or '
    '1. Part of maintain().';
