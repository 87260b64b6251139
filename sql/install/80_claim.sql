-- Claiming is a plain read: owning the shard is the claim. It walks the subscriptions that have ready rows
-- (a loose index scan) and takes a few rows of each, so no backlog hides another one.

create function webhooks.uuid_v7_time(id uuid)
returns timestamptz
language sql immutable strict parallel safe
-- Of immutable parts only, or it would not be inlined: called for each row it costs more than the whole claim.
return to_timestamp(('x' || substr(replace(id::text, '-', ''), 1, 12))::bit(48)::bigint / 1000.0::double precision);
comment on function webhooks.uuid_v7_time(uuid) is 'When a UUIDv7 was made.';

create function webhooks.claim_deliveries(
    shards smallint[], cursors uuid[], held uuid[], full_subscriptions uuid[], per_subscription integer, max_rows integer,
    max_bytes bigint default 8388608
)
returns table (
    delivery_id uuid, shard smallint, subscription_id uuid, subscription_version bigint, attempt integer,
    expires_in_ms bigint, over_budget boolean, event_id uuid, tenant_id uuid, event_type text, event_category text, event_name text, event_version text,
    created_at_us bigint, event_data text, resource_type text, resource_id uuid, user_id uuid,
    session_id text, request_id text, source_ip text
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- The queue is often never analysed, or was when it was empty: only index scans in index order are right.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
declare
    max_age constant interval := make_interval(secs => webhooks.setting('max_delivery_age_seconds'));
begin
    return query
    with recursive walk as (
        select o.shard, f.subscription_id
        from unnest(claim_deliveries.shards, claim_deliveries.cursors) as o (shard, after)
        cross join lateral (
            select q.subscription_id from webhooks.delivery_queue q
            where q.shard = o.shard and q.next_attempt_at is null
              and q.subscription_id > coalesce(o.after, '00000000-0000-0000-0000-000000000000')
            order by q.subscription_id limit 1
        ) f
        union all
        select w.shard, f.subscription_id
        from walk w
        cross join lateral (
            select q.subscription_id from webhooks.delivery_queue q
            where q.shard = w.shard and q.next_attempt_at is null and q.subscription_id > w.subscription_id
            order by q.subscription_id limit 1
        ) f
    ),
    chosen as materialized (
        select r.id, w.shard, r.attempt, w.subscription_id, r.event_log_id, r.expires_at, s.version
        from walk w
        cross join lateral (
            select v.version from webhooks.webhook_subscriptions v
            where v.id = w.subscription_id and v.is_active and v.is_enabled
            limit 1
        ) s
        cross join lateral (
            select q.id, q.attempt, q.event_log_id, q.expires_at from webhooks.delivery_queue q
            where q.shard = w.shard and q.subscription_id = w.subscription_id and q.next_attempt_at is null
              and q.id <> all (claim_deliveries.held)
            order by q.id limit claim_deliveries.per_subscription
        ) r
        where w.subscription_id <> all (claim_deliveries.full_subscriptions)
        limit claim_deliveries.max_rows
    ),
    -- Bodies are stored compressed at most: their stored size is a fair price, and what is over the budget is not read.
    priced as (
        select c.id, c.shard, c.subscription_id, c.version, c.attempt, c.expires_at, c.event_log_id,
               e.tenant_id, e.event_type, e.event_category, e.event_name, e.event_version, e.event_data, e.resource_type,
               e.resource_id, e.user_id, e.session_id, e.request_id, e.source_ip, e.deliver_after,
               coalesce(e.created_at, e.processed_at, 'epoch') as created_at,
               sum(pg_column_size(e.event_data)) over (rows unbounded preceding) > claim_deliveries.max_bytes
                   and row_number() over (rows unbounded preceding) > 1 as over_budget
        from chosen c
        left join lateral (
            select * from webhooks.event_logs e where e.id = c.event_log_id limit 1
        ) e on true
    )
    select p.id, p.shard, p.subscription_id, p.version, p.attempt,
           -- Old is what has waited long, not what was back-dated or meant for later.
           (extract(epoch from least(p.expires_at, greatest(webhooks.uuid_v7_time(p.id), p.deliver_after) + max_age)
                               - clock_timestamp()) * 1000)::bigint,
           coalesce(p.over_budget, false), p.event_log_id, p.tenant_id, p.event_type::text, p.event_category::text,
           p.event_name::text, p.event_version::text,
           (extract(epoch from least(greatest(p.created_at, 'epoch'), '9999-12-31')) * 1000000)::bigint,
           case when p.over_budget then null else p.event_data::text end, p.resource_type::text, p.resource_id,
           p.user_id, p.session_id::text, p.request_id::text, host(p.source_ip)
    from priced p;
end
$$;
comment on function webhooks.claim_deliveries(smallint[], uuid[], uuid[], uuid[], integer, integer, bigint) is
    'Ready deliveries of these shards, up to per_subscription of each subscription after each shard''s cursor, without those held and without full subscriptions. Beyond max_bytes of event data, rows come without it (over_budget). An event that is gone comes with null columns.';

create function webhooks.promote_due(shards smallint[], max_rows integer default 1000)
returns table (promoted integer, next_due_in_ms bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set enable_bitmapscan = off
as $$
begin
    update webhooks.delivery_queue q
    set next_attempt_at = null
    from (
        select d.id
        from unnest(promote_due.shards) o (shard)
        cross join lateral (
            select q.id from webhooks.delivery_queue q
            where q.shard = o.shard and q.next_attempt_at <= clock_timestamp()
            order by q.next_attempt_at limit promote_due.max_rows
        ) d
    ) d
    where q.id = d.id;
    get diagnostics promoted = row_count;
    next_due_in_ms := (
        -- Neither greatest() nor least(): null means none. A time far away, infinity too, is looked at again in an hour.
        select case when min(d.next_attempt_at) <= clock_timestamp() then 0
                    when min(d.next_attempt_at) > clock_timestamp() + interval '1 hour' then 3600000
                    else ceil(extract(epoch from min(d.next_attempt_at) - clock_timestamp()) * 1000) end
        from unnest(promote_due.shards) o (shard)
        cross join lateral (
            select q.next_attempt_at from webhooks.delivery_queue q
            where q.shard = o.shard and q.next_attempt_at is not null
            order by q.next_attempt_at limit 1
        ) d
    );
    return next;
end
$$;
comment on function webhooks.promote_due(smallint[], integer) is
    'Makes scheduled deliveries whose time has come ready. Returns how many, and milliseconds until the next one, at most an hour (null: none).';

create function webhooks.load_subscriptions(ids uuid[])
returns table (
    id uuid, version bigint, webhook_url text, webhook_method text, webhook_headers text, auth_type text, auth_config text,
    retry_count integer, retry_delay_seconds integer, timeout_seconds integer, max_payload_size_kb integer,
    no_retry_statuses integer[], max_in_flight integer
)
language sql stable security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select s.id, s.version, s.webhook_url, coalesce(s.webhook_method, 'POST')::text,
           coalesce(s.webhook_headers, '{}')::text, coalesce(s.auth_type, 'none')::text,
           coalesce(s.auth_config, '{}')::text, coalesce(s.retry_count, 3), coalesce(s.retry_delay_seconds, 60),
           coalesce(s.timeout_seconds, 30), coalesce(s.max_payload_size_kb, 1024), s.no_retry_statuses, s.max_in_flight
    from webhooks.webhook_subscriptions s
    where s.id = any (ids);
end;
comment on function webhooks.load_subscriptions(uuid[]) is 'Where and how to deliver, secrets included; for the sidecar alone.';
