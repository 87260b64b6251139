create function webhooks_private.remove_orphans()
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
    with recursive waiting as (
        (select q.shard, q.subscription_id, false as ordered from webhooks.delivery_queue q
         where q.next_attempt_at is null and q.lane is null order by q.shard, q.subscription_id limit 1)
        union all
        (select q.shard, q.subscription_id, true from webhooks.delivery_queue q
         where q.lane is not null order by q.shard, q.subscription_id limit 1)
        union all
        select f.shard, f.subscription_id, w.ordered
        from waiting w
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
        select w.shard, w.subscription_id, w.ordered from waiting w
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
    delete from webhooks_private.subscription_breakers b
    where b.subscription_id = any (array(
        select o.subscription_id from webhooks_private.subscription_breakers o
        where (select webhooks.is_adopted())
          and not exists (select from webhooks.webhook_subscriptions s where s.id = o.subscription_id)
        for update of o skip locked));
    delete from webhooks_private.subscription_verifications v
    where v.subscription_id = any (array(
        select o.subscription_id from webhooks_private.subscription_verifications o
        where (select webhooks.is_adopted())
          and not exists (select from webhooks.webhook_subscriptions s where s.id = o.subscription_id)
        for update of o skip locked));
    return removed;
end
$$;
comment on function webhooks_private.remove_orphans is
    'Removes deliveries whose subscription is gone: a publisher may have matched it while it was being deleted. Not '
    'in a copy of a database that is not adopted.';
