create function webhooks.remove_orphans()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
-- As in claim_deliveries(): a look-up for each subscription, whatever the statistics say of the queue.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
as $$
declare
    removed bigint;
begin
    with recursive walk as (
        (select q.shard, q.subscription_id, false as ordered from webhooks.delivery_queue q
         where q.next_attempt_at is null and q.lane is null order by q.shard, q.subscription_id limit 1)
        union all
        (select q.shard, q.subscription_id, true from webhooks.delivery_queue q
         where q.lane is not null order by q.shard, q.subscription_id limit 1)
        union all
        select f.shard, f.subscription_id, w.ordered
        from walk w
        cross join lateral (
            (select q.shard, q.subscription_id from webhooks.delivery_queue q
             where not w.ordered and q.next_attempt_at is null and q.lane is null
               and (q.shard, q.subscription_id) > (w.shard, w.subscription_id)
             order by q.shard, q.subscription_id limit 1)
            union all
            (select q.shard, q.subscription_id from webhooks.delivery_queue q
             where w.ordered and q.lane is not null and (q.shard, q.subscription_id) > (w.shard, w.subscription_id)
             order by q.shard, q.subscription_id limit 1)
        ) f
    ),
    gone as materialized (
        select w.shard, w.subscription_id, w.ordered from walk w
        -- Of a dump that is being restored, the deliveries may be there before the subscriptions.
        where (select webhooks.is_adopted())
          and not exists (select from webhooks.webhook_subscriptions s where s.id = w.subscription_id)
    )
    -- An array: joined, the whole queue might be read instead of looked up.
    delete from webhooks.delivery_queue q
    where q.id = any (array(
        select d.id
        from gone g
        cross join lateral (
            (select q.id from webhooks.delivery_queue q
             where not g.ordered and q.next_attempt_at is null and q.lane is null
               and q.shard = g.shard and q.subscription_id = g.subscription_id
             order by q.id limit 10000)
            union all
            (select q.id from webhooks.delivery_queue q
             where g.ordered and q.lane is not null and q.shard = g.shard and q.subscription_id = g.subscription_id
             order by q.lane, q.id limit 10000)
        ) d
        -- What somebody has locked is left for the next time.
        cross join lateral (select k.id from webhooks.delivery_queue k where k.id = d.id for update skip locked) k
    ));
    get diagnostics removed = row_count;
    delete from webhooks.subscription_breakers b
    where b.subscription_id = any (array(
        select o.subscription_id from webhooks.subscription_breakers o
        where (select webhooks.is_adopted())
          and not exists (select from webhooks.webhook_subscriptions s where s.id = o.subscription_id)
        for update of o skip locked));
    delete from webhooks.subscription_verifications v
    where v.subscription_id = any (array(
        select o.subscription_id from webhooks.subscription_verifications o
        where (select webhooks.is_adopted())
          and not exists (select from webhooks.webhook_subscriptions s where s.id = o.subscription_id)
        for update of o skip locked));
    return removed;
end
$$;
comment on function webhooks.remove_orphans() is
    'Removes deliveries whose subscription is gone: a publisher may have matched it while it was being deleted. Not in a copy of a database that is not adopted.';

create function webhooks.maintain()
returns table (task text, done bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
-- What somebody has locked is left for the next time.
set lock_timeout = '5s'
as $$
begin
    -- Each task by itself: one that can't be done now must not keep the others from being done.
    -- Those that lock tables come last, since their locks are held to the end, and publishers wait for them:
    -- apply_links, which normally finds nothing to do, and then create_partitions.
    foreach task in array array['forget_idempotency_keys', 'forget_secrets', 'remove_orphans', 'repair_routes', 'expire_deliveries', 'apply_links', 'create_partitions'] loop
        begin
            case task
                when 'forget_idempotency_keys' then
                    delete from webhooks.idempotency_keys k
                    where k.ctid = any (array(
                        select o.ctid from webhooks.idempotency_keys o
                        where o.created_at < now() - make_interval(hours => webhooks.setting('idempotency_retention_hours')::integer)
                        for update skip locked));
                    get diagnostics done = row_count;
                when 'forget_secrets' then
                    done := webhooks.forget_secrets();
                when 'remove_orphans' then
                    done := webhooks.remove_orphans();
                when 'expire_deliveries' then
                    done := webhooks.expire_deliveries();
                when 'repair_routes' then
                    done := webhooks.repair_routes();
                when 'apply_links' then
                    done := webhooks.apply_links();
                when 'create_partitions' then
                    done := webhooks.create_partitions();
            end case;
            return next;
        exception when others then
            raise warning 'maintenance task % failed: %', task, sqlerrm using errcode = sqlstate;
        end;
    end loop;
    done := webhooks.prepared_tables();
    if done > 0 then
        task := 'prepare_partitions';
        return next;
    end if;
end
$$;
comment on function webhooks.maintain() is
    'Regular upkeep: partitions, old idempotency keys, deliveries to nobody or too late, routes of subscriptions and foreign keys after a restore. A sidecar calls it every few minutes; harmless to call at any time. A row prepare_partitions says that partitions beside a large default partition are half made: call it again at once.';
