create function webhooks.maintain()
returns table (task text, done bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- What somebody has locked is left for the next time.
set lock_timeout = '5s'
as $$
declare
    has_locks boolean := false;
begin
    -- Each task by itself: one that can't be done now must not keep the others from being done. The one that reads much
    -- comes first: it holds no locks that others wait for.
    -- Those that lock tables come last, since their locks are held to the end, and publishers wait for them:
    -- apply_links, which normally finds nothing to do, then create_partitions, and drop_partitions, which makes
    -- everybody wait who uses the table.
    foreach task in array array['roll_up', 'forget_idempotency_keys', 'forget_secrets', 'forget_access_tokens',
                                'forget_subscriptions', 'remove_orphans', 'repair_routes', 'move_deliveries',
                                'expire_deliveries', 'forget_events',
                                'expire_responses', 'apply_links', 'create_partitions', 'drop_partitions'] loop
        begin
            case task
                when 'forget_idempotency_keys' then
                    delete from webhooks_private.idempotency_keys k
                    where k.ctid = any (array(
                        select o.ctid from webhooks_private.idempotency_keys o
                        where o.created_at < now() - make_interval(
                            hours => nullif(webhooks_private.setting('idempotency_retention_hours'), 0)::integer)
                        for update skip locked));
                    get diagnostics done = row_count;
                when 'forget_secrets' then
                    done := webhooks_private.forget_secrets();
                when 'forget_access_tokens' then
                    done := webhooks_private.forget_access_tokens();
                when 'forget_subscriptions' then
                    done := webhooks_private.forget_subscriptions();
                when 'move_deliveries' then
                    done := webhooks_private.move_deliveries();
                when 'remove_orphans' then
                    done := webhooks_private.remove_orphans();
                when 'expire_deliveries' then
                    done := webhooks_private.expire_deliveries();
                when 'roll_up' then
                    done := webhooks_private.roll_up();
                when 'forget_events' then
                    done := webhooks_private.forget_old_rows();
                when 'expire_responses' then
                    done := webhooks_private.expire_responses();
                when 'repair_routes' then
                    done := webhooks_private.repair_routes();
                when 'apply_links' then
                    done := webhooks_private.apply_links();
                    has_locks := done > 0;
                when 'create_partitions' then
                    done := webhooks.create_partitions();
                    has_locks := has_locks or done > 0;
                when 'drop_partitions' then
                    -- One lock after the other, not while others wait for what was locked above.
                    done := case when has_locks then 0 else webhooks_private.drop_old_partition() end;
            end case;
            perform webhooks_private.note_maintenance(task, null);
            return next;
        -- Any failure, here alone: triggers that the application added raise conditions of their own, which no list
        -- names, and no task may keep the others from being done. A cancelled statement ends all tasks: "others" does
        -- not include it.
        exception when others then
            raise warning 'maintenance task % failed: %', task, sqlerrm using errcode = sqlstate;
            perform webhooks_private.note_maintenance(task, sqlerrm);
        end;
    end loop;
    done := webhooks_private.prepared_tables();
    if done > 0 then
        task := 'prepare_partitions';
        return next;
    end if;
    select count(*) into done from webhooks.overdue_partitions() o where o.held_by is null;
    if done > 0 then
        task := 'overdue_partitions';
        return next;
    end if;
end
$$;
comment on function webhooks.maintain is
    'Runs the regular maintenance: partitions, what is older than the settings for retention, old idempotency keys, '
    'secrets and sessions, subscriptions that have expired, deliveries that have expired, have no subscription or lie '
    'where they were before a change of delivery, numbers of each hour for reports, and routes and foreign keys after a '
    'restore. A sidecar calls it every five minutes, and it may be called at any time. One call drops one partition at '
    'the most. The row prepare_partitions says that partitions next to a large default '
    'partition are half made, the row overdue_partitions how many are still to be dropped; then call the function '
    'again at once, in a transaction of its own.';
grant execute on function webhooks.maintain to webhooks_sidecar;
