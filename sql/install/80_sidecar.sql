-- What the sidecar calls, and nothing else it may do. Advisory lock classes: bell 1464156748, shard
-- 1464156749, membership 1464156750.

create function webhooks.sidecar_settings()
returns table (version text, shard_count integer, retry_cap_seconds integer, max_delivery_age_seconds bigint)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select e.extversion, webhooks.shard_count(), 3600, 604800::bigint
    from pg_extension e
    where e.extname = 'webhooks';
end;
comment on function webhooks.sidecar_settings() is 'Settings that the sidecar reads at start: longest backoff (s), oldest delivery still tried (s).';

create function webhooks.join_sidecars()
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select pg_advisory_lock_shared(1464156750, 0);
end;
comment on function webhooks.join_sidecars() is 'Marks this session as a living sidecar until it ends.';

create function webhooks.sidecar_count()
returns integer
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select count(distinct l.pid)::integer
    from pg_locks l
    where l.locktype = 'advisory' and l.classid = 1464156750 and l.objsubid = 2 and l.granted
      and l.database = (select d.oid from pg_database d where d.datname = current_database());
end;
comment on function webhooks.sidecar_count() is 'How many sidecars live in this database.';

create function webhooks.acquire_shards(want integer)
returns smallint[]
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    acquired smallint[] := '{}';
    candidate smallint;
begin
    for candidate in
        select s::smallint
        from generate_series(0, webhooks.shard_count() - 1) s
        where not exists (
            select from pg_locks l
            where l.locktype = 'advisory' and l.classid = 1464156749 and l.objid = s and l.objsubid = 2
              and l.database = (select d.oid from pg_database d where d.datname = current_database())
        )
        order by random()
    loop
        exit when cardinality(acquired) >= want;
        if pg_try_advisory_lock(1464156749, candidate) then
            acquired := acquired || candidate;
        end if;
    end loop;
    return acquired;
end
$$;
comment on function webhooks.acquire_shards(integer) is 'Takes up to that many free shards for this session; returns those it got.';

create function webhooks.release_shards(shards smallint[])
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select pg_advisory_unlock(1464156749, s) from unnest(shards) s;
end;
comment on function webhooks.release_shards(smallint[]) is 'Gives shards of this session back.';

create function webhooks.arm_doorbell(shards smallint[])
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    armed smallint[] := '{}';
    bell smallint;
begin
    foreach bell in array shards loop
        if not pg_try_advisory_lock(1464156748, bell) then
            perform pg_advisory_unlock(1464156748, a) from unnest(armed) a;
            return false;
        end if;
        armed := armed || bell;
    end loop;
    return true;
end
$$;
comment on function webhooks.arm_doorbell(smallint[]) is 'Before sleeping: locks the bells of these shards, all or none. False: a publisher is in flight, stay awake.';

create function webhooks.disarm_doorbell(shards smallint[])
returns void
language sql volatile
set search_path = pg_catalog, pg_temp
begin atomic
    select pg_advisory_unlock(1464156748, s) from unnest(shards) s;
end;
comment on function webhooks.disarm_doorbell(smallint[]) is 'After waking: unlocks the bells.';

create function webhooks.claim_deliveries(shards smallint[], in_flight uuid[], per_subscription integer, max_rows integer)
returns table (
    delivery_id uuid, shard smallint, subscription_id uuid, subscription_version bigint, attempt integer,
    event_id uuid, tenant_id uuid, event_type text, event_category text, event_name text, event_version text,
    created_at_us bigint, event_data text, resource_type text, resource_id uuid, user_id uuid,
    session_id text, request_id text, source_ip text, expired boolean
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
-- The queue is often never analysed, or was when it was empty: a cached or sequential plan would be quadratic.
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
begin
    return query
    with recursive walk as (
        select o.shard, f.subscription_id
        from unnest(claim_deliveries.shards) o (shard)
        cross join lateral (
            select q.subscription_id from webhooks.delivery_queue q
            where q.shard = o.shard and q.next_attempt_at is null
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
    candidates as (
        select r.id, r.shard, r.attempt, r.subscription_id, r.event_log_id, r.expires_at, s.version,
               row_number() over (partition by r.subscription_id order by r.id) as place
        from walk w
        join webhooks.webhook_subscriptions s on s.id = w.subscription_id and s.is_active and s.is_enabled
        cross join lateral (
            select q.* from webhooks.delivery_queue q
            where q.shard = w.shard and q.subscription_id = w.subscription_id and q.next_attempt_at is null
              and q.id <> all (claim_deliveries.in_flight)
            order by q.id limit claim_deliveries.per_subscription
        ) r
        union all
        select d.id, d.shard, d.attempt, d.subscription_id, d.event_log_id, d.expires_at, d.version, 0
        from unnest(claim_deliveries.shards) o (shard)
        cross join lateral (
            select q.*, s.version from webhooks.delivery_queue q
            join webhooks.webhook_subscriptions s on s.id = q.subscription_id and s.is_active and s.is_enabled
            where q.shard = o.shard and q.next_attempt_at <= clock_timestamp()
              and q.id <> all (claim_deliveries.in_flight)
            order by q.next_attempt_at limit claim_deliveries.per_subscription
        ) d
    ),
    chosen as (
        select c.* from candidates c order by c.place, random() limit claim_deliveries.max_rows
    )
    select c.id, c.shard, c.subscription_id, c.version, c.attempt,
           e.id, e.tenant_id, e.event_type::text, e.event_category::text, e.event_name::text, e.event_version::text,
           (extract(epoch from e.created_at) * 1000000)::bigint, e.event_data::text, e.resource_type::text, e.resource_id,
           e.user_id, e.session_id::text, e.request_id::text, host(e.source_ip),
           coalesce(c.expires_at <= clock_timestamp(), false)
               or e.created_at < clock_timestamp() - make_interval(secs => 604800)
    from chosen c
    join webhooks.event_logs e on e.id = c.event_log_id;
end
$$;
comment on function webhooks.claim_deliveries(smallint[], uuid[], integer, integer) is
    'Deliveries that are due on these shards, a few of each subscription. A plain read: owning the shard is the claim.';

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

create function webhooks.record_attempts(
    delivery_ids uuid[], attempts integer[], statuses text[], http_status_codes integer[], response_headers text[],
    response_bodies text[], error_messages text[], attempted_at_us bigint[], duration_us bigint[],
    payload_sizes integer[], payload_hashes text[], retry_after_ms bigint[], disable_reasons text[]
)
returns setof uuid
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
as $$
begin
    return query
    with results as (
        select *
        from unnest(
            delivery_ids, attempts, statuses, http_status_codes, record_attempts.response_headers, response_bodies,
            error_messages, attempted_at_us, record_attempts.duration_us, payload_sizes, payload_hashes,
            retry_after_ms, disable_reasons
        ) as r (
            delivery_id, attempt, status, http_status_code, response_headers, response_body, error_message,
            attempted_at_us, duration_us, payload_size, payload_hash, retry_after_ms, disable_reason
        )
    ),
    finished as (
        delete from webhooks.delivery_queue q
        using results r
        where q.id = r.delivery_id and q.attempt = r.attempt and r.status <> 'retrying'
        returning q.id, q.subscription_id, q.event_log_id, null::timestamptz as next_retry_at
    ),
    rescheduled as (
        update webhooks.delivery_queue q
        set attempt = q.attempt + 1,
            next_attempt_at = clock_timestamp() + r.retry_after_ms * interval '1 millisecond'
        from results r
        where q.id = r.delivery_id and q.attempt = r.attempt and r.status = 'retrying'
        returning q.id, q.subscription_id, q.event_log_id, q.next_attempt_at as next_retry_at
    ),
    applied as (
        select * from finished union all select * from rescheduled
    ),
    logged as (
        insert into webhooks.delivery_attempts (
            delivery_id, subscription_id, event_log_id, delivery_attempt, delivery_status, http_status_code,
            response_headers, response_body, error_message, attempted_at, delivered_at, next_retry_at, duration_us,
            payload_size_bytes, payload_hash
        )
        select a.id, a.subscription_id, a.event_log_id, r.attempt + 1, r.status, r.http_status_code,
               r.response_headers::jsonb, r.response_body, r.error_message,
               timestamptz 'epoch' + r.attempted_at_us * interval '1 microsecond',
               case when r.status = 'delivered'
                    then timestamptz 'epoch' + (r.attempted_at_us + r.duration_us) * interval '1 microsecond' end,
               a.next_retry_at, r.duration_us, r.payload_size, r.payload_hash
        from applied a
        join results r on r.delivery_id = a.id
    ),
    disabled as (
        update webhooks.webhook_subscriptions s
        set is_enabled = false, disabled_reason = d.reason
        from (
            select a.subscription_id, min(r.disable_reason) as reason
            from applied a
            join results r on r.delivery_id = a.id
            where r.disable_reason is not null
            group by a.subscription_id
        ) d
        where s.id = d.subscription_id and s.is_enabled
    )
    select r.delivery_id from results r where not exists (select from applied a where a.id = r.delivery_id);
end
$$;
comment on function webhooks.record_attempts(uuid[], integer[], text[], integer[], text[], text[], text[], bigint[], bigint[], integer[], text[], bigint[], text[]) is
    'Writes the results of attempts, each guarded by the attempt number that was claimed. Returns the deliveries of late writers, for which nothing was changed.';

create function webhooks.next_retry_in_ms(shards smallint[])
returns bigint
language sql volatile security definer
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
begin atomic
    select (extract(epoch from min(d.next_attempt_at) - clock_timestamp()) * 1000)::bigint
    from unnest(shards) o (shard)
    cross join lateral (
        select q.next_attempt_at
        from webhooks.delivery_queue q
        join webhooks.webhook_subscriptions s on s.id = q.subscription_id and s.is_active and s.is_enabled
        where q.shard = o.shard and q.next_attempt_at is not null
        order by q.next_attempt_at limit 1
    ) d;
end;
comment on function webhooks.next_retry_in_ms(smallint[]) is 'Milliseconds until the next retry or deferred delivery is due on these shards; null if there is none.';
