-- Outstanding deliveries follow their subscription from push to poll and back. What another transaction queues at the
-- same time, by the routes from before, is seen once that has committed, and moved by maintain().

create function webhooks_private.move_outstanding(subscription_id uuid)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
-- As in claim_deliveries(): whatever the statistics say of the queue.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    subscription webhooks.webhook_subscriptions;
    destination smallint;
    moved bigint;
begin
    select s.* into subscription from webhooks.webhook_subscriptions s where s.id = move_outstanding.subscription_id;
    destination := webhooks_private.queue_shard_of(subscription.id);
    with wanted as materialized (
        select q.id, q.event_log_id
        from webhooks_private.outstanding_deliveries(subscription.id) q
        where q.shard <> destination and q.shard < webhooks_private.shard_count()
    )
    update webhooks.delivery_queue q
    set shard = destination,
        -- A pause before a retry was for the sake of the receiver that was sent to.
        next_attempt_at = case when q.attempt = 0 then q.next_attempt_at end,
        lane = case when subscription.delivery = 'push' and subscription.ordering = 'fifo' then (
            select webhooks_private.lane_of(e.ordering_key) from webhooks.event_logs e
            where e.id = w.event_log_id and e.tenant_id = subscription.tenant_id limit 1) end
    from wanted w
    where q.id = w.id;
    get diagnostics moved = row_count;
    if destination >= 0 then
        delete from webhooks_private.poll_batches b where b.subscription_id = subscription.id;
    end if;
    if moved > 0 and destination >= 0 then
        perform webhooks_private.ring_doorbell(destination);
    end if;
    return moved;
end
$$;
comment on function webhooks_private.move_outstanding is
    'Moves what is outstanding to a subscription to where it belongs: to the shard of its sidecar, or out of reach of '
    'sidecars, for its receiver to fetch. Part of derive_routes() and move_deliveries().';

create function webhooks_private.move_deliveries()
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    moving uuid;
    moved bigint := 0;
begin
    -- Those of subscriptions that were deleted just then are found by remove_orphans() once they are ready.
    perform webhooks_private.promote_due(
        array(select n::smallint from generate_series(-webhooks_private.shard_count(), -1) n));
    for moving in
        select s.id
        from webhooks.webhook_subscriptions s
        where s.delivery = 'poll'
          and exists (
              select from webhooks_private.outstanding_deliveries(s.id) q
              where q.shard between 0 and webhooks_private.shard_count() - 1)
        union all
        -- Those that have something to fetch, and are none that fetch: by jumping from one to the next.
        select p.id
        from (
            with recursive polled as (
                select n::smallint as shard, '00000000-0000-0000-0000-000000000000'::uuid as id
                from generate_series(-webhooks_private.shard_count(), -1) n
                union all
                select p.shard, (
                    select q.subscription_id from webhooks.delivery_queue q
                    where q.shard = p.shard and q.subscription_id > p.id and q.lane is null
                      and q.next_attempt_at is null
                    order by q.subscription_id limit 1)
                from polled p
                where p.id is not null
            )
            select l.id from polled l
        ) p
        join webhooks.webhook_subscriptions s on s.id = p.id and s.delivery = 'push'
    loop
        -- Who changes the subscription just then moves them.
        perform from webhooks.webhook_subscriptions s
        where s.id = moving for no key update skip locked;
        continue when not found;
        moved := moved + webhooks_private.move_outstanding(moving);
    end loop;
    return moved;
end
$$;
comment on function webhooks_private.move_deliveries is
    'Moves deliveries that were queued while their subscription changed from push to poll or back. Part of maintain().';
