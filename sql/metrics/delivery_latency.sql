create function webhooks_private.unrolled_latencies(tenant_id uuid, since timestamptz)
returns table (hour timestamptz, bucket smallint, receipts bigint, responses bigint)
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
set enable_seqscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    first_event constant uuid := webhooks_private.rollup_id(coalesce(
        (select least(p.rolled_until, (select webhooks.uuid_v7_time(o.delivery_id)
                                       from webhooks_private.rollup_outstanding o order by o.delivery_id limit 1))
         from webhooks_private.rollup_progress p), '-infinity') - interval '1 day');
begin
    return query
    select a.hour, l.bucket, sum(l.receipts)::bigint, sum(l.responses)::bigint
    from webhooks_private.unrolled_attempts(unrolled_latencies.tenant_id) a
    -- As roll_up_attempts() counts.
    left join lateral (
        select greatest(date_part('epoch', e.deliver_after) * 1000000 - a.delivery_ms * 1000, 0) as us
        from webhooks.event_logs e
        where a.receipt_us >= 1000000 and e.id = a.event_log_id and e.id >= first_event
          and e.deliver_after < 'infinity'
        limit 1
    ) deferral on true
    cross join lateral (values
        (webhooks_private.latency_bucket(a.receipt_us - coalesce(deferral.us, 0)::bigint), 1, 0),
        (webhooks_private.latency_bucket(a.response_us), 0, 1)
    ) l (bucket, receipts, responses)
    where a.attempted_at >= since and not a.is_test and l.bucket is not null
    group by a.hour, l.bucket;
end
$$;
comment on function webhooks_private.unrolled_latencies is
    'Distribution of a tenant''s latencies that roll_up() did not count yet. Part of delivery_latency().';

create function webhooks.delivery_latency(
    tenant_id uuid, since timestamptz default now() - interval '1 day', bucket interval default '1 hour'
)
returns table (
    bucket_start timestamptz, deliveries bigint, receipt_p50_ms numeric, receipt_p95_ms numeric,
    receipt_p99_ms numeric, response_p50_ms numeric, response_p95_ms numeric, response_p99_ms numeric
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    first_time timestamptz;
begin
    perform webhooks_private.check_monitored_tenant(tenant_id);
    first_time := webhooks_private.bucket_start(webhooks_private.checked_bucket(bucket),
                                                webhooks_private.checked_since(since));
    return query
    select t.bucket_start, t.deliveries, p.receipt_p50, p.receipt_p95, p.receipt_p99, p.response_p50, p.response_p95,
           p.response_p99
    from (
        select c.bucket_start, sum(c.receipts)::bigint as deliveries, array_agg(c.bucket) as buckets,
               array_agg(c.receipts) as receipts, array_agg(c.responses) as responses
        from (
            select webhooks_private.bucket_start(delivery_latency.bucket, v.hour) as bucket_start, v.bucket,
                   sum(v.receipts)::bigint as receipts, sum(v.responses)::bigint as responses
            from (
                select h.hour, b.bucket, b.receipts, b.responses
                from webhooks_private.latencies_hourly h
                cross join lateral unnest(h.buckets, h.receipts, h.responses) b (bucket, receipts, responses)
                where h.tenant_id = delivery_latency.tenant_id and h.hour >= first_time
                union all
                select u.hour, u.bucket, u.receipts, u.responses
                from webhooks_private.unrolled_latencies(delivery_latency.tenant_id, first_time) u
            ) v
            group by 1, 2
        ) c
        group by c.bucket_start
        having sum(c.receipts) > 0
    ) t
    cross join lateral (
        select round(webhooks_private.latency_percentile(0.50, t.buckets, t.receipts)::numeric, 1) as receipt_p50,
               round(webhooks_private.latency_percentile(0.95, t.buckets, t.receipts)::numeric, 1) as receipt_p95,
               round(webhooks_private.latency_percentile(0.99, t.buckets, t.receipts)::numeric, 1) as receipt_p99,
               round(webhooks_private.latency_percentile(0.50, t.buckets, t.responses)::numeric, 1) as response_p50,
               round(webhooks_private.latency_percentile(0.95, t.buckets, t.responses)::numeric, 1) as response_p95,
               round(webhooks_private.latency_percentile(0.99, t.buckets, t.responses)::numeric, 1) as response_p99
    ) p
    order by 1;
end
$$;
comment on function webhooks.delivery_latency is
    'Returns how long deliveries of a tenant took, in buckets of whole hours by the time of the attempt that '
    'delivered, from the bucket on that since is in. receipt is the time from the commit of the event (more exactly: '
    'from its matching, just before) or from deliver_after until the response is complete, retries included. '
    'response is the time from the beginning of the request until then. Percentiles are milliseconds, '
    'interpolated within ranges that are 19 % wide. Without tests.';
grant execute on function webhooks.delivery_latency to webhooks_manager, webhooks_monitor;
