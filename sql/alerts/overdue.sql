-- The oldest delivery that is due and not made, without reading the queue: of each subscription that has deliveries
-- which are ready the first one, found by jumping from one subscription to the next in the indexes of the queue, up to
-- 1,000 in each shard. queue_status() reads all of it.

create function webhooks_private.first_deliveries(max_per_shard integer)
returns setof webhooks.delivery_queue
language sql stable
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
begin atomic
    with recursive
    shards (shard) as (
        select n::smallint from generate_series(0, webhooks_private.shard_count() - 1) n
    ),
    ready (shard, subscription_id, n) as (
        select s.shard, f.subscription_id, 1
        from shards s
        cross join lateral (
            select q.subscription_id from webhooks.delivery_queue q
            where q.shard = s.shard and q.next_attempt_at is null and q.lane is null
            order by q.subscription_id limit 1
        ) f
        union all
        select r.shard, f.subscription_id, r.n + 1
        from ready r
        cross join lateral (
            select q.subscription_id from webhooks.delivery_queue q
            where q.shard = r.shard and q.subscription_id > r.subscription_id and q.next_attempt_at is null
              and q.lane is null
            order by q.subscription_id limit 1
        ) f
        where r.n < max_per_shard
    ),
    ordered (shard, subscription_id, n) as (
        select s.shard, f.subscription_id, 1
        from shards s
        cross join lateral (
            select q.subscription_id from webhooks.delivery_queue q
            where q.shard = s.shard and q.lane is not null
            order by q.subscription_id limit 1
        ) f
        union all
        select o.shard, f.subscription_id, o.n + 1
        from ordered o
        cross join lateral (
            select q.subscription_id from webhooks.delivery_queue q
            where q.shard = o.shard and q.subscription_id > o.subscription_id and q.lane is not null
            order by q.subscription_id limit 1
        ) f
        where o.n < max_per_shard
    )
    select f.*
    from ready r
    cross join lateral (
        select * from webhooks.delivery_queue q
        where q.shard = r.shard and q.subscription_id = r.subscription_id and q.next_attempt_at is null
          and q.lane is null
        order by q.id limit 1
    ) f
    union all
    -- The heads of lanes, of the first ones.
    select h.id, h.subscription_id, h.event_log_id, h.tenant_id, h.shard, h.attempt, h.next_attempt_at, h.expires_at,
           h.lane
    from ordered o
    cross join lateral (
        select l.*, row_number() over (partition by l.lane order by l.id) as place
        from (
            select * from webhooks.delivery_queue q
            where q.shard = o.shard and q.subscription_id = o.subscription_id and q.lane is not null
            order by q.lane, q.id limit 20
        ) l
    ) h
    where h.place = 1 and h.next_attempt_at <= now() is not false
    union all
    -- Due retries that nobody has made ready: first of all those of a shard without an owner.
    select f.*
    from shards s
    cross join lateral (
        select * from webhooks.delivery_queue q
        where q.shard = s.shard and q.next_attempt_at < now() and q.lane is null
        order by q.next_attempt_at limit 100
    ) f;
end;
comment on function webhooks_private.first_deliveries is
    'Of each subscription with deliveries that may be attempted now the first ones, of up to so many subscriptions in '
    'each shard. Part of overdue_delivery().';

create function webhooks_private.overdue_delivery(since timestamptz, without_tenant uuid)
returns table (delivery_id uuid, subscription_id uuid, shard smallint, due_at timestamptz)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
    candidates webhooks.delivery_queue[];
    held_ids uuid[];
begin
    -- What was queued later can't have been due before.
    candidates := array(
        select q::webhooks.delivery_queue from webhooks_private.first_deliveries(1000) q
        where q.id < webhooks.uuid_v7_floor(overdue_delivery.since)
          and (q.next_attempt_at < overdue_delivery.since) is not false
          and q.tenant_id is distinct from overdue_delivery.without_tenant);
    if candidates = '{}' then
        return;
    end if;
    held_ids := array(select h.subscription_id from webhooks_private.held_subscriptions() h);
    return query
    select c.id, c.subscription_id, c.shard, d.due_at
    from unnest(candidates) c
    join webhooks.webhook_subscriptions s on s.id = c.subscription_id
    left join webhooks_private.subscription_verifications v on v.subscription_id = s.id
    cross join lateral (
        select webhooks_private.due_since(c.id, c.event_log_id, c.attempt, c.next_attempt_at) as due_at
    ) d
    where c.subscription_id <> all (held_ids) and d.due_at < overdue_delivery.since
      -- One that wants only so many a second has its backlog by its own will.
      and s.rate_limit_per_second is null and v.allowed_rate_per_minute is null
    order by d.due_at
    limit 1;
end
$$;
comment on function webhooks_private.overdue_delivery is
    'The delivery that has been due for longest by its schedule, if that is since before a time and nothing holds it '
    'back: neither its subscription nor a rate limit. A bounded look, not a scan: see first_deliveries(). Part of '
    'evaluate_alerts().';
