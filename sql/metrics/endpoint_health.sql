create function webhooks_private.failures_since(
    subscription_id uuid, since timestamptz, until timestamptz, oldest_id uuid
)
returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
declare
    last_id constant uuid := webhooks_private.rollup_id(until + interval '1 day');
begin
    return (
        select count(*) from webhooks.delivery_attempts a
        where a.subscription_id = failures_since.subscription_id and a.attempted_at > since and a.attempted_at < until
          and a.delivery_status in ('failed', 'retrying') and a.is_test is not true
          and a.delivery_id >= oldest_id and a.delivery_id < last_id);
end
$$;
comment on function webhooks_private.failures_since is
    'How many attempts of a subscription failed in a part of an hour. Part of endpoint_health().';

create function webhooks_private.backlog_of(
    subscription_id uuid, out deliveries bigint, out next_retry_at timestamptz, out oldest_due_at timestamptz
)
language sql stable
set search_path = pg_catalog, pg_temp
begin atomic
    select count(*), min(q.next_attempt_at) filter (where q.attempt > 0),
           (select min(webhooks_private.due_since(o.id, o.event_log_id, o.attempt, o.next_attempt_at))
            from (
                select q.* from webhooks_private.outstanding_deliveries(backlog_of.subscription_id) q
                where q.shard < webhooks_private.shard_count() and (q.next_attempt_at <= now()) is not false
                order by q.id limit 5
            ) o)
    from webhooks_private.outstanding_deliveries(backlog_of.subscription_id) q
    where q.shard < webhooks_private.shard_count();
end;
comment on function webhooks_private.backlog_of is
    'What is outstanding to a subscription, without tests. Part of endpoint_health().';

create function webhooks.endpoint_health(tenant_id uuid)
returns table (
    subscription_id uuid, name text, state text,
    attempts_1h bigint, success_rate_1h numeric, average_response_seconds_1h numeric,
    attempts_24h bigint, success_rate_24h numeric, average_response_seconds_24h numeric,
    attempts_7d bigint, success_rate_7d numeric, average_response_seconds_7d numeric,
    failures_in_a_row bigint, last_success_at timestamptz, last_failure_at timestamptz, next_retry_at timestamptz,
    outstanding bigint, oldest_due_at timestamptz
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set jit = off
as $$
#variable_conflict use_column
declare
    first_hour constant timestamptz := date_trunc('hour', now() - interval '7 days', 'UTC');
    day_ago constant timestamptz := date_trunc('hour', now() - interval '1 day', 'UTC');
    oldest_id constant uuid := webhooks_private.rollup_id(least(
        (select min(h.oldest_delivery_at) from webhooks_private.attempts_hourly h
         where h.tenant_id = endpoint_health.tenant_id and h.hour >= first_hour),
        (select min(p.rolled_until) - interval '1 hour' from webhooks_private.rollup_progress p),
        now() - interval '1 hour'));
begin
    perform webhooks_private.check_monitored_tenant(tenant_id);
    return query
    with counted as materialized (
        select c.* from webhooks_private.counted_attempts(endpoint_health.tenant_id, first_hour) c where not c.is_test
    ),
    last_hour as (
        select c.subscription_id, sum(c.delivered + c.failed + c.retrying)::bigint as attempts,
               sum(c.delivered) as delivered, sum(c.response_us) as response_us
        from webhooks_private.counted_attempts(endpoint_health.tenant_id, now() - interval '1 hour') c
        where not c.is_test
        group by c.subscription_id
    ),
    week as (
        select c.subscription_id, sum(c.delivered + c.failed + c.retrying)::bigint as attempts,
               sum(c.delivered) as delivered, sum(c.response_us) as response_us,
               max(c.last_delivered_at) as last_delivered_at, max(c.last_failed_at) as last_failed_at
        from counted c
        group by c.subscription_id
    ),
    last_day as (
        select c.subscription_id, sum(c.delivered + c.failed + c.retrying)::bigint as attempts,
               sum(c.delivered) as delivered, sum(c.response_us) as response_us
        from counted c
        where c.hour >= day_ago
        group by c.subscription_id
    ),
    -- Of whole hours after that of the last success.
    later_failures as (
        select c.subscription_id, sum(c.failed + c.retrying) as failures
        from counted c
        join week w on w.subscription_id = c.subscription_id
        where c.hour > w.last_delivered_at or w.last_delivered_at is null
        group by c.subscription_id
    )
    select s.subscription_id, s.name::text,
           case when s.is_delivered_to is not true then 'disabled'
                when s.verification_state in ('pending', 'refused') then 'unverified'
                when s.breaker_state <> 'closed' then 'breaker open'
                when s.throttled_until is not null then 'paused'
                when s.failing_since is not null or f.in_a_row > 0 then 'failing'
                when p.is_polled and b.oldest_due_at < now() - interval '1 minute' then 'waiting'
                else 'healthy' end,
           coalesce(h.attempts, 0), round(h.delivered * 100 / nullif(h.attempts, 0), 2),
           round(h.response_us / nullif(h.delivered, 0) / 1000000, 3),
           coalesce(d.attempts, 0), round(d.delivered * 100 / nullif(d.attempts, 0), 2),
           round(d.response_us / nullif(d.delivered, 0) / 1000000, 3),
           coalesce(w.attempts, 0), round(w.delivered * 100 / nullif(w.attempts, 0), 2),
           round(w.response_us / nullif(w.delivered, 0) / 1000000, 3),
           coalesce(f.in_a_row, 0)::bigint,
           coalesce(w.last_delivered_at, (
               select a.last_delivered_at from webhooks_private.attempts_hourly a
               where a.subscription_id = s.subscription_id and a.last_delivered_at is not null and not a.is_test
               order by a.hour desc limit 1)),
           coalesce(w.last_failed_at, (
               select a.last_failed_at from webhooks_private.attempts_hourly a
               where a.subscription_id = s.subscription_id and a.last_failed_at is not null and not a.is_test
               order by a.hour desc limit 1)),
           b.next_retry_at, b.deliveries, b.oldest_due_at
    from webhooks.subscription_health s
    left join last_hour h on h.subscription_id = s.subscription_id
    left join last_day d on d.subscription_id = s.subscription_id
    left join week w on w.subscription_id = s.subscription_id
    left join later_failures l on l.subscription_id = s.subscription_id
    cross join lateral (
        select case when w.last_failed_at > coalesce(w.last_delivered_at, '-infinity') then
            coalesce(l.failures, 0)
            -- What came after it in its hour.
            + case when w.last_delivered_at is not null then webhooks_private.failures_since(
                  s.subscription_id, w.last_delivered_at,
                  date_trunc('hour', w.last_delivered_at, 'UTC') + interval '1 hour', oldest_id) else 0 end
        end as in_a_row
    ) f
    cross join lateral webhooks_private.backlog_of(s.subscription_id) b
    cross join lateral (
        select w.delivery = 'poll' as is_polled from webhooks.webhook_subscriptions w where w.id = s.subscription_id
    ) p
    where s.tenant_id = endpoint_health.tenant_id
    order by s.name, s.subscription_id;
end
$$;
comment on function webhooks.endpoint_health is
    'Returns how the receiver of each subscription of a tenant works: its state (healthy, failing, paused, breaker '
    'open, unverified, disabled, or waiting: for a minute and longer it has not polled what is outstanding; '
    'subscription_health has the details), the share of its attempts that delivered, '
    'in percent, and their average response time over the last hour, 24 hours and 7 days (of the latter two whole '
    'hours), the failures since its last success within 7 days, its outstanding deliveries, and since when the '
    'oldest of these has been due by its schedule. Without tests.';
grant execute on function webhooks.endpoint_health to webhooks_manager, webhooks_monitor;
