-- Claiming is a plain read: owning the shard is the claim. It walks the subscriptions that have ready rows
-- (a loose index scan) and takes a few rows of each, so no backlog hides another one.

create function webhooks_private.read_problem(event_id uuid)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
-- Plans are cached per session, perhaps since there was one event: only index look-ups are right.
set enable_seqscan = off
as $$
declare
    most constant bigint := 67108864;
    event record;
begin
    select e.* into event from webhooks.event_logs e where e.id = read_problem.event_id limit 1;
    perform octet_length(concat(event.event_type, event.event_category, event.event_name, event.event_version,
                                event.resource_type, event.session_id, event.request_id, event.source_ip));
    -- What is larger is none of this function's business: sum_text_size() tells it.
    if webhooks_private.json_text_size(event.event_data, most) is not null then
        perform octet_length(event.event_data::text);
    end if;
    if webhooks_private.json_text_size(event.resource_data, most) is not null then
        perform octet_length(event.resource_data::text);
    end if;
    return null;
-- Reading a damaged row fails in many ways: damaged pages and TOAST values, values that are none of their type,
-- missing files, a compression that this server lacks, sizes that no memory suffices for. A lock that was not granted
-- in time says nothing about the row.
exception when internal_error or system_error or data_exception or syntax_error_or_access_rule_violation
               or program_limit_exceeded or insufficient_resources or feature_not_supported then
    return format('its data can''t be read (SQLSTATE %s)', sqlstate);
end
$$;
comment on function webhooks_private.read_problem is
    'Why an event can''t be read, if its row is damaged: it reads it as a claim does, by itself. Null if it can. '
    'Part of claim_deliveries().';

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
    walked as (
        select max(l.n) as n from lanes l
    )
    select r.id, r.attempt, l.lane, r.event_log_id, r.expires_at
    from walked w
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
            order by q.shard, q.subscription_id, q.lane, q.id limit greatest(ordered_deliveries.max_rows / w.n, 1)
        ) h
    ) r
    where not r.blocked
    union all
    select null, null, null, null, null
    from walked w
    where w.n >= greatest(ordered_deliveries.max_rows, 256);
end;
comment on function webhooks_private.ordered_deliveries is
    'The first ready deliveries of each lane of a subscription, about max_rows in all; a row of nulls at the end if '
    'there are more lanes than were looked at. Part of claim_deliveries().';

create function webhooks_private.find_deliveries(
    shards smallint[], cursors uuid[], held uuid[], held_ordered uuid[], full_subscriptions uuid[],
    known_subscriptions uuid[], per_subscription integer, newcomers integer, max_rows integer,
    only_subscriptions uuid[], after_ids uuid[],
    out ids uuid[], out are_newcomers boolean[], out their_shards smallint[], out attempts integer[],
    out lanes bigint[], out subscriptions uuid[], out events uuid[], out expiries timestamptz[],
    out versions bigint[], out tenants uuid[]
)
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
    with recursive walk as (
        select o.shard, f.ready, f.ordered, least(f.ready, f.ordered) as subscription_id
        from unnest(find_deliveries.shards, find_deliveries.cursors) as o (shard, after)
        cross join lateral (
            select
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = o.shard and q.next_attempt_at is null and q.lane is null
                   and q.subscription_id > coalesce(o.after, nowhere)
                 order by q.subscription_id limit 1) as ready,
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = o.shard and q.lane is not null and q.subscription_id > coalesce(o.after, nowhere)
                 order by q.subscription_id limit 1) as ordered
            offset 0
        ) f
        where find_deliveries.only_subscriptions is null
        union all
        select w.shard, f.ready, f.ordered, least(f.ready, f.ordered)
        from walk w
        cross join lateral (
            select
                case when w.ready is null or w.ready > w.subscription_id then w.ready else
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = w.shard and q.next_attempt_at is null and q.lane is null
                   and q.subscription_id > w.subscription_id
                 order by q.subscription_id limit 1) end as ready,
                case when w.ordered is null or w.ordered > w.subscription_id then w.ordered else
                (select q.subscription_id from webhooks.delivery_queue q
                 where q.shard = w.shard and q.lane is not null and q.subscription_id > w.subscription_id
                 order by q.subscription_id limit 1) end as ordered
            offset 0
        ) f
        where w.subscription_id is not null
    ),
    -- With thousands of subscriptions waiting the walk takes its time to come round. What was published just now for
    -- one that nothing is under way of need not wait for it.
    newest as materialized (
        select distinct on (n.subscription_id) n.*, s.version, s.tenant_id
        from (
            select q.id, q.shard, q.attempt, q.lane, q.subscription_id, q.event_log_id, q.expires_at
            from webhooks.delivery_queue q
            where q.id > recent
              and q.next_attempt_at is null
              and q.shard = any (find_deliveries.shards)
              and q.subscription_id not in (select k.id from unnest(find_deliveries.known_subscriptions) k (id))
              and q.subscription_id not in (select f.id from unnest(find_deliveries.full_subscriptions) f (id))
              and (q.lane is null or not exists (
                  select from webhooks.delivery_queue b
                  where (b.shard, b.subscription_id, b.lane) >= (q.shard, q.subscription_id, q.lane)
                    and (b.shard, b.subscription_id, b.lane, b.id) < (q.shard, q.subscription_id, q.lane, q.id)
                    and b.lane is not null))
            order by q.id desc limit find_deliveries.newcomers
        ) n
        cross join lateral (
            select v.version, v.tenant_id from webhooks.webhook_subscriptions v
            where v.id = n.subscription_id and v.is_active and v.is_enabled
            limit 1
        ) s
        order by n.subscription_id, n.id
    ),
    looked_at as (
        select w.shard, w.subscription_id, w.ready = w.subscription_id as is_ready,
               w.ordered = w.subscription_id as is_ordered,
               nowhere as after_id
        from walk w
        where w.subscription_id not in (select f.id from unnest(find_deliveries.full_subscriptions) f (id))
        union all
        select webhooks_private.shard_of(o.id), o.id, o.after_id is not null, o.after_id is null,
               least(o.after_id, settled)
        from unnest(find_deliveries.only_subscriptions, find_deliveries.after_ids) o (id, after_id)
    ),
    walked as (
        select r.id, w.shard, r.attempt, r.lane, w.subscription_id, r.event_log_id, r.expires_at, s.version, s.tenant_id
        from looked_at w
        cross join lateral (
            select v.version, v.tenant_id from webhooks.webhook_subscriptions v
            -- Tests are not held.
            where v.id = w.subscription_id
              and (v.is_active and v.is_enabled or w.shard >= webhooks_private.shard_count())
            limit 1
        ) s
        cross join lateral (
            (select q.id, q.attempt, q.lane, q.event_log_id, q.expires_at from webhooks.delivery_queue q
             where w.is_ready
               -- Rows compared, not columns: with those equal the primary key's order by id would do, too, and read
               -- all others' rows.
               and (q.shard, q.subscription_id, q.id) > (w.shard, w.subscription_id, w.after_id)
               and (q.shard, q.subscription_id) <= (w.shard, w.subscription_id)
               and q.next_attempt_at is null and q.lane is null
               -- A hashed sub-plan; an array would be compared one by one.
               and q.id not in (select h.id from unnest(find_deliveries.held) h (id))
             order by q.shard, q.subscription_id, q.id limit find_deliveries.per_subscription)
            union all
            select o.delivery_id, o.attempt, o.lane, o.event_log_id, o.expires_at
            from webhooks_private.ordered_deliveries(
                w.shard, w.subscription_id, find_deliveries.held_ordered, any_lane,
                find_deliveries.per_subscription) o
            where w.is_ordered
        ) r
        limit find_deliveries.max_rows
    ),
    chosen as (
        select n.id, true as is_newcomer, n.shard, n.attempt, n.lane, n.subscription_id, n.event_log_id,
               n.expires_at, n.version, n.tenant_id
        from newest n
        union all
        select w.id, false, w.shard, w.attempt, w.lane, w.subscription_id, w.event_log_id, w.expires_at, w.version,
               w.tenant_id
        from walked w
    )
    select array_agg(c.id), array_agg(c.is_newcomer), array_agg(c.shard), array_agg(c.attempt), array_agg(c.lane),
           array_agg(c.subscription_id), array_agg(c.event_log_id), array_agg(c.expires_at), array_agg(c.version),
           array_agg(c.tenant_id)
    into ids, are_newcomers, their_shards, attempts, lanes, subscriptions, events, expiries, versions, tenants
    from chosen c;
end
$$;
comment on function webhooks_private.find_deliveries is
    'Which deliveries a claim takes, as arrays with an element for each; null: none. The parameters are those of '
    'claim_deliveries().';

create function webhooks_private.claim_deliveries(
    shards smallint[], cursors uuid[], held uuid[], held_ordered uuid[], full_subscriptions uuid[],
    known_subscriptions uuid[], per_subscription integer, newcomers integer, max_rows integer,
    max_bytes bigint default 8388608, only_subscriptions uuid[] default null, after_ids uuid[] default null,
    careful boolean default false
)
returns table (
    delivery_id uuid, is_newcomer boolean, shard smallint, subscription_id uuid, subscription_version bigint,
    attempt integer, lane bigint, expires_in_ms bigint, over_budget boolean, event_id uuid, tenant_id uuid,
    event_type text, event_category text, event_name text, event_version text, created_at_us bigint, event_data text,
    resource_type text, resource_id uuid, user_id uuid, session_id text, request_id text, source_ip text,
    resource_data text, walk_us bigint, objection text
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- One plan for all calls: to plan this costs ten times what a small claim does. The queue is often never analysed, or
-- was when it was empty or one subscription's: only index scans in index order are right, and no other index may give
-- the order.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    chosen record;
    first_event uuid;
    last_event uuid;
    max_age constant interval := make_interval(secs => webhooks_private.setting('max_delivery_age_seconds'));
    began constant timestamptz := clock_timestamp();
    took_us bigint;
begin
    -- An assignment is no query.
    chosen := webhooks_private.find_deliveries(
        claim_deliveries.shards, cursors, held, held_ordered, full_subscriptions, known_subscriptions,
        per_subscription, newcomers, max_rows, only_subscriptions, after_ids);
    if chosen.ids is null then
        return;
    end if;
    took_us := extract(epoch from clock_timestamp() - began) * 1000000;

    -- Known before the statement begins, they keep it from opening every partition there is. A row that only says
    -- that there are more lanes has no event.
    select e.id into first_event from unnest(chosen.events) e (id) where e.id is not null order by e.id limit 1;
    select e.id into last_event from unnest(chosen.events) e (id) where e.id is not null order by e.id desc limit 1;
    return query
    -- What is over the budget is not read, not even to measure it.
    with priced as (
        select c.id, c.is_newcomer, c.shard, c.subscription_id, c.version, c.attempt, c.lane, c.expires_at,
               c.event_log_id, e.tenant_id, e.event_type, e.event_category, e.event_name, e.event_version,
               e.event_data, e.resource_type, e.resource_id, e.resource_data, e.user_id, e.session_id, e.request_id,
               e.source_ip, e.deliver_after,
               coalesce(e.created_at, e.processed_at, 'epoch') as created_at,
               x.damage,
               webhooks_private.sum_text_size(e.event_data, e.resource_data,
                                              claim_deliveries.max_bytes) over (rows unbounded preceding) as bytes,
               row_number() over (rows unbounded preceding) as n
        from unnest(chosen.ids, chosen.are_newcomers, chosen.their_shards, chosen.attempts, chosen.lanes,
                    chosen.subscriptions, chosen.events, chosen.expiries, chosen.versions, chosen.tenants)
            as c (id, is_newcomer, shard, attempt, lane, subscription_id, event_log_id, expires_at, version, tenant_id)
        cross join lateral (
            select case when claim_deliveries.careful then webhooks_private.read_problem(c.event_log_id) end as damage
        ) x
        left join lateral (
            select * from webhooks.event_logs e
            where e.id = c.event_log_id and e.id between first_event and last_event and x.damage is null limit 1
        -- A deleted subscription's id may be another tenant's by now: what was left for the old one is not sent to it.
        ) e on e.tenant_id = c.tenant_id
    ),
    judged as (
        select p.*, p.bytes > claim_deliveries.max_bytes and p.n > 1 as over_budget,
               coalesce(p.damage, case when p.bytes <= 0 and p.tenant_id is not null
                                          then 'its data is larger than 64 MiB as text, or damaged' end) as objection
        from priced p
    )
    select p.id, p.is_newcomer, p.shard, p.subscription_id, p.version, p.attempt, p.lane,
           -- Old is what has waited long, not what was back-dated or meant for later.
           -- Bounded, whatever an UPDATE made of the times: an error here would stop all deliveries.
           (extract(epoch from greatest(least(p.expires_at,
                                              least(greatest(webhooks.uuid_v7_time(p.id), p.deliver_after),
                                                    '9999-12-31') + max_age), 'epoch')
                               - clock_timestamp()) * 1000)::bigint,
           coalesce(p.over_budget, false), p.event_log_id, p.tenant_id, p.event_type::text, p.event_category::text,
           p.event_name::text, p.event_version::text,
           (extract(epoch from least(greatest(p.created_at, 'epoch'), '9999-12-31')) * 1000000)::bigint,
           case when p.over_budget or p.objection is not null then null else p.event_data::text end,
           p.resource_type::text, p.resource_id,
           p.user_id, p.session_id::text, p.request_id::text, abbrev(p.source_ip),
           case when p.over_budget or p.objection is not null then null else p.resource_data::text end, took_us,
           p.objection
    from judged p;
end
$$;
comment on function webhooks_private.claim_deliveries is
    'Ready deliveries of these shards: first one each of the newest of up to so many newcomers (subscriptions '
    'neither known nor full), then up to per_subscription of each subscription after each shard''s cursor, without '
    'those held and without full subscriptions; of lanes, what comes first. With only_subscriptions it does not walk '
    'but looks at these, each after the id in after_ids (null: at its lanes). A row without delivery_id: the '
    'subscription has more lanes than were looked at. Shards from shard_count() on are those of tests, which come '
    'also of subscriptions that are not active and enabled. Beyond max_bytes of event data as text, rows come '
    'without it (over_budget). An event whose data can''t be sent comes without it, and objection says why: it is '
    'larger than 64 MiB as text, or with careful, which is for a claim that has failed, its row is damaged. An event '
    'that is gone, or not of the subscription''s tenant, comes with null columns. walk_us: how long it took to find '
    'these deliveries, in microseconds, without their events.';
grant execute on function webhooks_private.claim_deliveries to webhooks_sidecar;
