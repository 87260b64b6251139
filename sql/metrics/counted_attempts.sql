create function webhooks_private.unrolled_attempts(tenant_id uuid, only_subscriptions uuid[] default null)
returns setof webhooks_private.attempt_measures
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
declare
    progress record;
    rolled_id uuid;
    oldest_id uuid;
    last_id constant uuid := webhooks_private.rollup_id(now() + interval '1 day');
    since timestamptz;
    subscription_ids constant uuid[] := array(
        select s.id from webhooks.webhook_subscriptions s
        where s.tenant_id = unrolled_attempts.tenant_id
          and (only_subscriptions is null or s.id = any (only_subscriptions)));
begin
    select coalesce(max(p.rolled_until), '-infinity') as rolled_until,
           coalesce(max(p.rolled_at), '-infinity') as rolled_at
    into progress from webhooks_private.rollup_progress p;
    rolled_id := webhooks_private.rollup_id(progress.rolled_until);
    oldest_id := coalesce(
        (select o.delivery_id from webhooks_private.rollup_outstanding o order by o.delivery_id limit 1), rolled_id);
    -- An attempt is recorded at most so long after it began, unless the database could not be reached meanwhile: then
    -- the next roll_up() counts it.
    since := least(progress.rolled_until, progress.rolled_at) - interval '10 minutes';
    return query
    select m.*
    from unnest(subscription_ids) s (id)
    cross join lateral (
        select m.* from webhooks_private.attempt_measures m
        where m.subscription_id = s.id and m.attempted_at >= since
          and m.delivery_id >= oldest_id and m.delivery_id < last_id
        offset 0
    ) m
    where m.tenant_id = unrolled_attempts.tenant_id
      and (m.delivery_id >= rolled_id
           or exists (select from webhooks_private.rollup_outstanding o
                      where o.delivery_id = m.delivery_id and o.attempt < m.delivery_attempt));
end
$$;
comment on function webhooks_private.unrolled_attempts is
    'Attempts of a tenant''s subscriptions that roll_up() did not count yet: those of the last minutes. Part of '
    'counted_attempts().';

create function webhooks_private.rolled_attempts(
    tenant_id uuid, since timestamptz, until timestamptz, only_subscriptions uuid[] default null
)
returns setof webhooks_private.attempt_measures
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
declare
    subscription_ids uuid[];
    oldest_id uuid;
    rolled_id uuid;
begin
    select array_agg(distinct h.subscription_id), webhooks_private.rollup_id(min(h.oldest_delivery_at))
    into subscription_ids, oldest_id
    from webhooks_private.attempts_hourly h
    where h.tenant_id = rolled_attempts.tenant_id and h.hour >= date_trunc('hour', since, 'UTC') and h.hour < until
      and (only_subscriptions is null or h.subscription_id = any (only_subscriptions));
    if oldest_id is null then
        return;
    end if;
    -- By whatever clock the attempt was made.
    rolled_id := least(webhooks_private.rollup_id(until + interval '1 day'),
                       (select webhooks_private.rollup_id(p.rolled_until) from webhooks_private.rollup_progress p));
    return query
    select m.*
    from unnest(subscription_ids) s (id)
    cross join lateral (
        select m.* from webhooks_private.attempt_measures m
        where m.subscription_id = s.id and m.attempted_at >= since and m.attempted_at < until
          and m.delivery_id >= oldest_id and m.delivery_id < rolled_id
        offset 0
    ) m
    where m.tenant_id = rolled_attempts.tenant_id
      and not exists (select from webhooks_private.rollup_outstanding o
                      where o.delivery_id = m.delivery_id and o.attempt < m.delivery_attempt);
end
$$;
comment on function webhooks_private.rolled_attempts is
    'Attempts of a tenant in a part of an hour that roll_up() counted. Part of counted_attempts().';

create function webhooks_private.counted_attempts(
    tenant_id uuid, since timestamptz, only_subscriptions uuid[] default null
)
returns table (
    subscription_id uuid, hour timestamptz, is_test boolean, delivered bigint, failed bigint, retrying bigint,
    expired bigint, cancelled bigint, delivered_by_retry bigint, failed_after_retry bigint, response_us bigint,
    last_delivered_at timestamptz, last_failed_at timestamptz
)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
as $$
declare
    first_hour constant timestamptz := date_trunc('hour', since, 'UTC')
        + case when since > date_trunc('hour', since, 'UTC') then interval '1 hour' else interval '0' end;
begin
    return query
    select h.subscription_id, h.hour, h.is_test, h.delivered, h.failed, h.retrying, h.expired, h.cancelled,
           h.delivered_by_retry, h.failed_after_retry, h.response_us, h.last_delivered_at, h.last_failed_at
    from webhooks_private.attempts_hourly h
    where h.tenant_id = counted_attempts.tenant_id and h.hour >= first_hour
      and (only_subscriptions is null or h.subscription_id = any (only_subscriptions))
    union all
    select a.subscription_id, a.hour, a.is_test, sum(a.delivered), sum(a.failed), sum(a.retrying), sum(a.expired),
           sum(a.cancelled), sum(a.delivered_by_retry), sum(a.failed_after_retry),
           coalesce(sum(a.response_us), 0)::bigint,
           max(a.attempted_at) filter (where a.delivered = 1),
           max(a.attempted_at) filter (where a.failed + a.retrying = 1)
    from (
        select u.* from webhooks_private.unrolled_attempts(counted_attempts.tenant_id, only_subscriptions) u
        where u.attempted_at >= since
        union all
        -- An hour of which only the end counts.
        select r.*
        from webhooks_private.rolled_attempts(counted_attempts.tenant_id, since, first_hour, only_subscriptions) r
        where since < first_hour
    ) a
    group by a.subscription_id, a.hour, a.is_test;
end
$$;
comment on function webhooks_private.counted_attempts is
    'Numbers of a tenant''s attempts since a time, by subscription and hour, up to now: what roll_up() counted, and '
    'what it did not count yet. With only_subscriptions no attempts of others are read. A subscription may have two '
    'rows of an hour.';
