create function webhooks.slo_report(days integer default 30)
returns table (
    objective text, target text, measured numeric, unit text, is_met boolean, samples bigint
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
declare
    first_hour timestamptz;
begin
    perform webhooks_private.check_monitors_all();
    first_hour := date_trunc('hour', now() - make_interval(days => webhooks_private.checked_days(days)), 'UTC');
    return query
    with attempts as (
        select sum(h.delivered) filter (where s.is_active and s.is_enabled) as delivered,
               sum(h.delivered + h.failed) filter (where s.is_active and s.is_enabled) as finished,
               sum(h.response_us) as response_us,
               sum(h.delivered) as responses,
               sum(h.delivered_by_retry) as delivered_by_retry,
               sum(h.delivered_by_retry + h.failed_after_retry) as retried
        from (
            select h.subscription_id, sum(h.delivered) as delivered, sum(h.failed + h.expired) as failed,
                   sum(h.response_us) as response_us, sum(h.delivered_by_retry) as delivered_by_retry,
                   sum(h.failed_after_retry) as failed_after_retry
            from webhooks_private.attempts_hourly h
            where h.hour >= first_hour and not h.is_test
            group by h.subscription_id
        ) h
        left join webhooks.webhook_subscriptions s on s.id = h.subscription_id
    ),
    publications as (
        select webhooks_private.latency_percentile(0.99, array_agg(l.bucket), array_agg(l.publications)) as p99_ms,
               sum(l.publications)::bigint as publications
        from (
            select b.bucket, sum(b.publications)::bigint as publications
            from webhooks_private.latencies_hourly h
            cross join lateral unnest(h.buckets, h.publications) b (bucket, publications)
            where h.hour >= first_hour
            group by b.bucket
        ) l
    )
    select o.objective, o.target, o.measured, o.unit,
           case when o.target like '> %' then o.measured > o.bound else o.measured < o.bound end,
           coalesce(o.samples, 0)
    from attempts a, publications p,
    lateral (values
        ('delivery success rate of active subscriptions', '> 99 %',
         round(a.delivered * 100 / nullif(a.finished, 0), 2), '%', 99::numeric, a.finished::bigint),
        ('average response time', '< 2 s',
         round(a.response_us / nullif(a.responses, 0) / 1000000, 3), 's', 2, a.responses::bigint),
        ('success rate of retried deliveries', '> 95 %',
         round(a.delivered_by_retry * 100 / nullif(a.retried, 0), 2), '%', 95, a.retried::bigint),
        ('publishing, 99th percentile', '< 100 ms', round(p.p99_ms::numeric, 1), 'ms', 100, p.publications)
    ) o (objective, target, measured, unit, bound, samples);
end
$$;
comment on function webhooks.slo_report is
    'Returns the four objectives of the specification and what was measured in the last days, of all tenants, up to '
    'the last few minutes; is_met is null if nothing was measured. Delivered, failed and expired deliveries count for '
    'the success rate. Publishing is measured in production, for each event that a subscription matched, from the '
    'beginning of publish_event() to the insertion of the delivery, in milliseconds. Without tests.';
grant execute on function webhooks.slo_report to webhooks_monitor;
