-- Finding ready deliveries: a scan of the subscriptions that have some (a loose index scan) and a few rows of each, so
-- no backlog hides another one.

create type webhooks_private.claim_request as (
    shards smallint[], cursors uuid[], held uuid[], held_ordered uuid[], full_subscriptions uuid[],
    known_subscriptions uuid[], only_subscriptions uuid[], after_ids uuid[], per_subscription integer,
    max_fresh integer, max_rows integer, max_bytes bigint, is_careful boolean
);
comment on type webhooks_private.claim_request is
    'What claim_deliveries() is to claim. Of these shards: first one delivery each of the newest of up to max_fresh '
    'subscriptions that are neither known nor full (fresh deliveries), then up to per_subscription of each '
    'subscription after each shard''s cursor (null: from the beginning), up to max_rows; none of those held (in any '
    'order) and held_ordered (in lanes), and none of full subscriptions. With only_subscriptions no scan: of each of '
    'these, what comes after its id in after_ids (null: the first of its lanes). Events beyond max_bytes of data as '
    'text come without it. is_careful: after a claim that has failed, looks for damaged rows.';

create type webhooks_private.found_delivery as (
    id uuid, is_fresh boolean, shard smallint, attempt integer, lane bigint, subscription_id uuid,
    event_log_id uuid, expires_at timestamptz, version bigint, tenant_id uuid
);
comment on type webhooks_private.found_delivery is
    'A delivery that a claim takes, with the version and the tenant of its subscription. Without id: the subscription '
    'has more lanes than were looked at. Part of claim_deliveries().';

create function webhooks_private.ordered_deliveries(
    shard smallint, subscription_id uuid, held uuid[], from_lane bigint, max_rows integer
)
returns table (delivery_id uuid, attempt integer, lane bigint, event_log_id uuid, expires_at timestamptz)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    -- A loose index scan over the lanes, round once from from_lane: wherever it begins, blocked lanes can't hide the
    -- rest. Each with its first row: while dead rows can't be removed, those before it are gone over once.
    with recursive lanes as (
        select f.lane, f.id, 1 as n
        from (
            (select q.lane, q.id from webhooks.delivery_queue q
             where q.shard = ordered_deliveries.shard and q.subscription_id = ordered_deliveries.subscription_id
               and q.lane >= ordered_deliveries.from_lane order by q.lane, q.id limit 1)
            union all
            (select q.lane, q.id from webhooks.delivery_queue q
             where q.shard = ordered_deliveries.shard and q.subscription_id = ordered_deliveries.subscription_id
               and q.lane < ordered_deliveries.from_lane order by q.lane, q.id limit 1)
            limit 1
        ) f
        union all
        select f.lane, f.id, l.n + 1
        from lanes l
        cross join lateral (
            -- Up to the end, and then from the beginning up to from_lane. (Of an Append the first row comes first.)
            (select q.lane, q.id from webhooks.delivery_queue q
             where q.shard = ordered_deliveries.shard and q.subscription_id = ordered_deliveries.subscription_id
               and q.lane > l.lane
               -- (Never below the least bigint, also when it is folded though no lane is below from_lane.)
               and q.lane <= case when l.lane < ordered_deliveries.from_lane
                   then greatest(ordered_deliveries.from_lane, -9223372036854775807) - 1
                                  else 9223372036854775807 end
             order by q.lane, q.id limit 1)
            union all
            (select q.lane, q.id from webhooks.delivery_queue q
             where q.shard = ordered_deliveries.shard and q.subscription_id = ordered_deliveries.subscription_id
               and q.lane < case when l.lane >= ordered_deliveries.from_lane then ordered_deliveries.from_lane end
             order by q.lane, q.id limit 1)
            limit 1
        ) f
        where l.n < greatest(ordered_deliveries.max_rows, 256)
    ),
    scanned as (
        select max(l.n) as n from lanes l
    )
    select r.id, r.attempt, l.lane, r.event_log_id, r.expires_at
    from scanned s
    cross join lanes l
    cross join lateral (
        -- What waits for its retry or is under way blocks what is behind it.
        select h.*, bool_or(h.next_attempt_at is not null
                            or h.id in (select u.id from unnest(ordered_deliveries.held) u (id)))
                    over (order by h.id) as blocked
        from (
            select q.id, q.attempt, q.event_log_id, q.expires_at, q.next_attempt_at
            from webhooks.delivery_queue q
            -- Rows compared, not columns: see claim_deliveries().
            where (q.shard, q.subscription_id, q.lane, q.id) >= (ordered_deliveries.shard,
                                                                 ordered_deliveries.subscription_id, l.lane, l.id)
              and (q.shard, q.subscription_id, q.lane) <= (ordered_deliveries.shard,
                                                           ordered_deliveries.subscription_id, l.lane)
              and q.lane is not null
              -- What is meant for later takes its place when its time has come.
              and (q.next_attempt_at is null or q.attempt > 0)
            order by q.shard, q.subscription_id, q.lane, q.id limit greatest(ordered_deliveries.max_rows / s.n, 1)
        ) h
    ) r
    where not r.blocked
    union all
    select null, null, null, null, null
    from scanned s
    where s.n >= greatest(ordered_deliveries.max_rows, 256);
end;
comment on function webhooks_private.ordered_deliveries is
    'The first ready deliveries of each lane of a subscription, about max_rows in all; a row of nulls at the end if '
    'there are more lanes than were looked at. Part of claim_deliveries().';

-- The next two have no SET clause: so they are inlined into the query of find_deliveries().

create function webhooks_private.waiting_subscriptions(shards smallint[], cursors uuid[])
returns table (shard smallint, ready uuid, ordered uuid, subscription_id uuid)
language sql stable
begin atomic
    with recursive scan as (
        select o.shard, f.ready, f.ordered, least(f.ready, f.ordered) as subscription_id
        from unnest(waiting_subscriptions.shards, waiting_subscriptions.cursors) as o (shard, after)
        cross join lateral (
            select
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = o.shard and q.next_attempt_at is null and q.lane is null
                   and q.subscription_id > coalesce(o.after, '00000000-0000-0000-0000-000000000000')
                 order by q.subscription_id limit 1) as ready,
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = o.shard and q.lane is not null
                   and q.subscription_id > coalesce(o.after, '00000000-0000-0000-0000-000000000000')
                 order by q.subscription_id limit 1) as ordered
            offset 0
        ) f
        union all
        select s.shard, f.ready, f.ordered, least(f.ready, f.ordered)
        from scan s
        cross join lateral (
            select
                case when s.ready is null or s.ready > s.subscription_id then s.ready else
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = s.shard and q.next_attempt_at is null and q.lane is null
                   and q.subscription_id > s.subscription_id
                 order by q.subscription_id limit 1) end as ready,
                case when s.ordered is null or s.ordered > s.subscription_id then s.ordered else
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = s.shard and q.lane is not null and q.subscription_id > s.subscription_id
                 order by q.subscription_id limit 1) end as ordered
            offset 0
        ) f
        where s.subscription_id is not null
    )
    select s.shard, s.ready, s.ordered, s.subscription_id from scan s;
end;
comment on function webhooks_private.waiting_subscriptions is
    'The subscriptions of these shards that have ready deliveries, each shard''s after its cursor: the next that has '
    'some in any order (ready), the next that has some in lanes (ordered), and the first of both. Null at the end. '
    'Part of find_deliveries().';

create function webhooks_private.fresh_deliveries(request webhooks_private.claim_request, since uuid)
returns setof webhooks_private.found_delivery
language sql stable
begin atomic
    select distinct on (n.subscription_id)
           n.id, true, n.shard, n.attempt, n.lane, n.subscription_id, n.event_log_id, n.expires_at, s.version,
           s.tenant_id
    from (
        select q.id, q.shard, q.attempt, q.lane, q.subscription_id, q.event_log_id, q.expires_at
        from webhooks.delivery_queue q
        where q.id > fresh_deliveries.since
          and q.next_attempt_at is null
          and q.shard = any ((fresh_deliveries.request).shards)
          and q.subscription_id not in (
              select k.id from unnest((fresh_deliveries.request).known_subscriptions) k (id))
          and q.subscription_id not in (
              select f.id from unnest((fresh_deliveries.request).full_subscriptions) f (id))
          and (q.lane is null or not exists (
              select from webhooks.delivery_queue b
              where (b.shard, b.subscription_id, b.lane) >= (q.shard, q.subscription_id, q.lane)
                and (b.shard, b.subscription_id, b.lane, b.id) < (q.shard, q.subscription_id, q.lane, q.id)
                and b.lane is not null))
        order by q.id desc limit (fresh_deliveries.request).max_fresh
    ) n
    cross join lateral (
        select v.version, v.tenant_id from webhooks.webhook_subscriptions v
        where v.id = n.subscription_id and v.is_active and v.is_enabled and v.delivery = 'push'
        limit 1
    ) s
    order by n.subscription_id, n.id;
end;
comment on function webhooks_private.fresh_deliveries is
    'The fresh deliveries of a claim: what was published after an id for subscriptions that nothing is under way of. '
    'Part of find_deliveries().';

create function webhooks_private.find_deliveries(request webhooks_private.claim_request)
returns webhooks_private.found_delivery[]
-- Planned and run with the settings of claim_deliveries(), which calls it.
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    recent constant uuid := webhooks.uuid_v7_floor(clock_timestamp() - interval '0.5 s');
    nowhere constant uuid := '00000000-0000-0000-0000-000000000000';
    -- What was committed a little later than its id says is still looked at.
    settled constant uuid := webhooks.uuid_v7_floor(clock_timestamp() - interval '0.1 s');
    any_lane constant bigint := ('x' || encode(uuid_send(gen_random_uuid()), 'hex'))::bit(64)::bigint;
begin
    return (
        -- With thousands of subscriptions waiting the scan takes its time to come round. What was published just now
        -- for one that nothing is under way of need not wait for it.
        with fresh as materialized (
            select * from webhooks_private.fresh_deliveries(request, recent)
        ),
        looked_at as (
            select w.shard, w.subscription_id, w.ready = w.subscription_id as is_ready,
                   w.ordered = w.subscription_id as is_ordered,
                   nowhere as after_id
            from webhooks_private.waiting_subscriptions(request.shards, request.cursors) w
            where request.only_subscriptions is null
              and w.subscription_id not in (select f.id from unnest(request.full_subscriptions) f (id))
            union all
            select webhooks_private.shard_of(o.id), o.id, o.after_id is not null, o.after_id is null,
                   least(o.after_id, settled)
            from unnest(request.only_subscriptions, request.after_ids) o (id, after_id)
        ),
        scanned as (
            select r.id, false as is_fresh, w.shard, r.attempt, r.lane, w.subscription_id, r.event_log_id,
                   r.expires_at, s.version, s.tenant_id
            from looked_at w
            cross join lateral (
                select v.version, v.tenant_id from webhooks.webhook_subscriptions v
                -- Tests are not held. What was queued while its subscription became one that is polled waits for
                -- move_deliveries().
                where v.id = w.subscription_id
                  and (v.is_active and v.is_enabled and v.delivery = 'push'
                       or w.shard >= webhooks_private.shard_count())
                limit 1
            ) s
            cross join lateral (
                (select q.id, q.attempt, q.lane, q.event_log_id, q.expires_at from webhooks.delivery_queue q
                 where w.is_ready
                   -- Rows compared, not columns: with those equal the primary key's order by id would do, too, and
                   -- read all others' rows.
                   and (q.shard, q.subscription_id, q.id) > (w.shard, w.subscription_id, w.after_id)
                   and (q.shard, q.subscription_id) <= (w.shard, w.subscription_id)
                   and q.next_attempt_at is null and q.lane is null
                   -- A hashed sub-plan; an array would be compared one by one.
                   and q.id not in (select h.id from unnest(request.held) h (id))
                 order by q.shard, q.subscription_id, q.id limit request.per_subscription)
                union all
                select o.delivery_id, o.attempt, o.lane, o.event_log_id, o.expires_at
                from webhooks_private.ordered_deliveries(
                    w.shard, w.subscription_id, request.held_ordered, any_lane, request.per_subscription) o
                where w.is_ordered
            ) r
            limit request.max_rows
        )
        select array_agg(c::webhooks_private.found_delivery)
        from (select * from fresh union all select * from scanned) c
    );
end
$$;
comment on function webhooks_private.find_deliveries is 'Which deliveries a claim takes; null: none.';
