create function webhooks_private.round_half_even(value numeric)
returns numeric
language sql immutable strict parallel safe
-- As Python rounds, which the specification's numbers come from: to the even digit halfway between two.
return round(value, 2) - case when value * 100 - floor(value * 100) = 0.5 and mod(floor(value * 100), 2) = 0
    then 0.01 else 0 end;
comment on function webhooks_private.round_half_even is
    'A number that is not negative, rounded to two digits. Part of delivery_metrics().';

create function webhooks_private.outstanding_retries(tenant_id uuid, since timestamptz)
returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
declare
    -- Only a delivery that was made before may have been attempted before.
    last_id constant uuid := webhooks_private.rollup_id(since + interval '1 hour');
    old_ids uuid[];
    old_attempts integer[];
    oldest_id uuid;
    retries bigint;
begin
    select count(*), array_agg(q.id order by q.id) filter (where q.id < last_id),
           array_agg(q.attempt order by q.id) filter (where q.id < last_id)
    into retries, old_ids, old_attempts
    from webhooks.webhook_subscriptions s
    cross join lateral webhooks_private.outstanding_deliveries(s.id) q
    where s.tenant_id = outstanding_retries.tenant_id and q.attempt > 0;
    oldest_id := old_ids[1];
    if oldest_id is null then
        return retries;
    end if;
    return retries - cardinality(old_ids) + (
        select count(*)
        from unnest(old_ids, old_attempts) o (id, attempt)
        cross join lateral (
            select from webhooks.delivery_attempts a
            where a.delivery_id = o.id and a.delivery_attempt = o.attempt and a.attempted_at >= since
              and a.delivery_id >= oldest_id and a.delivery_id < last_id
            offset 0
        ) a);
end
$$;
comment on function webhooks_private.outstanding_retries is
    'How many deliveries of a tenant wait for a retry and were last attempted since a time. Part of '
    'delivery_metrics().';

create function webhooks.delivery_metrics(tenant_id uuid, days integer default 7)
returns table (
    total_deliveries bigint, successful_deliveries bigint, failed_deliveries bigint, success_rate numeric,
    average_response_time_seconds numeric
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    since timestamptz;
    response_us numeric;
begin
    perform webhooks_private.check_monitored_tenant(tenant_id);
    since := now() - make_interval(days => webhooks_private.checked_days(days));
    select coalesce(sum(c.delivered + c.failed + c.expired + c.cancelled), 0)
               + webhooks_private.outstanding_retries(delivery_metrics.tenant_id, since),
           coalesce(sum(c.delivered), 0), sum(c.response_us)
    into total_deliveries, successful_deliveries, response_us
    from webhooks_private.counted_attempts(delivery_metrics.tenant_id, since) c
    join webhooks.webhook_subscriptions s on s.id = c.subscription_id and s.tenant_id = delivery_metrics.tenant_id;
    failed_deliveries := total_deliveries - successful_deliveries;
    success_rate := coalesce(
        webhooks_private.round_half_even(successful_deliveries * 100::numeric / nullif(total_deliveries, 0)), 0.00);
    average_response_time_seconds := coalesce(
        webhooks_private.round_half_even(response_us / nullif(successful_deliveries, 0) / 1000000), 0.00);
    return next;
end
$$;
comment on function webhooks.delivery_metrics is
    'Returns the deliveries of a tenant whose last attempt was in the last days: how many, how many of them are '
    'delivered, the share of those in percent, and the average time from the beginning of a request to its response. '
    'failed_deliveries are all that are not delivered, also those that wait for a retry. As in the specification, '
    'deliveries of deleted subscriptions do not count, and tests do.';
grant execute on function webhooks.delivery_metrics to webhooks_manager, webhooks_monitor;
