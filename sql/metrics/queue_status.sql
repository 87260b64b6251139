create function webhooks_private.shard_queues()
returns table (
    shard smallint, owner text, owner_pid integer, ready bigint, scheduled bigint, held bigint,
    oldest_due_at timestamptz
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
    held_ids uuid[];
begin
    held_ids := array(select h.subscription_id from webhooks_private.held_subscriptions() h);
    return query
    with deliveries as materialized (
        -- A subscription's tests are in a shard of their own, which the owner of its shard delivers, even while it is
        -- disabled. So is what its receiver fetches.
        select q.id, q.event_log_id, q.attempt, q.next_attempt_at,
               mod(q.shard + webhooks_private.shard_count(), webhooks_private.shard_count())::smallint as shard,
               case
                   when q.shard < webhooks_private.shard_count() and h.id is not null then 'held'
                   when q.next_attempt_at > now() then 'scheduled'
                   -- Behind a delivery of its lane that waits for its time.
                   when q.lane is not null
                        and first_value(q.next_attempt_at) over (
                            partition by q.subscription_id, q.lane order by q.lane, q.id) > now() then 'held'
                   else 'ready'
               end as state
        from webhooks.delivery_queue q
        left join unnest(held_ids) h (id) on h.id = q.subscription_id
    ),
    counts as (
        select d.shard, count(*) filter (where d.state = 'ready') as ready,
               count(*) filter (where d.state = 'scheduled') as scheduled,
               count(*) filter (where d.state = 'held') as held
        from deliveries d
        group by d.shard
    ),
    -- What has been due for longest is among those that have waited for longest, unless all of these were put off.
    oldest as (
        select o.shard, min(webhooks_private.due_since(o.id, o.event_log_id, o.attempt, o.next_attempt_at)) as due_at
        from (
            select d.*, row_number() over (partition by d.shard order by coalesce(
                       d.next_attempt_at, webhooks.uuid_v7_time(d.id))) as n
            from deliveries d
            where d.state = 'ready'
        ) o
        where o.n <= 20
        group by o.shard
    )
    select n.shard::smallint, l.application_name, l.pid, coalesce(c.ready, 0), coalesce(c.scheduled, 0),
           coalesce(c.held, 0), o.due_at
    from generate_series(0, webhooks_private.shard_count() - 1) n (shard)
    left join webhooks_private.lock_holders(webhooks_private.shard_lock()) l on l.key = n.shard
    left join counts c on c.shard = n.shard
    left join oldest o on o.shard = n.shard
    order by n.shard;
end
$$;
comment on function webhooks_private.shard_queues is
    'The rows of queue_status(), for functions that have checked the caller.';

create function webhooks.queue_status()
returns table (
    shard smallint, owner text, owner_pid integer, ready bigint, scheduled bigint, held bigint,
    oldest_due_at timestamptz
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform webhooks_private.check_monitors_all();
    return query select * from webhooks_private.shard_queues();
end
$$;
comment on function webhooks.queue_status is
    'Returns for each shard which session delivers it (null: none does) and how many deliveries are outstanding. '
    'ready: may be attempted now. scheduled: wait for a retry or for deliver_after. held: something holds their '
    'subscription back (it is disabled, inactive or not verified, its circuit breaker is open, or its receiver asked '
    'for a pause), they wait for a receiver that '
    'polls, or they are behind a scheduled delivery of their lane. oldest_due_at is the time since which the '
    'ready delivery that has been due for longest has been due, by its schedule. The function reads the whole queue.';
grant execute on function webhooks.queue_status to webhooks_monitor;
